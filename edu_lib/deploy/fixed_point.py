"""Multiplying integers by a real number without floats. Taught in chapter 09.

A multiplier is an integer of 24 bits and a shift: M = mantissa * 2^-shift. Kernels that multiply in
float32 keep 24 bits of each result; `to_24_bits` does the same, so that not one result differs.
Source: Jacob et al. 2018, section 2.2, equation 6 (there with 31 bits).
"""

import numpy as np

BITS = 24
POWERS_OF_TWO = 2 ** np.arange(62, dtype=np.int64)
LARGEST_SHIFT = 61


def fixed_point(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mantissa, shift), int64, of float32 numbers; what is too small to matter becomes 0."""
    fraction, exponent = np.frexp(np.asarray(M, np.float64))
    mantissa = np.rint(fraction * 2**BITS).astype(np.int64)
    shift = (BITS - exponent).astype(np.int64)
    if (shift < 0).any():
        raise ValueError("a scale of this network is too large for 24 bits: look for a dead layer")
    return np.where(shift > LARGEST_SHIFT, 0, mantissa), np.minimum(shift, LARGEST_SHIFT)


def round_shift(n: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """n / 2^shift rounded to an integer, halves to the even neighbour."""
    down = n >> shift
    twice_the_rest = (n - (down << shift)) << 1
    one = np.int64(1) << shift
    return down + ((twice_the_rest > one) | ((twice_the_rest == one) & (down & 1 == 1)))


def to_24_bits(n: np.ndarray) -> np.ndarray:
    """n with all but its 24 leading bits rounded off."""
    n = np.asarray(n, np.int64)
    length = np.searchsorted(POWERS_OF_TWO, np.abs(n), side="right")
    excess = np.maximum(length - BITS, 0)
    return round_shift(n, excess) << excess


def scale_integers(n: np.ndarray, M: np.ndarray) -> np.ndarray:
    """round(n * M) for integers n, int32, and M that broadcasts over them."""
    mantissa, shift = fixed_point(M)
    return round_shift(to_24_bits(to_24_bits(n) * mantissa), shift)


def add_scaled(
    a: np.ndarray, M_a: np.float32, b: np.ndarray, M_b: np.float32, c: np.float32
) -> np.ndarray:
    """round(a * M_a + (b * M_b + c)) for integers a and b of 8 bits."""
    mantissas, shifts = fixed_point(np.array([M_a, M_b, c]))
    shift = min(shifts.max(), shifts.min() + BITS)  # bits further down change nothing
    m_a, m_b, c = round_shift(
        mantissas << np.maximum(shift - shifts, 0), np.maximum(shifts - shift, 0)
    )
    inner = to_24_bits(b.astype(np.int64) * m_b + c)
    return round_shift(to_24_bits(a.astype(np.int64) * m_a + inner), shift)
