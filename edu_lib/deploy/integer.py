"""An int8 network run with integers alone, in NumPy: what a chip without floats does. Chapter 09.

It reads the file that `export_int8` writes. Floats occur at the two doors, where pixels come in and
answers go out, and in constants computed once when the file is opened. In between there are 8-bit
activations, 32-bit accumulators, and multiplications by fixed-point numbers of 24 bits.
Source: Jacob et al. 2018, sections 2.2 to 2.4.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from edu_lib.deploy.fixed_point import add_scaled, scale_integers


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
    """A result that waits for the grid it goes to. parts: what it was computed from."""

    parts: tuple[Integers, ...]
    to_grid: Callable[[np.float32, int], np.ndarray]
    is_rectified: bool = False


class IntegerNetwork:
    """An int8 network from a file, ready to run. peak_bytes: working memory of the last run.

    That is the most that activations and accumulators took at one moment; weights are not counted.
    Raises ValueError naming an operation that would need floats (tanh, local normalisation, ...).
    """

    def __init__(self, path: str | Path):
        graph = onnx.load(str(path)).graph
        self.constants = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer
        }
        self.nodes = list(graph.node)
        self.input = graph.input[0].name
        self.outputs = [output.name for output in graph.output]
        self.peak_bytes = 0
        unknown = sorted({node.op_type for node in self.nodes} - set(OPERATIONS))
        if unknown:
            raise ValueError(f"{Path(path).name} needs floats for {', '.join(unknown)}")

    def run(self, X: np.ndarray, watch: Collection[str] = ()) -> dict[str, np.ndarray]:
        """The outputs, float32, for inputs X, float32 [N, C, H, W], by name.

        watch: names of values in the file whose integers are handed out too.
        """
        values: dict[str, object] = {**self.constants, self.input: np.asarray(X, np.float32)}
        wanted = {*self.outputs, *watch}
        last_use = {name: i for i, node in enumerate(self.nodes) for name in node.input}
        self.peak_bytes = 0
        for i, node in enumerate(self.nodes):
            options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            arguments = [values[name] if name else None for name in node.input]
            values[node.output[0]] = OPERATIONS[node.op_type](*arguments, **options)
            self.peak_bytes = max(self.peak_bytes, self._bytes_held(values))
            for name in set(node.input) - wanted - {"", *self.constants}:
                if last_use[name] == i:
                    del values[name]
        return {name: _answer(values[name], name in self.outputs) for name in wanted}

    def _bytes_held(self, values: dict[str, object]) -> int:
        sizes = {}
        for name in values.keys() - self.constants.keys():
            value = values[name]
            for part in value.parts if isinstance(value, Unrounded) else (value,):
                array = part.q if isinstance(part, Integers) else part
                owner = array if array.base is None else array.base
                sizes[id(owner)] = owner.nbytes
        return sum(sizes.values())


def _answer(value: object, is_output: bool) -> np.ndarray:
    if isinstance(value, Unrounded):
        value = value.parts[0]
    if isinstance(value, Integers):
        return value.real() if is_output else value.q
    return value


def dequantize(q: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, axis: int = 0) -> Integers:
    """Nothing happens: the integers keep their scale beside them."""
    return q if isinstance(q, Integers) else Integers(q, scale, int(np.ravel(zero_point)[0]))


def quantize(X: object, scale: np.ndarray, zero_point: np.ndarray) -> Integers:
    """Onto the grid: a real input at the door, or a result that waited for its grid."""
    low, zero = 0, int(zero_point)
    if isinstance(X, Integers):  # pooling and the like stay on the grid of their input
        if X.scale == scale and X.zero_point == zero:
            return X
        q = _lookup_table(X, scale, zero)[X.q]
    elif isinstance(X, Unrounded):
        q = X.to_grid(np.float32(scale), zero)
        low = zero if X.is_rectified else 0
    else:
        q = np.rint(X / scale) + zero
    return Integers(np.clip(q, low, 255).astype(np.uint8), scale, zero)


def conv(X: Integers, W: Integers, b: Integers, **options: object) -> Unrounded:
    """int32 accumulators of a convolution, [N, C_out, H, W].

    It adds one matrix product for each place in the kernel, so that it needs no copy of the input.
    """
    (top, left, bottom, right), (step_y, step_x) = options["pads"], options["strides"]
    (reach_y, reach_x), groups = options["dilations"], options["group"]
    # padding is the real number 0, which is 0 once the zero_point is taken off
    x = np.pad(X.centred, ((0, 0), (0, 0), (top, bottom), (left, right)))
    out_channels, _, k_y, k_x = W.q.shape
    height = (x.shape[2] - reach_y * (k_y - 1) - 1) // step_y + 1
    width = (x.shape[3] - reach_x * (k_x - 1) - 1) // step_x + 1
    w = W.q.astype(np.int32).reshape(groups, out_channels // groups, -1, k_y, k_x)
    accumulator = np.zeros((len(x), groups, out_channels // groups, height * width), np.int32)
    for i in range(k_y):
        for j in range(k_x):
            rows = slice(i * reach_y, i * reach_y + step_y * (height - 1) + 1, step_y)
            columns = slice(j * reach_x, j * reach_x + step_x * (width - 1) + 1, step_x)
            part = x[:, :, rows, columns].reshape(len(x), groups, -1, height * width)
            accumulator += w[..., i, j] @ part
    accumulator = accumulator.reshape(len(x), out_channels, height, width)
    return _accumulated(accumulator + b.q[:, None, None], X, W, (-1, 1, 1))


def gemm(X: Integers, W: Integers, b: Integers, **options: object) -> Unrounded:
    """int32 accumulators of a linear layer, [N, out_features]."""
    accumulator = X.centred @ W.q.astype(np.int32).T
    return _accumulated(accumulator + b.q, X, W, (-1,))


def _accumulated(accumulator: np.ndarray, X: Integers, W: Integers, shape: tuple) -> Unrounded:
    # the accumulator stands for s_in * s_w * q
    scale = (X.scale * W.scale).reshape(shape)

    def to_grid(s_out: np.float32, zero_point: int) -> np.ndarray:
        # q_out = round(q * s_in * s_w / s_out) + zero_point
        return scale_integers(accumulator, scale / s_out) + zero_point

    return Unrounded((Integers(accumulator, scale),), to_grid)


def add(A: Integers, B: Integers) -> Unrounded:
    """The sum of two activations on grids of their own."""

    def to_grid(s_out: np.float32, zero_point: int) -> np.ndarray:
        # q_out = s_a / s_out * (q_a - z_a) + s_b / s_out * (q_b - z_b) + zero_point
        ratio_a, ratio_b = A.scale / s_out, B.scale / s_out
        shift = np.float32(zero_point) - (ratio_a * A.zero_point + ratio_b * B.zero_point)
        return add_scaled(A.q, ratio_a, B.q, ratio_b, np.float32(shift))

    return Unrounded((A, B), to_grid)


def concat(*parts: Integers, axis: int) -> Unrounded:
    """Activations side by side; a table of 256 entries moves each to the common grid."""

    def to_grid(s_out: np.float32, zero_point: int) -> np.ndarray:
        moved = [_lookup_table(part, s_out, zero_point)[part.q] for part in parts]
        return np.concatenate(moved, axis)

    return Unrounded(parts, to_grid)


def _lookup_table(X: Integers, scale: np.float32, zero_point: int) -> np.ndarray:
    """Where each of the 256 integers of X lands on another grid."""
    real = Integers(np.arange(256, dtype=np.uint8), X.scale, X.zero_point).real()
    return np.clip(np.rint(real / scale) + zero_point, 0, 255).astype(np.uint8)


def relu(X: Unrounded) -> Unrounded:
    """Remembered until the result is rounded: then its smallest integer is the zero_point."""
    return replace(X, is_rectified=True)


def max_pool(X: Integers, **options: object) -> Integers:
    """The largest integer in each window."""
    return replace(X, q=_windows(X.q, options).max(axis=(4, 5)))


def average_pool(X: Integers, **options: object) -> Unrounded:
    """The sum of each window, which stands for 1 / k^2 as much."""
    total = _windows(X.centred, options).sum(axis=(4, 5), dtype=np.int32)
    area = np.float32(np.prod(options["kernel_shape"]))
    return _accumulated(total, X, Integers(None, 1 / area), ())


def _windows(x: np.ndarray, options: dict) -> np.ndarray:
    """All windows of a pooling, [N, C, H, W, k_y, k_x]; beyond the border stands 0."""
    (top, left, bottom, right), (k_y, k_x) = options["pads"], options["kernel_shape"]
    step_y, step_x = options["strides"]
    if options["ceil_mode"]:
        bottom += -(x.shape[2] + top + bottom - k_y) % step_y
        right += -(x.shape[3] + left + right - k_x) % step_x
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (k_y, k_x), axis=(2, 3))
    return windows[:, :, ::step_y, ::step_x]


def resize(X: Integers, _: None, factors: np.ndarray, **options: object) -> Integers:
    """Maps enlarged: each pixel repeated, or for "linear" twice as large with weights 3 and 1."""
    if options["mode"] == b"nearest":
        return replace(X, q=X.q.repeat(int(factors[2]), 2).repeat(int(factors[3]), 3))
    if list(factors[2:]) != [2, 2]:
        raise ValueError(f"linear resizing is by 2 here, got {factors[2:]}")
    return Integers(_doubled(_doubled(X.centred, 2), 3), X.scale / np.float32(16))


def _doubled(x: np.ndarray, axis: int) -> np.ndarray:
    """Four times the values halfway: 3 x_i + x_(i-1) and 3 x_i + x_(i+1); the border repeats."""
    places = np.arange(x.shape[axis])
    neighbours = (places - 1).clip(0), (places + 1).clip(None, places[-1])
    both = [3 * x + x.take(neighbour, axis) for neighbour in neighbours]
    return np.stack(both, axis + 1).reshape(*x.shape[:axis], -1, *x.shape[axis + 1 :])


def reshape(X: Integers, shape: np.ndarray, **_: object) -> Integers:
    """The same integers in another shape."""
    return replace(X, q=X.q.reshape(shape))


OPERATIONS: dict[str, Callable] = {
    "Add": add,
    "AveragePool": average_pool,
    "Concat": concat,
    "Conv": conv,
    "DequantizeLinear": dequantize,
    "Div": np.divide,
    "Gemm": gemm,
    "MaxPool": max_pool,
    "QuantizeLinear": quantize,
    "Relu": relu,
    "Reshape": reshape,
    "Resize": resize,
    "Sub": np.subtract,
}
