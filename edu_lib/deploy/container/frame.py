"""The bytes around the content of a container: what it is, its version, and a checksum.

Byte 0: 30. Byte 1: the version, plus 128 if a tail follows the coded bits. Bytes 2 to 5: CRC-32 of
all other bytes. With a tail, 4 bytes say how many bytes of coded bits come before it.
"""

import os
import zlib
from pathlib import Path

MAGIC, VERSION, HAS_TAIL = 30, 1, 128
HEADER_BYTES = 6
MOST_BYTES = 1 << 30


def framed(bits: bytes, tail: bytes) -> bytes:
    """A container of these coded bits and this tail."""
    head = bytes([MAGIC, VERSION | (HAS_TAIL if tail else 0)])
    body = (len(bits).to_bytes(4, "big") if tail else b"") + bits + tail
    return head + checksum(head + body) + body


def checksum(content: bytes) -> bytes:
    """CRC-32, 4 bytes."""
    return zlib.crc32(content).to_bytes(4, "big")


def unframed(data: bytes) -> tuple[bytes, bytes]:
    """The coded bits and the tail.

    Raises ValueError if the bytes are no container, cut off, altered, or of another version.
    """
    if len(data) < HEADER_BYTES or data[0] != MAGIC:
        raise ValueError("this is no container of a network, or it is cut off")
    if checksum(data[:2] + data[HEADER_BYTES:]) != data[2:HEADER_BYTES]:
        raise ValueError("the checksum does not fit: the container is cut off or altered")
    version = data[1] & ~HAS_TAIL
    if version != VERSION:
        raise ValueError(f"it has version {version}, and this kit reads version {VERSION}")
    body = data[HEADER_BYTES:]
    if not data[1] & HAS_TAIL:
        return body, b""
    end = 4 + int.from_bytes(body[:4], "big")
    if len(body) < end:
        raise ValueError(f"it says that {end - 4} bytes of coded bits follow, but they do not")
    return body[4:end], body[end:]


def read_file(path: str | Path) -> bytes:
    """The bytes of a file. Raises ValueError if it is too large to be a container."""
    size = os.path.getsize(path)
    if size > MOST_BYTES:
        raise ValueError(f"{path} has {size} bytes, and a container at most {MOST_BYTES}")
    return Path(path).read_bytes()


def write_file(path: str | Path, data: bytes) -> Path:
    """Writes the file under a temporary name, then renames it; returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
