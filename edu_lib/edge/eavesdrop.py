"""Someone on the way: a relay that passes every byte on and keeps a copy. Taught in chapter 06."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from edu_lib.edge.certificate import HOST

CHUNK = 65_536
UP, DOWN = "up", "down"  # towards the server, towards the camera


@dataclass(frozen=True)
class Chunk:
    """What arrived together: when (seconds after the first), which way, and the bytes."""

    seconds: float
    direction: str
    data: bytes


@dataclass(frozen=True)
class Exchange:
    """One question and its answer, as seen from outside: when, and how many bytes each way."""

    seconds: float
    bytes_up: int
    bytes_down: int


@dataclass
class Tap:
    """A relay's port, and all that passed it, in order. Clients talk to `port`."""

    port: int
    chunks: list[Chunk] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _start: float | None = None

    def keep(self, direction: str, data: bytes) -> None:
        """Notes a chunk."""
        with self._lock:
            now = time.perf_counter()
            self._start = now if self._start is None else self._start
            self.chunks.append(Chunk(now - self._start, direction, data))

    def bytes_of(self, direction: str) -> bytes:
        """All bytes of one direction, joined."""
        return b"".join(chunk.data for chunk in self.chunks if chunk.direction == direction)

    def exchanges(self) -> list[Exchange]:
        """Questions and answers told apart by direction alone: sizes and times, no content.

        Right for one client that waits for each answer.
        """
        found: list[Exchange] = []
        before = DOWN
        for chunk in self.chunks:
            if chunk.direction == UP and before == DOWN:
                found.append(Exchange(chunk.seconds, 0, 0))
            last = found[-1] if found else Exchange(chunk.seconds, 0, 0)
            up = len(chunk.data) if chunk.direction == UP else 0
            down = len(chunk.data) if chunk.direction == DOWN else 0
            found[-1:] = [Exchange(last.seconds, last.bytes_up + up, last.bytes_down + down)]
            before = chunk.direction
        return found

    def __repr__(self) -> str:
        up, down = len(self.bytes_of(UP)), len(self.bytes_of(DOWN))
        return f"Tap: {len(self.chunks)} chunks seen, {up:,} bytes up, {down:,} bytes down"


@contextlib.contextmanager
def eavesdrop(server_port: int) -> Iterator[Tap]:
    """`with eavesdrop(server.port) as tap: server.client(tap.port).predict(frame)`.

    A relay on 127.0.0.1, on a free port, that changes nothing. It ends with the block.
    """
    listener = socket.create_server((HOST, 0))
    tap = Tap(listener.getsockname()[1])
    links: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return  # the block has ended
            try:
                far = socket.create_connection((HOST, server_port))
            except OSError:
                near.close()
                continue
            links.extend((near, far))
            for source, target, direction in ((near, far, UP), (far, near, DOWN)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                pump = threading.Thread(target=relay, args=(source, target, direction, tap))
                threads.append(pump)
                pump.start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield tap
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept on Linux
        listener.close()
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, tap.port), timeout=1).close()  # wakes it elsewhere
        acceptor.join(5)
        for link in links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        for pump in threads:
            pump.join(5)
        for link in links:
            link.close()


def relay(source: socket.socket, target: socket.socket, direction: str, tap: Tap) -> None:
    """Passes on what comes from `source` until either end closes."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            tap.keep(direction, data)
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
