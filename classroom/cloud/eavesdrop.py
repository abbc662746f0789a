"""Someone on the way: a relay that keeps a copy of every byte, and may change answers. Chapter 06.

Pictures are then found in the heap of bytes, without knowing how they were sent.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from classroom.cloud.server import HOST
from classroom.cloud.service import RAW_HEADER, RAW_MAGIC, decode_frame

CHUNK = 65_536
UP, DOWN = "up", "down"  # towards the server, towards the camera

# how a picture begins and ends in its file format
MARKS = (
    (b"\xff\xd8\xff", b"\xff\xd9"),  # JPEG: start and end of image
    (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"),  # PNG: signature and last chunk
)


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
def eavesdrop(server_port: int, change: Callable[[bytes], bytes] | None = None) -> Iterator[Tap]:
    """`with eavesdrop(server.port) as tap: server.client(tap.port).predict(frame)`.

    A relay on 127.0.0.1, on a free port. It ends with the block. change: what it makes of the bytes
    that go down to the camera; by default it changes nothing. The tap keeps what the server sent.
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
                made = change if direction == DOWN else None
                pump = threading.Thread(target=relay, args=(source, target, direction, tap, made))
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


def relay(
    source: socket.socket,
    target: socket.socket,
    direction: str,
    tap: Tap,
    change: Callable[[bytes], bytes] | None = None,
) -> None:
    """Passes on what comes from `source`, or what `change` makes of it, until either end closes."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            tap.keep(direction, data)
            target.sendall(change(data) if change else data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def find_pictures(data: bytes) -> list[np.ndarray]:
    """Every JPEG, PNG or raw frame in `data`, uint8 [H, W, 3], in the order of their bytes.

    What begins like a picture and is none is passed over, so that ciphertext gives an empty list.
    """
    found = []
    for begin, end in MARKS:
        at = data.find(begin)
        while at >= 0:
            stop = data.find(end, at + len(begin))
            picture = _decoded(data[at : stop + len(end)]) if stop >= 0 else None
            if picture is not None:
                found.append((at, picture))
            at = data.find(begin, stop + len(end) if picture is not None else at + 1)
    found += _raw_pictures(data)
    return [picture for _, picture in sorted(found, key=lambda pair: pair[0])]


def _raw_pictures(data: bytes) -> list[tuple[int, np.ndarray]]:
    found = []
    at = data.find(RAW_MAGIC)
    while 0 <= at <= len(data) - RAW_HEADER.size:
        _, height, width = RAW_HEADER.unpack_from(data, at)
        end = at + RAW_HEADER.size + height * width * 3
        picture = _decoded(data[at:end]) if end <= len(data) else None
        if picture is not None and picture.size:
            found.append((at, picture))
        at = data.find(RAW_MAGIC, at + 1)
    return found


def _decoded(piece: bytes) -> np.ndarray | None:
    try:
        return decode_frame(piece)
    except ValueError:
        return None
