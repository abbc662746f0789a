"""What each operation of an int8 network does with integers. Chapter 09.

An operation that cannot be done on what it is given, without floats, returns NotImplemented.
Source: Jacob et al. 2018, sections 2.2 to 2.4.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edu_lib.deploy.arithmetic import (
    Integers,
    Unrounded,
    add_scaled,
    convolve,
    doubled,
    pooling_windows,
    scale_integers,
)


def dequantize(q: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, axis: int = 0) -> Integers:
    """Nothing happens: the integers keep their scale beside them."""
    return q if isinstance(q, Integers) else Integers(q, scale, int(np.ravel(zero_point)[0]))


def quantize(X: object, scale: np.ndarray, zero_point: np.ndarray) -> Integers:
    """Onto the grid: a real input at the door, or a result that waited for its grid."""
    zero = int(zero_point)
    if isinstance(X, Integers):  # pooling and the like stay on the grid of their input
        if X.scale == scale and X.zero_point == zero:
            return X
        q = lookup_table(X, scale, zero)[X.q]
    elif isinstance(X, Unrounded):
        q = X.to_grid(np.float32(scale), zero).clip(*X.ends(scale, zero))
    else:
        q = np.rint(X / scale) + zero
    return Integers(np.clip(q, 0, 255).astype(np.uint8), scale, zero)


def conv(X: Integers, W: Integers, b: Integers | None = None, **options: object) -> Unrounded:
    """int32 accumulators of a convolution, [N, C_out, H, W]."""
    if not isinstance(W, Integers):
        return NotImplemented
    total = convolve(
        X.q, X.zero_point, W.q, pads=options["pads"], strides=options["strides"],
        dilations=options["dilations"], groups=options["group"], pairs_of=options["pairs_of"],
    )  # fmt: skip
    total += 0 if b is None else b.q[:, None, None]
    return _accumulated(total, X, W, (-1, 1, 1))


def gemm(X: Integers, W: Integers, b: Integers | None = None, **options: object) -> Unrounded:
    """int32 accumulators of a linear layer, [N, out_features]: a convolution of one pixel."""
    if not isinstance(W, Integers):
        return NotImplemented
    total = convolve(
        X.q[:, :, None, None], X.zero_point, W.q[:, :, None, None], pads=[0] * 4, strides=[1, 1],
        dilations=[1, 1], groups=1, pairs_of=options["pairs_of"],
    )  # fmt: skip
    return _accumulated(total[:, :, 0, 0] + (0 if b is None else b.q), X, W, (-1,))


def _accumulated(total: np.ndarray, X: Integers, W: Integers, shape: tuple) -> Unrounded:
    # the accumulator stands for s_in * s_w * q
    scale = (X.scale * W.scale).reshape(shape)
    return _scaled(Integers(total, scale), lambda s_out: scale / s_out)


def _scaled(sums: Integers, ratio: Callable[[np.float32], np.ndarray]) -> Unrounded:
    def to_grid(s_out: np.float32, zero_point: int) -> np.ndarray:
        # q_out = round(q * s_in * s_w / s_out) + zero_point
        return scale_integers(sums.q, ratio(s_out)) + zero_point

    return Unrounded((sums,), to_grid, sums.real, ratio=ratio)


def add(A: Integers, B: Integers) -> Unrounded:
    """The sum of two activations on grids of their own."""
    if not (isinstance(A, Integers) and isinstance(B, Integers)):
        return NotImplemented

    def to_grid(s_out: np.float32, zero_point: int) -> np.ndarray:
        ratio_a, ratio_b, constant = added(A, B, s_out, zero_point)
        return add_scaled(A.q, ratio_a, B.q, ratio_b, constant)

    return Unrounded((A, B), to_grid, lambda: A.real() + B.real())


def added(A: Integers, B: Integers, s_out: np.float32, zero_point: int) -> tuple[np.float32, ...]:
    """The sum on its grid is q_a * (the first) + q_b * (the second) + (the third)."""
    # q_out = s_a / s_out * (q_a - z_a) + s_b / s_out * (q_b - z_b) + zero_point
    ratio_a, ratio_b = A.scale / s_out, B.scale / s_out
    constant = np.float32(zero_point) - (ratio_a * A.zero_point + ratio_b * B.zero_point)
    return ratio_a, ratio_b, np.float32(constant)


def multiply(A: Integers, B: Integers) -> Unrounded:
    """The product of two activations, such as a map and the gates of its channels."""
    if not (isinstance(A, Integers) and isinstance(B, Integers)):
        return NotImplemented
    return _accumulated(A.centred * B.centred, A, B, ())


def concat(*parts: Integers, axis: int) -> Unrounded:
    """Activations side by side; a table of 256 entries moves each to the common grid."""
    if not all(isinstance(part, Integers) for part in parts):
        return NotImplemented

    def to_grid(s_out: np.float32, zero_point: int) -> np.ndarray:
        moved = [lookup_table(part, s_out, zero_point)[part.q] for part in parts]
        return np.concatenate(moved, axis)

    return Unrounded(parts, to_grid, lambda: np.concatenate([p.real() for p in parts], axis))


def lookup_table(X: Integers, scale: np.float32, zero_point: int) -> np.ndarray:
    """Where each of the 256 integers on X's grid lands on another grid."""
    real = Integers(np.arange(256, dtype=np.uint8), X.scale, X.zero_point).real()
    return np.clip(np.rint(real / scale) + zero_point, 0, 255).astype(np.uint8)


