"""A certificate made for this run, so that TLS can be shown without a public authority."""

import ssl
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Certificate:
    """The files a TLS server needs, and the file of the authority that its clients must trust."""

    certificate: Path
    key: Path
    authority: Path

    def client_context(self) -> ssl.SSLContext:
        """Settings of a client that trusts this authority and no other."""
        return ssl.create_default_context(cafile=str(self.authority))


def make_certificate(folder: str | Path) -> Certificate:
    """Writes an authority and a certificate for 127.0.0.1, signed by it, into `folder`.

    The keys are random and last as long as the folder. Taught in chapter 06.
    """
    import trustme

    folder = Path(folder)
    authority = trustme.CA()
    issued = authority.issue_cert(HOST)
    files = Certificate(folder / "server.pem", folder / "server.key", folder / "authority.pem")
    for number, part in enumerate(issued.cert_chain_pems):
        part.write_to_path(files.certificate, append=number > 0)
    issued.private_key_pem.write_to_path(files.key)
    authority.cert_pem.write_to_path(files.authority)
    return files
