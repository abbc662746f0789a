"""Medians, percentiles and bootstrap intervals of times. Taught in chapter 05.

Times are skewed: one interruption lasts a hundred times longer than a call. So medians are
compared, and an interval comes from drawing the measured blocks again (Efron 1979, "Bootstrap
Methods: Another Look at the Jackknife").
"""

import numpy as np

RESAMPLES = 2_000


def percentile(values: list[float], q: float) -> float:
    """The value below which q percent of `values` lie (linear interpolation). 0 <= q <= 100."""
    return float(np.percentile(values, q))


def interquartile_range(values: list[float]) -> float:
    """Width of the middle half of `values`."""
    return percentile(values, 75) - percentile(values, 25)


def median_interval(
    values: list[float], confidence: float = 95.0, seed: int = 0
) -> tuple[float, float, float]:
    """(median, low, high): the median of `values` and its bootstrap interval.

    confidence: in percent. Raises ValueError for no values or a confidence outside (0, 100).
    """
    if len(values) == 0:
        raise ValueError("an interval needs at least one value; run at least one block")
    if not 0 < confidence < 100:
        raise ValueError(f"confidence is a percentage between 0 and 100, got {confidence}")
    values = np.asarray(values, dtype=float)
    # draw n of the n values with replacement, take the median, RESAMPLES times
    draws = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    medians = np.median(values[draws], axis=1)
    tail = (100 - confidence) / 2
    low, high = np.percentile(medians, [tail, 100 - tail])
    return float(np.median(values)), float(low), float(high)


def ratio_interval(
    a: list[float], b: list[float], confidence: float = 95.0, seed: int = 0
) -> tuple[float, float, float]:
    """(ratio, low, high) of a over b, from block medians timed in pairs: a[i] right beside b[i].

    The ratio is taken within each pair, where a slow drift of the machine hits both alike, and the
    median is taken over the pairs. Raises ValueError if the two lists differ in length.
    """
    if len(a) != len(b):
        raise ValueError(f"blocks come in pairs, got {len(a)} and {len(b)}")
    # ratio = median_i(a_i / b_i)
    ratios = np.asarray(a, dtype=float) / np.asarray(b, dtype=float)
    return median_interval(ratios, confidence, seed)
