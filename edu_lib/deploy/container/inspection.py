"""What a container holds, and what each part of it weighs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edu_lib.deploy.container.frame import HEADER_BYTES
from edu_lib.deploy.container.methods import Tail
from edu_lib.deploy.container.tensors import Codebook, Levels, Stored, dense, shape_of
from edu_lib.techniques.entropy_coding import RangeDecoder


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


class RowMeter:
    """Notes after each tensor how many bytes of the file it took."""

    def __init__(self, coder: RangeDecoder, tail: Tail):
        self.coder, self.tail = coder, tail
        self.rows: list[Row] = []
        self.spent = coder.bits / 8
        self.head_bytes = HEADER_BYTES + (4 if tail.data else 0) + self.spent

    def add(self, name: str, stored: Stored, method: str) -> None:
        """One more tensor was read."""
        spent = self.coder.bits / 8 + self.tail.position
        kind = {Levels: "levels", Codebook: "codebook"}.get(type(stored), "floats")
        values = dense(stored)
        symbols = _symbols(stored)
        self.rows.append(
            Row(
                name=name,
                shape=shape_of(stored),
                kind=kind,
                method=method,
                nonzeros=int(values.count_nonzero()),
                symbols=len(symbols.unique()),
                num_bytes=spent - self.spent,
            )
        )
        self.spent = spent


def _symbols(stored: Stored) -> Tensor:
    if isinstance(stored, Levels):
        return stored.levels
    return stored.codes if isinstance(stored, Codebook) else stored
