"""The tensors of a container: floats, levels of one step size, or codes of a codebook."""

from dataclasses import dataclass

import torch
from torch import Tensor

FEW = 256  # a tensor of no more different values than this is stored as codes of a codebook


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
    """A codebook where a tensor has few different values, as after weight sharing; else itself."""
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
