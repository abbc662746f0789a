"""The tensors of a container, and three ways to write them: contexts, Huffman's code, Deflate.

A tensor is floats, levels of one step size, or codes of a codebook. Functions that code run both
ways: see techniques.entropy_coding.range_coder.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edu_lib.techniques.entropy_coding import (
    AdaptiveNumber,
    Coder,
    HuffmanCode,
    Positions,
    RangeDecoder,
    code_bits,
    from_gaps,
    to_gaps,
)

FEW = 256  # a tensor of no more different values than this is stored as codes of a codebook
LENGTH_BITS = 5  # of the length of a code word in a table
MOST_SYMBOLS = 1 << 12
# gaps of 8 bits in convolutions and 5 in linear layers: Han et al. 2016, section 2
GAP_BITS = {True: 8, False: 5}


@dataclass(frozen=True)
class Levels:
    """A quantized tensor: levels * scale.

    levels: whole numbers, any shape. scale: float32, a scalar or one for each index of dimension 0.
    A scale of few binary digits, such as a power of two, takes fewer bits in the file.
    Raises ValueError for levels that are no whole numbers, or a scale of another shape.
    """

    levels: Tensor
    scale: Tensor

    def __post_init__(self) -> None:
        if self.levels.is_floating_point():
            raise ValueError(f"levels are whole numbers, got {self.levels.dtype}: round them first")
        _along_rows(self.scale, self.levels)

    @classmethod
    def of(cls, weight: Tensor, scale: float | Tensor) -> "Levels":
        """The levels nearest to a tensor at this step size."""
        scale = torch.as_tensor(scale, dtype=torch.float32).detach()
        levels = weight.detach().float() / _along_rows(scale, weight)
        return cls(levels.round().to(torch.int32), scale)

    def dense(self) -> Tensor:
        """The tensor, float32."""
        return self.levels.float() * _along_rows(self.scale.float(), self.levels)


@dataclass(frozen=True)
class Codebook:
    """A tensor of few different values: values[codes].

    codes: whole numbers, any shape. values: float32 [k]; a value of 0 is where nothing stands.
    """

    codes: Tensor
    values: Tensor

    @classmethod
    def of(cls, weight: Tensor) -> "Codebook":
        """The codebook of all different values in a tensor."""
        values, codes = torch.unique(weight.detach().float(), return_inverse=True)
        return cls(codes, values)

    def dense(self) -> Tensor:
        """The tensor, float32."""
        return self.values.float()[self.codes.long()]

    def signed_ranks(self) -> tuple[Tensor, Tensor, Tensor]:
        """(ranks, positive values, negative values): rank 0 is 0, 1 the smallest positive value, -1
        the negative one nearest to 0, and so on. Small ranks cost few bits."""
        values = self.values.float()
        positive = values[values > 0].unique()
        negative = values[values < 0].unique().flip(0)
        rank = torch.zeros(len(values), dtype=torch.int32)
        for i, value in enumerate(positive):
            rank[values == value] = i + 1
        for i, value in enumerate(negative):
            rank[values == value] = -i - 1
        return rank[self.codes.long()], positive, negative


Stored = Tensor | Levels | Codebook


def smallest_form(tensor: Tensor) -> Stored:
    """A codebook where a tensor has few different values, as after weight sharing; else itself.

    Whole numbers become levels of step 1. Raises ValueError for those that float32 does not hold.
    """
    if not tensor.is_floating_point():
        if tensor.is_complex() or (tensor.numel() and tensor.long().abs().max() >= 1 << 24):
            raise ValueError(f"a tensor holds {tensor.dtype} that float32 does not hold")
        return Levels(tensor.to(torch.int32), torch.tensor(1.0))
    # a sample shows that most tensors have many values, without sorting millions
    most = min(FEW, tensor.numel() // 4)
    if len(tensor.flatten()[: 16 * FEW].unique()) <= most and len(tensor.unique()) <= most:
        return Codebook.of(tensor)
    return tensor.detach().float()


def shape_of(stored: Stored) -> tuple[int, ...]:
    """The shape of the tensor that is stored."""
    if isinstance(stored, Levels):
        return tuple(stored.levels.shape)
    return tuple(stored.codes.shape if isinstance(stored, Codebook) else stored.shape)


def dense(stored: Stored) -> Tensor:
    """The tensor that is stored, float32."""
    return stored.float() if isinstance(stored, Tensor) else stored.dense()


def _along_rows(scale: Tensor, tensor: Tensor) -> Tensor:
    """A scalar as it is, a vector shaped so that it multiplies along dimension 0."""
    if scale.dim() == 0:
        return scale
    if scale.dim() != 1 or tensor.dim() == 0 or len(scale) != len(tensor):
        raise ValueError(
            f"a scale is one number or one for each of {tuple(tensor.shape)[:1]} rows, "
            f"got shape {tuple(scale.shape)}"
        )
    return scale.reshape(-1, *[1] * (tensor.dim() - 1))


class Tail:
    """Bytes that follow the coded bits: what is too much to be coded bit by bit."""

    def __init__(self, data: bytes = b""):
        self.data, self.position = bytearray(data), 0
        self.sizes = AdaptiveNumber(31)

    def code(self, coder: Coder, num_bytes: int, content: bytes | None = None) -> bytes:
        """Deflated bytes of a known number; returns them. Raises ValueError if they are not.

        Never more than `num_bytes` come out, whatever the file says.
        """
        packed = b"" if content is None else zlib.compress(content, 9)
        size = self.sizes.code(coder, len(packed))
        if content is not None:
            self.data += packed
            return content
        end = self.position + size
        inflater = zlib.decompressobj()
        try:
            content = inflater.decompress(bytes(self.data[self.position : end]), num_bytes + 1)
        except zlib.error as error:
            raise ValueError(f"the deflated part is damaged: {error}") from None
        if end > len(self.data) or len(content) != num_bytes or not inflater.eof:
            raise ValueError(f"the deflated part does not hold {num_bytes} bytes")
        self.position = end
        return content

    def finish(self) -> None:
        """Raises ValueError if bytes are left over."""
        if self.position < len(self.data):
            raise ValueError(f"{len(self.data) - self.position} bytes follow the deflated part")


def deflated_levels(
    coder: Coder, tail: Tail, shape: tuple[int, ...], levels: Tensor | None
) -> Tensor:
    """Levels as bytes of 1 or 4, deflated: fast, and the size is not what counts."""
    is_wide = 0 if levels is None else int(levels.numel() > 0 and bool((levels.abs() > 127).any()))
    kind = np.dtype("<i4" if code_bits(coder, 1, is_wide) else "i1")
    content = None if levels is None else levels.numpy().astype(kind).tobytes()
    content = tail.code(coder, torch.Size(shape).numel() * kind.itemsize, content)
    return torch.from_numpy(np.frombuffer(content, kind).astype(np.int32)).reshape(shape)


def deflated_floats(
    coder: Coder, tail: Tail, shape: tuple[int, ...], values: Tensor | None
) -> Tensor:
    """Floats as bytes, deflated: 2 bytes each where float16 holds them exactly, else 4."""
    exact = 0 if values is None else int(torch.equal(values.half().float(), values))
    kind = np.dtype("<f2" if code_bits(coder, 1, exact) else "<f4")
    content = None if values is None else values.numpy().astype(kind).tobytes()
    content = tail.code(coder, torch.Size(shape).numel() * kind.itemsize, content)
    result = torch.from_numpy(np.frombuffer(content, kind).astype(np.float32)).reshape(shape)
    if not result.isfinite().all():
        raise ValueError("a stored float is infinite or not a number")
    return result


def huffman_levels(coder: Coder, shape: tuple[int, ...], levels: Tensor | None) -> Tensor:
    """Deep Compression's form: nonzeros as relative positions and values, each Huffman coded.

    Source: Han et al. 2016, "Deep Compression", sections 2 and 4.
    """
    gap_bits = GAP_BITS[len(shape) > 2]
    size = torch.Size(shape).numel()
    gaps = values = None
    if levels is not None:
        gaps, levels_left = to_gaps(levels.to(torch.int64), gap_bits)
        # 0, -1, 1, -2, 2, ... as 0, 1, 2, 3, 4, ...
        values = torch.where(levels_left >= 0, 2 * levels_left, -2 * levels_left - 1)
    count = AdaptiveNumber(31).code(coder, 0 if gaps is None else len(gaps))
    if count > size:
        raise ValueError(f"{count} positions stand in a tensor of {size}")
    if count == 0:
        return torch.zeros(shape, dtype=torch.int32)
    gaps = _huffman_message(coder, count, gaps)
    values = _huffman_message(coder, count, values)
    values = torch.where(values % 2 == 0, values // 2, -(values + 1) // 2)
    return from_gaps(Positions(gaps, values), shape).to(torch.int32)


def _huffman_message(coder: Coder, count: int, symbols: Tensor | None) -> Tensor:
    """The table of code lengths, 5 bits each, then the code words."""
    lengths: list[int] = []
    if symbols is not None:
        if int(symbols.max()) >= MOST_SYMBOLS:
            raise ValueError(f"Huffman's table holds levels up to {MOST_SYMBOLS // 2 - 1} here")
        lengths = HuffmanCode.of(torch.bincount(symbols).tolist()).lengths
        if max(lengths) >= 2**LENGTH_BITS:
            raise ValueError("a code word here has more than 31 bits: take contexts instead")
    num_symbols = 1 + AdaptiveNumber(12).code(coder, max(0, len(lengths) - 1))
    given = lengths or [0] * num_symbols
    code = HuffmanCode([code_bits(coder, LENGTH_BITS, length) for length in given])
    if symbols is not None:
        for bit in code.encode(symbols.tolist()):
            code_bits(coder, 1, int(bit))
        return symbols
    assert isinstance(coder, RangeDecoder)
    bits = iter(lambda: str(code_bits(coder, 1)), None)
    return torch.tensor(code.decode(bits, count), dtype=torch.int64)
