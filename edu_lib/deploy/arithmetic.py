"""The arithmetic of an integer engine: sums of products, and multiplying by a real number.

A multiplier is an integer of 24 bits and a shift: M = mantissa * 2^-shift. Kernels that multiply in
float32 keep 24 bits of each result; `to_24_bits` does the same, so that not one result differs.
x86 processors with AVX2 or AVX-512 and without VNNI add products of bytes two and two, in 16 bits
that saturate; `saturation_error` is what that costs. Taught in chapter 09.
Sources: Jacob et al. 2018, section 2.2, equation 6 (there with 31 bits); Intel, "Software
Developer's Manual", volume 2, PMADDUBSW.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

BITS = 24
POWERS_OF_TWO = 2 ** np.arange(62, dtype=np.int64)
LARGEST_SHIFT = 61
LARGEST_BYTE, LOWEST_SUM, HIGHEST_SUM = 255, -(2**15), 2**15 - 1


# Numbers


@dataclass(frozen=True)
class Integers:
    """Integers q that stand for scale * (q - zero_point); an accumulator has zero_point 0."""

    q: np.ndarray
    scale: np.ndarray
    zero_point: int = 0

    @property
    def centred(self) -> np.ndarray:
        """q - zero_point, int32."""
        return self.q.astype(np.int32) - np.int32(self.zero_point)

    def real(self) -> np.ndarray:
        """The numbers they stand for, float32."""
        return (self.centred.astype(np.float32) * self.scale).astype(np.float32)


@dataclass(frozen=True)
class Unrounded:
    """A result that waits for the grid it goes to. parts: what it was computed from.

    to_grid: from scale and zero_point to integers. to_real: the float32 answer. It ends at `low`
    and `high`, real numbers, where a ReLU or a clamp followed. ratio: for sums, from the scale of
    the grid to what they are multiplied by.
    """

    parts: tuple[Integers, ...]
    to_grid: Callable[[np.float32, int], np.ndarray]
    to_real: Callable[[], np.ndarray]
    low: float = -np.inf
    high: float = np.inf
    ratio: Callable[[np.float32], np.ndarray] | None = None

    def ends(self, scale: np.float32, zero_point: int) -> tuple[int, int]:
        """`low` and `high` on a grid of 8 bits."""
        ends = (np.rint(np.float32(end) / scale) + zero_point for end in (self.low, self.high))
        low, high = (int(np.clip(end, 0, LARGEST_BYTE)) for end in ends)
        return low, high

    def real(self) -> np.ndarray:
        """The numbers, float32."""
        return self.to_real().clip(self.low, self.high)


def real(value: object) -> object:
    """The numbers that a value stands for, whatever it is."""
    return value.real() if isinstance(value, Integers | Unrounded) else value


# Multiplying by a real number


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


def common_point(*M: np.float32) -> tuple[np.ndarray, np.int64]:
    """(mantissas, shift), int64, of float32 numbers that are added: one shift for all."""
    mantissas, shifts = fixed_point(np.array(M))
    shift = min(shifts.max(), shifts.min() + BITS)  # bits further down change nothing
    mantissas <<= np.maximum(shift - shifts, 0)
    return round_shift(mantissas, np.maximum(shifts - shift, 0)), shift


def add_scaled(
    a: np.ndarray, M_a: np.float32, b: np.ndarray, M_b: np.float32, c: np.float32
) -> np.ndarray:
    """round(a * M_a + (b * M_b + c)) for integers a and b of 8 bits."""
    (m_a, m_b, c), shift = common_point(M_a, M_b, c)
    inner = to_24_bits(b.astype(np.int64) * m_b + c)
    return round_shift(to_24_bits(a.astype(np.int64) * m_a + inner), shift)


# Sums of products


Tap = tuple[int, int, int]  # a place in the window: channel, row, column


def convolve(
    x: np.ndarray,
    zero_point: int,
    w: np.ndarray,
    *,
    pads: list[int],
    strides: list[int],
    dilations: list[int],
    groups: int,
    pairs_of: Callable | None = None,
) -> np.ndarray:
    """int32 sums of a convolution of activations x, uint8 [N, C, H, W], [N, C_out, rows, columns].

    w: int8 [C_out, C / groups, k_y, k_x]. pairs_of: which products are added in 16 bits, one of
    PAIRS; None where all are added in 32. It adds one matrix product for each place in the kernel,
    so that it needs no copy of the input.
    """  # fmt: skip
    (top, left, bottom, right), (reach_y, reach_x) = pads, dilations
    # padding is the real number 0, for which the integer zero_point stands
    around = ((0, 0), (0, 0), (top, bottom), (left, right))
    x = np.pad(x, around, constant_values=zero_point)
    out_channels, depth, k_y, k_x = w.shape
    rows = (x.shape[2] - reach_y * (k_y - 1) - 1) // strides[0] + 1
    columns = (x.shape[3] - reach_x * (k_x - 1) - 1) // strides[1] + 1

    def tap(channels: slice, i: int, j: int) -> np.ndarray:
        """What place (i, j) of each window holds, int32 [N, channels, rows, columns]."""
        down = slice(i * reach_y, i * reach_y + strides[0] * (rows - 1) + 1, strides[0])
        along = slice(j * reach_x, j * reach_x + strides[1] * (columns - 1) + 1, strides[1])
        return x[:, channels, down, along].astype(np.int32)

    w = w.astype(np.int32)
    split = w.reshape(groups, out_channels // groups, depth, k_y, k_x)
    total = np.zeros((len(x), groups, out_channels // groups, rows * columns), np.int32)
    for i in range(k_y):
        for j in range(k_x):
            part = tap(slice(None), i, j) - np.int32(zero_point)
            total += split[..., i, j] @ part.reshape(len(x), groups, depth, rows * columns)
    total = total.reshape(len(x), out_channels, rows, columns)
    # depthwise layers have kernels of their own, which add in 32 bits
    if pairs_of is not None and not depth == out_channels // groups == 1:
        if depth == 1 and groups > 1:
            pairs_of = neighbours_in_the_window  # in both: OpenVINO has no other neighbours here
        for g in range(groups):
            own = slice(g * out_channels // groups, (g + 1) * out_channels // groups)
            total[:, own] += saturation_error(
                lambda c, i, j, g=g: tap(slice(g * depth + c, g * depth + c + 1), i, j),
                w[own],
                pairs_of(*w.shape[1:]),
            )
    return total


def saturation_error(
    tap: Callable[[int, int, int], np.ndarray], w: np.ndarray, pairs: Iterator[tuple[Tap, Tap]]
) -> np.ndarray | int:
    """What sums lose where two products are added in 16 bits, int32 [N, C_out, rows, columns].

    tap: from a place in the window to the bytes there, 0 to 255 as they are stored. w: int32
    [C_out, C, k_y, k_x]. A pair of large weights of one sign saturates where both inputs are large:
    200 * 100 + 200 * 100 = 40,000 counts as 32,767.
    """
    lost = 0
    for first, second in pairs:
        both = np.stack([w[:, *first], w[:, *second]])
        highest = LARGEST_BYTE * both.clip(0, None).sum(0)
        lowest = LARGEST_BYTE * both.clip(None, 0).sum(0)
        can = (highest > HIGHEST_SUM) | (lowest < LOWEST_SUM)
        if not can.any():
            continue
        w_1, w_2 = both[:, can, None, None]
        sums = w_1 * tap(*first) + w_2 * tap(*second)
        if np.isscalar(lost):
            lost = np.zeros((len(sums), len(w), *sums.shape[2:]), np.int32)
        lost[:, can] += sums.clip(LOWEST_SUM, HIGHEST_SUM) - sums
    return lost


def neighbours_in_the_window(depth: int, k_y: int, k_x: int) -> Iterator[tuple[Tap, Tap]]:
    """ONNX Runtime's pairs: a window as the list (row, column, channel), two and two."""
    taps = [(c, i, j) for i in range(k_y) for j in range(k_x) for c in range(depth)]
    yield from zip(taps[::2], taps[1::2], strict=False)