def clip(X: Integers | Unrounded, low: object = None, high: object = None) -> Integers | Unrounded:
    """Remembered until the result is rounded: then the ends are integers too."""
    low, high = -np.inf if low is None else float(low), np.inf if high is None else float(high)
    if isinstance(X, Unrounded):
        return replace(X, low=max(X.low, low), high=max(min(X.high, high), low))
    ends = (np.rint(np.float32(end) / X.scale) + X.zero_point for end in (low, high))
    return replace(X, q=X.q.clip(*(np.uint8(np.clip(end, 0, 255)) for end in ends)))


def max_pool(X: Integers, **options: object) -> Integers:
    """The largest integer in each window."""
    if not isinstance(X, Integers):
        return NotImplemented
    return replace(X, q=pooling_windows(X.q, options).max(axis=(4, 5)))


def reduce_max(X: Integers, axes: np.ndarray, keepdims: int = 1) -> Integers:
    """The largest integer of each map, [N, C, 1, 1]."""
    if not isinstance(X, Integers) or sorted(axes % X.q.ndim) != [2, 3] or not keepdims:
        return NotImplemented
    return replace(X, q=X.q.max(axis=(2, 3), keepdims=True))


def average_pool(X: Integers, **options: object) -> Unrounded:
    """The sum of each window, which stands for 1 / k^2 as much, or for 1 / (pixels inside)."""
    if not isinstance(X, Integers) or options["ceil_mode"]:
        return NotImplemented
    total = pooling_windows(X.centred, options).sum(axis=(4, 5), dtype=np.int32)
    area = np.float32(np.prod(options["kernel_shape"]))
    if not options["count_include_pad"]:
        inside = np.ones((1, 1, *X.q.shape[2:]), np.int32)
        area = pooling_windows(inside, options).sum(axis=(4, 5)).astype(np.float32)
    return _accumulated(total, X, Integers(None, 1 / area), np.shape(area))


def global_average_pool(X: Integers) -> Unrounded:
    """The sum of each map, [N, C, 1, 1], which stands for 1 / (height width) as much."""
    if not isinstance(X, Integers):
        return NotImplemented
    total = X.centred.sum(axis=(2, 3), keepdims=True, dtype=np.int32)
    area = np.float32(np.prod(X.q.shape[2:]))
    return _scaled(Integers(total, X.scale / area), lambda s_out: X.scale / (s_out * area))


