"""Real numbers on a grid of few integers, r = scale * (q - zero_point), and which range it covers.

A range function takes the values that calibration saw, any shape, and returns (low, high), two
scalars. A wide range rounds everything more coarsely, a narrow one cuts off the largest values.
Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 2.1. Taught in chapter 09.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

SMALLEST_SCALE = 1e-12
HISTOGRAM_BINS = 2048
CANDIDATES = 100


@dataclass(frozen=True)
class QParams:
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


def affine_qparams(low: Tensor, high: Tensor, bits: int = 8, axis: int | None = None) -> QParams:
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
    return QParams(scale, zero_point, 0, qmax, axis)


def symmetric_qparams(max_abs: Tensor, bits: int = 8, axis: int | None = None) -> QParams:
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
    return QParams(scale, torch.zeros_like(scale, dtype=torch.int32), -qmax, qmax, axis)


def weight_qparams(weight: Tensor, bits: int = 8, per_channel: bool = True) -> QParams:
    """The symmetric grid of a weight [out_channels, ...]: one scale, or one an output channel."""
    weight = weight.detach()
    if per_channel:
        return symmetric_qparams(weight.abs().flatten(1).amax(dim=1), bits, axis=0)
    return symmetric_qparams(weight.abs().amax(), bits)


def quantize(X: Tensor, qparams: QParams) -> Tensor:
    """The integers [int32, shape of X] nearest to X; what lies outside goes to the grid's ends."""
    scale, zero_point = qparams.along(X.dim())
    # q = clamp(round(r / scale) + zero_point); halves go to the even neighbour
    # (in place after the division: AlexNet's fc6 holds 151 MB, and each step would copy that)
    q = (X / scale).round_().add_(zero_point)
    return q.clamp_(qparams.qmin, qparams.qmax).to(torch.int32)


def dequantize(q: Tensor, qparams: QParams) -> Tensor:
    """The real numbers, float32, that the integers stand for."""
    scale, zero_point = qparams.along(q.dim())
    # r = scale * (q - zero_point)
    return scale * (q.to(torch.int32) - zero_point)


def fake_quantize(X: Tensor, qparams: QParams) -> Tensor:
    """X moved to the nearest points of the grid, still float32: what rounding costs, simulated."""
    return dequantize(quantize(X, qparams), qparams)


def _check_bits(bits: int, least: int) -> None:
    if not least <= bits <= 8:
        raise ValueError(f"bits must be from {least} to 8, got {bits}")


# Ranges: which values should the integers cover?


def minmax_range(values: Tensor, bits: int = 8) -> tuple[Tensor, Tensor]:
    """The smallest and the largest value: nothing is cut off.

    Source: Krishnamoorthi 2018, "Quantizing deep convolutional networks", section 3.
    """
    return values.amin(), values.amax()


def percentile_range(
    values: Tensor, bits: int = 8, percent: float = 99.99
) -> tuple[Tensor, Tensor]:
    """The range that leaves out a share of 100 - percent of these values at either end.

    Calibration hands it samples and the extremes of every batch (see `Observer`), which move the
    range outwards: of the activations themselves it then leaves out less, about 0.005 % in place
    of 0.01 % at either end for eight batches of 400,000 normally distributed numbers.

    Raises ValueError if percent is not above 50 and at most 100.
    Source: Wu et al. 2020, "Integer Quantization for Deep Learning Inference", section 4.2.
    """
    if not 50 < percent <= 100:
        raise ValueError(f"percent must be above 50 and at most 100, got {percent}")
    # sorting by hand: torch.quantile takes at most 16 million values
    ordered = values.flatten().float().sort().values
    last = len(ordered) - 1
    # at place p of 0 ... n - 1, between two values the straight line
    place = torch.tensor([1 - percent / 100, percent / 100], dtype=torch.float64) * last
    below = place.floor().long()
    above = (below + 1).clamp(max=last)
    low, high = torch.lerp(ordered[below], ordered[above], (place - below).float())
    return low, high


def mse_range(values: Tensor, bits: int = 8) -> tuple[Tensor, Tensor]:
    """The range, shrunk towards 0, whose grid moves the values least: smallest mean square error.

    Tries 100 shares of the full range.
    Source: Banner et al. 2019, "Post training 4-bit quantization of convolutional networks",
    section 3.
    """
    values = values.flatten().float()
    low, high = minmax_range(values)

    def error(share: float) -> float:
        qparams = affine_qparams(low * share, high * share, bits)
        # E[(r - fake_quantize(r))^2]
        return (values - fake_quantize(values, qparams)).square().mean().item()

    share = min((i / CANDIDATES for i in range(CANDIDATES, 0, -1)), key=error)
    return low * share, high * share


def entropy_range(values: Tensor, bits: int = 8) -> tuple[Tensor, Tensor]:
    """The range, shrunk towards 0, that keeps most information: smallest Kullback-Leibler distance.

    It compares the histogram of the values, outliers moved to the ends, with the coarse one of
    2^bits levels.
    Source: Migacz 2017, "8-bit Inference with TensorRT" (GTC), slides 20 to 38.
    """
    values = values.flatten().float()
    low, high = (value.item() for value in minmax_range(values))
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return torch.tensor(low), torch.tensor(high)
    counts = torch.histc(values, HISTOGRAM_BINS, low, high).double()
    zero = round(-low / (high - low) * HISTOGRAM_BINS)  # the bins below hold negative values
    # zeros are exact on every grid: their bin, often the fullest by far, counts as its neighbour
    its_bin = min(zero, HISTOGRAM_BINS - 1)
    counts[its_bin] = counts[max(its_bin - 1, 0) : its_bin + 2].sort().values[-2]

    def distance(share: float) -> float:
        first, last = round(zero * (1 - share)), zero + round((HISTOGRAM_BINS - zero) * share)
        return _coarsening_distance(counts, first, last, 2**bits)

    shares = [i / CANDIDATES for i in range(CANDIDATES, 0, -1)]
    shares = [share for share in shares if share * HISTOGRAM_BINS >= 2**bits]
    share = min(shares, key=distance)
    return torch.tensor(low * share), torch.tensor(high * share)


def _coarsening_distance(counts: Tensor, first: int, last: int, num_levels: int) -> float:
    """KL(P || Q): P the bins first to last with the outliers at its ends, Q in num_levels steps."""
    inside = counts[first:last]
    P = inside.clone()
    P[0] += counts[:first].sum()
    P[-1] += counts[last:].sum()
    level = torch.arange(len(inside)) * num_levels // len(inside)
    filled = (inside > 0).double()
    # Q spreads the count of each level evenly over its bins that hold anything
    total = inside.new_zeros(num_levels).index_add(0, level, inside)
    bins = inside.new_zeros(num_levels).index_add(0, level, filled)
    Q = filled * (total / bins.clamp(min=1))[level]
    P, Q = P / P.sum(), Q / Q.sum()
    # KL = sum p log(p / q); where q is 0 and p is not, a tiny q stands in
    some = P > 0
    return (P[some] * (P[some] / Q[some].clamp(min=1e-9)).log()).sum().item()


RANGES: dict[str, Callable[[Tensor, int], tuple[Tensor, Tensor]]] = {
    "minmax": minmax_range,
    "percentile": percentile_range,
    "mse": mse_range,
    "entropy": entropy_range,
}
