"""Real numbers on a grid of few integers: r = scale * (q - zero_point). Taught in chapter 09.

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 2.1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

SMALLEST_SCALE = 1e-12


@dataclass(frozen=True)
class Grid:
    """The real numbers that integers from qmin to qmax stand for: scale * (q - zero_point).

    scale: float32, a scalar, or one number a channel [C]. zero_point: int32, of the same shape.
    axis: the dimension of the channels, None where one scale serves the whole tensor.
    """

    scale: Tensor
    zero_point: Tensor
    qmin: int
    qmax: int
    axis: int | None = None

    @property
    def bits(self) -> int:
        """Bits that one integer needs."""
        return (self.qmax - self.qmin).bit_length()

    def along(self, dim: int) -> tuple[Tensor, Tensor]:
        """scale and zero_point, shaped so that they broadcast over a tensor of `dim` dimensions."""
        if self.axis is None:
            return self.scale, self.zero_point
        shape = [1] * dim
        shape[self.axis] = -1
        return self.scale.view(shape), self.zero_point.view(shape)


def affine_grid(low: Tensor, high: Tensor, bits: int = 8, axis: int | None = None) -> Grid:
    """The unsigned grid of `bits` bits over [low, high], stretched so that it holds 0 exactly.

    low, high: scalars, or one number a channel where axis says which dimension that is. Zero is on
    the grid because padding and ReLU make zeros, and they should stay exact.
    Raises ValueError for bits outside 1 to 8, low above high, or a range that is not finite.
    Source: Jacob et al. 2018, section 2.1 and equation 12.
    """
    _check_bits(bits, 1)
    low, high = torch.as_tensor(low).float(), torch.as_tensor(high).float()
    if not (low.isfinite().all() and high.isfinite().all()):
        raise ValueError("the range to quantize is not finite: look for NaN or infinity")
    if (low > high).any():
        raise ValueError("the range to quantize has its low end above its high end")
    low, high = low.clamp(max=0), high.clamp(min=0)
    qmax = 2**bits - 1
    # scale = (high - low) / (qmax - qmin)
    scale = ((high - low) / qmax).clamp(min=SMALLEST_SCALE)
    # zero_point = qmin - low / scale, rounded to an integer of the grid
    zero_point = torch.round(-low / scale).clamp(0, qmax).to(torch.int32)
    return Grid(scale, zero_point, 0, qmax, axis)


def symmetric_grid(max_abs: Tensor, bits: int = 8, axis: int | None = None) -> Grid:
    """The signed grid of `bits` bits over [-max_abs, max_abs], with zero_point 0.

    The most negative integer stays unused, so that 8 bits run from -127 to 127.
    Raises ValueError for bits outside 2 to 8, or a range that is not finite.
    Source: Jacob et al. 2018, section 3.1 (weights).
    """
    _check_bits(bits, 2)
    max_abs = torch.as_tensor(max_abs).float()
    if not max_abs.isfinite().all():
        raise ValueError("the weights to quantize are not finite: look for NaN or infinity")
    qmax = 2 ** (bits - 1) - 1
    scale = (max_abs / qmax).clamp(min=SMALLEST_SCALE)
    return Grid(scale, torch.zeros_like(scale, dtype=torch.int32), -qmax, qmax, axis)


def weight_grid(weight: Tensor, bits: int = 8, per_channel: bool = True) -> Grid:
    """The symmetric grid of a weight [out_channels, ...]: one scale, or one an output channel."""
    weight = weight.detach()
    if per_channel:
        return symmetric_grid(weight.abs().flatten(1).amax(dim=1), bits, axis=0)
    return symmetric_grid(weight.abs().amax(), bits)


def quantize(X: Tensor, grid: Grid) -> Tensor:
    """The integers [int32, shape of X] nearest to X; what lies outside goes to the grid's ends."""
    scale, zero_point = grid.along(X.dim())
    # q = clamp(round(r / scale) + zero_point); halves go to the even neighbour
    q = torch.round(X / scale) + zero_point
    return q.clamp(grid.qmin, grid.qmax).to(torch.int32)


def dequantize(q: Tensor, grid: Grid) -> Tensor:
    """The real numbers, float32, that integers on `grid` stand for."""
    scale, zero_point = grid.along(q.dim())
    # r = scale * (q - zero_point)
    return scale * (q.to(torch.int32) - zero_point)


def fake_quantize(X: Tensor, grid: Grid) -> Tensor:
    """X moved to the nearest points of the grid, still float32: what rounding costs, simulated."""
    return dequantize(quantize(X, grid), grid)


def _check_bits(bits: int, least: int) -> None:
    if not least <= bits <= 8:
        raise ValueError(f"bits must be from {least} to 8, got {bits}")
