"""A real server on this machine, in a process of its own, for as long as a `with` block lasts."""

import contextlib
import json
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLong
from dataclasses import dataclass
from pathlib import Path

import httpx

HOST = "127.0.0.1"
SERVICE = Path(__file__).with_name("service.py")
START_SECONDS = 60.0
STOP_SECONDS = 5.0
ANSWER_SECONDS = 30.0
KEEP_SECONDS = 3.0  # a connection that nobody uses; the server closes it after 5


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


class RefusedFrame(ValueError):
    """The server did not take a frame; its message is the server's own sentence.

    status: 422 for bytes that are no fitting picture, 413 for too many of them, 408 for bytes that
    came too slowly, 503 when too many are on their way.
    """

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


class Client:
    """Sends frames to a server and keeps its connections open; any number of threads may use it.

    context: the TLS settings, None for a plain connection.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None = None):
        self.host, self.port = host, port
        self._http = httpx.Client(
            base_url=f"{'https' if context else 'http'}://{host}:{port}",
            verify=context or False,
            timeout=ANSWER_SECONDS,
            limits=httpx.Limits(max_connections=None, keepalive_expiry=KEEP_SECONDS),
            trust_env=False,  # no proxy on the way to this machine
        )

    def predict(self, frame: bytes) -> dict:
        """{"outputs": {name: nested list}, "server_ms": time spent on it by the server}.

        Raises RefusedFrame if the server refuses the bytes, ConnectionError if it is not there.
        """
        try:
            try:
                response = self._post(frame)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                response = self._post(frame)  # it closed a connection that had waited: open another
        except (httpx.TransportError, RuntimeError) as error:
            raise ConnectionError(
                f"no answer from {self.host}:{self.port} ({error}): is the server running?"
            ) from error
        if response.status_code != 200:
            raise RefusedFrame(response.status_code, sentence_of(response))
        return response.json()

    def close(self) -> None:
        """Closes all connections."""
        self._http.close()

    def _post(self, frame: bytes) -> httpx.Response:
        kind = {"Content-Type": "application/octet-stream"}
        return self._http.post("/predict", content=frame, headers=kind)


def sentence_of(response: httpx.Response) -> str:
    """The sentence in an answer that refuses a frame."""
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return response.text


class Server:
    """A running server. `predict(frame)` asks it; `client(port)` asks it through another port."""

    def __init__(self, process: subprocess.Popen, port: int, certificate: Certificate | None):
        self.process, self.port, self.certificate = process, port, certificate
        self._own_client = self.client()

    @property
    def url(self) -> str:
        """Where it listens, such as http://127.0.0.1:40123."""
        return f"{'https' if self.certificate else 'http'}://{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process.poll() is None

    def predict(self, frame: bytes) -> dict:
        """The answer to one frame; see `Client.predict`."""
        return self._own_client.predict(frame)

    def client(self, port: int | None = None) -> Client:
        """A client of this server; port: of something in between, such as `eavesdrop`."""
        context = self.certificate.client_context() if self.certificate else None
        return Client(HOST, port or self.port, context)

    def close(self) -> None:
        """Ends the process, whatever it does."""
        self._own_client.close()
        stop_process(self.process)

    def __repr__(self) -> str:
        secret = "TLS: encrypted on the way" if self.certificate else "plain: readable on the way"
        return f"Server {'running' if self.running else 'stopped'} ({secret})"


@contextlib.contextmanager
def serve(path: str | Path, threads: int = 1, tls: bool = False) -> Iterator[Server]:
    """`with serve("network.onnx") as server: server.predict(frame)`.

    A process of its own listens on a free port of 127.0.0.1, answers with ONNX Runtime, and is
    gone when the block ends, also when its body raises. threads: of ONNX Runtime. tls: encrypt,
    with a certificate made for this block. Raises FileNotFoundError if there is no file,
    RuntimeError with the reason if the server does not start. Taught in chapter 06.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no ONNX file {path}; write it with export_onnx")
    with tempfile.TemporaryDirectory() as folder:
        certificate = make_certificate(folder) if tls else None
        command = [sys.executable, "-P", str(SERVICE), str(path), "--threads", str(threads)]
        if certificate:
            command += ["--certificate", str(certificate.certificate)]
            command += ["--key", str(certificate.key)]
        with open(Path(folder) / "errors.txt", "w+", encoding="utf-8") as errors:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
            server = None
            try:
                port = wait_until_ready(process, errors)
                server = Server(process, port, certificate)
                yield server
            finally:
                server.close() if server else stop_process(process)


def wait_until_ready(process: subprocess.Popen, errors, seconds: float = START_SECONDS) -> int:
    """The port that the process listens on. Raises RuntimeError with the reason if it does not."""
    with ThreadPoolExecutor(1) as reader:
        line = reader.submit(process.stdout.readline)
        try:
            message = json.loads(line.result(seconds) or b"{}")
        except TooLong:
            process.kill()  # ends the reader too
            late = f"the server did not start within {seconds:g} s: try again"
            raise RuntimeError(late) from None
    if "port" in message:
        return message["port"]
    process.wait()
    errors.seek(0)
    said = errors.read().strip().splitlines()
    reason = message.get("error") or (said[-1] if said else f"exit code {process.returncode}")
    raise RuntimeError(f"the server did not start: {reason}")


def stop_process(process: subprocess.Popen) -> None:
    """Asks a server to end by closing its stdin; then ends it."""
    for ask in (process.stdin.close, process.terminate, process.kill):
        with contextlib.suppress(OSError):
            ask()
        try:
            process.wait(STOP_SECONDS)
            break
        except subprocess.TimeoutExpired:
            continue
    process.stdout.close()
