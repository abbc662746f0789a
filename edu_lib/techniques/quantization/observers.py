"""Which range of values a grid should cover: four answers. Taught in chapter 09.

Each takes the values that calibration saw, any shape, and returns (low, high), two scalars. A wide
range rounds everything more coarsely, a narrow one cuts off the largest values.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from edu_lib.techniques.quantization.affine import affine_grid, fake_quantize

HISTOGRAM_BINS = 2048
CANDIDATES = 100


def minmax_range(values: Tensor, bits: int = 8) -> tuple[Tensor, Tensor]:
    """The smallest and the largest value: nothing is cut off.

    Source: Krishnamoorthi 2018, "Quantizing deep convolutional networks", section 3.
    """
    return values.amin(), values.amax()


def percentile_range(
    values: Tensor, bits: int = 8, percent: float = 99.99
) -> tuple[Tensor, Tensor]:
    """The range that leaves out a share of 100 - percent at either end.

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
        grid = affine_grid(low * share, high * share, bits)
        # E[(r - fake_quantize(r))^2]
        return (values - fake_quantize(values, grid)).square().mean().item()

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
    around = slice(max(zero - 1, 0), zero + 2)
    counts[min(zero, HISTOGRAM_BINS - 1)] = counts[around].sort().values[-2]

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
