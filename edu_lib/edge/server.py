"""A real server on this machine, in a process of its own, for as long as a `with` block lasts."""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLong
from pathlib import Path

from edu_lib.edge.certificate import HOST, Certificate, make_certificate
from edu_lib.edge.client import Client

SERVICE = Path(__file__).with_name("service.py")
START_SECONDS = 60.0
STOP_SECONDS = 5.0


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