def resize(X: Integers, _: None, factors: np.ndarray, *sizes: object, **options: object) -> object:
    """Maps enlarged: each pixel repeated, or for "linear" twice as large with weights 3 and 1."""
    mode = options.get("coordinate_transformation_mode", b"half_pixel")
    if not isinstance(X, Integers) or sizes:
        return NotImplemented
    if options["mode"] == b"nearest" and mode == b"asymmetric":
        rows, columns = (
            (np.arange(int(size * f)) / f).astype(int)
            for size, f in zip(X.q.shape[2:], factors[2:], strict=True)
        )
        return replace(X, q=X.q[:, :, rows[:, None], columns])
    if options["mode"] != b"linear" or b"half_pixel" not in mode or list(factors[2:]) != [2, 2]:
        return NotImplemented
    total = doubled(doubled(X.centred, 2), 3)
    return _accumulated(total, X, Integers(None, 1 / np.float32(16)), ())


def pad(X: Integers, pads: np.ndarray, value: object = None, **options: object) -> Integers:
    """A border of zeros, which are exact on every grid."""
    if not isinstance(X, Integers) or value or options.get("mode", b"constant") != b"constant":
        return NotImplemented
    sides = np.reshape(pads, (2, -1)).T
    if (sides < 0).any() or len(sides) != X.q.ndim:
        return NotImplemented
    return replace(X, q=np.pad(X.q, sides, constant_values=X.zero_point))


def reshape(X: Integers, shape: np.ndarray, **_: object) -> Integers:
    """The same integers in another shape; 0 stands for the size that was there."""
    if not isinstance(X, Integers):
        return NotImplemented
    return replace(X, q=_reshaped(X.q, shape))


def _reshaped(x: np.ndarray, shape: np.ndarray, **_: object) -> np.ndarray:
    sizes = [x.shape[i] if size == 0 else int(size) for i, size in enumerate(shape)]
    if len(x) == 0:  # NumPy does not infer a size of nothing: of one image it does
        return np.empty(
            (0, *np.empty((1, *x.shape[1:])).reshape([1, *sizes[1:]]).shape[1:]), x.dtype
        )
    return x.reshape(sizes)


def transpose(X: Integers, perm: list[int]) -> Integers:
    """The same integers with their dimensions in another order."""
    return replace(X, q=X.q.transpose(perm)) if isinstance(X, Integers) else NotImplemented


def depth_to_space(X: Integers, blocksize: int, mode: bytes = b"DCR") -> Integers:
    """Channels become pixels, [N, C b^2, H, W] to [N, C, H b, W b]; "CRD" as PyTorch shuffles."""
    if not isinstance(X, Integers):
        return NotImplemented
    images, channels, height, width = X.q.shape
    left, b = channels // blocksize**2, blocksize
    if mode == b"CRD":
        q = X.q.reshape(images, left, b, b, height, width).transpose(0, 1, 4, 2, 5, 3)
    else:
        q = X.q.reshape(images, b, b, left, height, width).transpose(0, 3, 4, 1, 5, 2)
    return replace(X, q=q.reshape(images, left, height * b, width * b))


OPERATIONS: dict[str, Callable] = {
    "Add": add,
    "AveragePool": average_pool,
    "Clip": clip,
    "Concat": concat,
    "Conv": conv,
    "DepthToSpace": depth_to_space,
    "DequantizeLinear": dequantize,
    "Gemm": gemm,
    "GlobalAveragePool": global_average_pool,
    "MaxPool": max_pool,
    "Mul": multiply,
    "Pad": pad,
    "QuantizeLinear": quantize,
    "ReduceMax": reduce_max,
    "Relu": lambda X: clip(X, 0),
    "Reshape": reshape,
    "Resize": resize,
    "Transpose": transpose,
}
AT_THE_DOORS: dict[str, Callable] = {
    "Add": np.add,
    "Concat": lambda *parts, axis: np.concatenate(parts, axis),
    "Div": np.divide,
    "Mul": np.multiply,
    "Relu": lambda X: X.clip(0),
    "Reshape": _reshaped,
    "Sub": np.subtract,
}
