"""The bytes of a container: the frame around them, tensor after tensor, and what each weighs.

Byte 0: 30. Byte 1: the version, plus 128 if a tail follows the coded bits. Bytes 2 to 5: CRC-32 of
all other bytes. With a tail, 4 bytes say how many bytes of coded bits come before it. What codes
runs both ways: see techniques.entropy_coding.range_coder.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from edu_lib.deploy.container.tensors import (
    Codebook,
    Levels,
    Stored,
    Tail,
    deflated_floats,
    deflated_levels,
    dense,
    huffman_levels,
    shape_of,
)
from edu_lib.techniques.entropy_coding import (
    AdaptiveBit,
    AdaptiveFloats,
    AdaptiveNumber,
    Coder,
    LevelModel,
    code_levels,
)

MAGIC, VERSION, HAS_TAIL = 30, 1, 128
HEADER_BYTES = 6
METHODS = ("context", "huffman", "deflate")
KINDS = (Levels, Codebook, Tensor)
FEW_FLOATS = 4096  # more floats than these are deflated
# A container may ask for 4 MB of values, and for 8,000 bytes more with each byte that it has.
FREE_VALUES, VALUES_A_BYTE = 1 << 20, 2000
MOST_CODED = 1 << 20  # levels of one file that are coded by contexts: half a minute at the worst


@dataclass
class TensorStream:
    """Tensors, one after the other; what is learned from one helps with the next."""

    coder: Coder
    tail: Tail
    kinds: dict[bool, AdaptiveNumber] = field(
        default_factory=lambda: {True: AdaptiveNumber(2), False: AdaptiveNumber(2)}
    )
    floats: AdaptiveFloats = field(default_factory=AdaptiveFloats)
    scales: AdaptiveFloats = field(default_factory=AdaptiveFloats)
    counts: AdaptiveNumber = field(default_factory=lambda: AdaptiveNumber(17))
    methods: AdaptiveNumber = field(default_factory=lambda: AdaptiveNumber(2))
    by_row: AdaptiveBit = field(default_factory=AdaptiveBit)
    vectors: LevelModel = field(default_factory=LevelModel)
    num_coded: int = 0

    def code(
        self, shape: tuple[int, ...], stored: Stored | None = None, method: str = "context"
    ) -> tuple[Stored, str]:
        """One tensor of a known shape; returns it and how its levels are written."""
        given = next((i for i, kind in enumerate(KINDS) if isinstance(stored, kind)), 0)
        kind = self.kinds[len(shape) > 1].code(self.coder, given)
        if kind >= len(KINDS):
            raise ValueError(f"there is no tensor of kind {kind}")
        if KINDS[kind] is Tensor:
            return self._code_floats(shape, stored)
        if KINDS[kind] is Levels:
            return self._code_levels(shape, stored, method)
        return self._code_codebook(shape, stored, method)

    def _code_floats(self, shape: tuple[int, ...], values: Tensor | None) -> tuple[Tensor, str]:
        size = torch.Size(shape).numel()
        if size > FEW_FLOATS:
            return deflated_floats(self.coder, self.tail, shape, values), "deflate"
        flat = None if values is None else values.float().flatten().numpy()
        coded = self.floats.code(self.coder, size, flat)
        return torch.from_numpy(coded).reshape(shape), "context"

    def _code_levels(
        self, shape: tuple[int, ...], stored: Levels | None, method: str
    ) -> tuple[Levels, str]:
        rows = 0 if stored is None else stored.scale.numel()
        by_row = self.by_row.code(self.coder, int(stored is not None and stored.scale.dim() == 1))
        if by_row and not shape:
            raise ValueError("a scalar has no rows to scale")
        rows = shape[0] if by_row else 1
        given = None if stored is None else stored.scale.float().flatten().numpy()
        scale = torch.from_numpy(self.scales.code(self.coder, rows, given))
        levels = None if stored is None else stored.levels.to(torch.int32)
        levels, method = self._code_whole(shape, levels, method)
        return Levels(levels, scale if by_row else scale[0]), method

    def _code_codebook(
        self, shape: tuple[int, ...], stored: Codebook | None, method: str
    ) -> tuple[Codebook, str]:
        parts = (None, None, None) if stored is None else stored.signed_ranks()
        sides = []
        for side in parts[1:]:
            size = self.counts.code(self.coder, 0 if side is None else len(side))
            given = None if side is None else side.abs().numpy()
            sides.append(torch.from_numpy(self.floats.code(self.coder, size, given)))
        ranks, method = self._code_whole(shape, parts[0], method)
        positive, negative = sides
        codes = ranks.long() + len(negative)
        values = torch.cat([-negative.flip(0), torch.zeros(1), positive])
        if codes.numel() and (int(codes.min()) < 0 or int(codes.max()) >= len(values)):
            raise ValueError(f"a code lies outside its codebook of {len(values)} values")
        return Codebook(codes, values), method

    def _code_whole(
        self, shape: tuple[int, ...], levels: Tensor | None, method: str
    ) -> tuple[Tensor, str]:
        number = self.methods.code(self.coder, METHODS.index(method))
        if number >= len(METHODS):
            raise ValueError(f"there is no method {number} to write levels")
        method = METHODS[number]
        if method == "deflate":
            return deflated_levels(self.coder, self.tail, shape, levels), method
        self.num_coded += torch.Size(shape).numel()
        if self.num_coded > MOST_CODED:
            raise ValueError(f'more than {MOST_CODED} levels: write them with method "deflate"')
        if method == "huffman":
            return huffman_levels(self.coder, shape, levels), method
        model = self.vectors if len(shape) < 2 else LevelModel()
        return code_levels(self.coder, shape, levels, model), method


@dataclass(frozen=True)
class Row:
    """One tensor. num_bytes: its share of the file, fractions included."""

    name: str
    shape: tuple[int, ...]
    kind: str
    method: str
    nonzeros: int
    symbols: int  # different values
    num_bytes: float


@dataclass(frozen=True)
class Inspection:
    """A container: network and arguments, bytes of the file, and a row for each tensor."""

    network: str
    arguments: Mapping[str, Any]
    version: int
    num_bytes: int
    head_bytes: float  # header, name, arguments and sizes
    rows: tuple[Row, ...]

    @property
    def num_values(self) -> int:
        """Values of all tensors."""
        return sum(torch.Size(row.shape).numel() for row in self.rows)

    @property
    def ratio(self) -> float:
        """How many times smaller than the same values as float32."""
        return 4 * self.num_values / self.num_bytes

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        lines = [
            f"{self.network}({told}): {self.num_values:,} values in {self.num_bytes:,} bytes, "
            f"{self.ratio:.0f} times smaller than float32; container version {self.version}",
            f"{'header and sizes':32} {'':18} {'':22} {'':>9} {self.head_bytes:>12,.1f} bytes",
        ]
        for row in self.rows:
            form = f"{row.kind} ({row.method})"
            lines.append(
                f"{row.name:32} {'x'.join(map(str, row.shape)):18} {form:22} "
                f"{row.nonzeros:>9,} {row.num_bytes:>12,.1f} bytes"
            )
        return "\n".join(lines)


def row_of(name: str, stored: Stored, method: str, num_bytes: float) -> Row:
    """What is told of one tensor."""
    kind = {Levels: "levels", Codebook: "codebook"}.get(type(stored), "floats")
    symbols = {"levels": "levels", "codebook": "codes"}.get(kind)
    values = stored if symbols is None else getattr(stored, symbols)
    nonzeros = int(dense(stored).count_nonzero())
    return Row(name, shape_of(stored), kind, method, nonzeros, len(values.unique()), num_bytes)


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


def check_size(num_values: int, num_bytes: int) -> None:
    """Raises ValueError if a file of so many bytes asks for values out of proportion to it."""
    if num_values > FREE_VALUES + VALUES_A_BYTE * num_bytes:
        raise ValueError(f"{num_bytes} bytes ask for {num_values} values, too many to be true")