def neighbours_in_depth(depth: int, k_y: int, k_x: int) -> Iterator[tuple[Tap, Tap]]:
    """OpenVINO's pairs: input channels 0 and 1, 2 and 3, ... at the same place."""
    for i in range(k_y):
        for j in range(k_x):
            for c in range(0, depth - 1, 2):
                yield (c, i, j), (c + 1, i, j)


PAIRS = {None: None, "onnxruntime": neighbours_in_the_window, "openvino": neighbours_in_depth}


# Windows


def pooling_windows(x: np.ndarray, options: dict) -> np.ndarray:
    """All windows of a pooling, [N, C, H, W, k_y, k_x]; beyond the border stands 0.

    options: of the ONNX operations MaxPool and AveragePool.
    """
    begins, ends = options["pads"][:2], list(options["pads"][2:])
    steps, reach = options["strides"], options.get("dilations", [1, 1])
    spans = [d * (k - 1) + 1 for k, d in zip(options["kernel_shape"], reach, strict=True)]
    if options["ceil_mode"]:
        for i, size in enumerate(x.shape[2:]):
            missing = -(size + begins[i] + ends[i] - spans[i]) % steps[i]
            last = size + begins[i] + ends[i] + missing - spans[i]
            # a window that would begin beyond the map is none
            ends[i] += missing if last < size + begins[i] else 0
    x = np.pad(x, [(0, 0), (0, 0), *zip(begins, ends, strict=True)])
    windows = np.lib.stride_tricks.sliding_window_view(x, spans, axis=(2, 3))
    return windows[:, :, :: steps[0], :: steps[1], :: reach[0], :: reach[1]]


def doubled(x: np.ndarray, axis: int) -> np.ndarray:
    """Four times the values halfway: 3 x_i + x_(i-1) and 3 x_i + x_(i+1); the border repeats."""
    places = np.arange(x.shape[axis])
    neighbours = (places - 1).clip(0), (places + 1).clip(None, places[-1])
    both = [3 * x + x.take(neighbour, axis) for neighbour in neighbours]
    return np.stack(both, axis + 1).reshape(
        *x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :]
    )
