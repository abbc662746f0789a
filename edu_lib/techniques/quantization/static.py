"""Post-training quantization: a trained network made int8 with some inputs and no training.

Each activation gets a grid, after what fuses into one integer operation. Taught in chapter 09.
"""

import operator
import warnings
from collections.abc import Callable, Collection

import torch
from torch import Tensor, fx, nn

from edu_lib.graph import (
    Inputs,
    call_after,
    layer_of,
    name_of,
    place_of,
    pooling_of,
    tidy,
    value_of,
)
from edu_lib.layers import choose_layers, is_within
from edu_lib.techniques.quantization.equalization import correct_biases, heard_range
from edu_lib.techniques.quantization.graph import aten, fold_batch_norm
from edu_lib.techniques.quantization.modules import (
    FakeQuantize,
    Observer,
    QuantizedLayer,
    check_calibration,
    check_float32,
    refuse_quantized,
)
from edu_lib.techniques.quantization.qparams import RANGES, affine_qparams, weight_qparams

BATCH_SIZE = 16
RECTIFIERS = (aten.relu.default, aten.hardtanh.default)
RESHAPES = (aten.flatten.using_ints, aten.view.default, aten.reshape.default)
SPLITS = (aten.chunk.default, aten.split.Tensor, aten.split_with_sizes.default)
MOVES = (aten.transpose.int, aten.permute.default, aten.slice.Tensor, aten.contiguous.default,
         aten.clone.default, aten.pixel_shuffle.default, aten.channel_shuffle.default)  # fmt: skip
# these move integers about or choose among them: the result lies on the grid of the input
SAME_GRID = (
    *RESHAPES,
    *SPLITS,
    *MOVES,
    aten.max_pool2d.default,
    aten.upsample_nearest2d.vec,
    aten.constant_pad_nd.default,
)
# these compute new numbers, which need a grid of their own
SUMS = (aten.add.Tensor, aten.mul.Tensor)
NEW_GRID = (
    *RECTIFIERS,
    *SUMS,
    aten.cat.default,
    aten.avg_pool2d.default,
    aten.adaptive_avg_pool2d.default,
    aten.upsample_bilinear2d.vec,
)
FLOAT_LAYERS = ("conv1d", "conv3d", "conv_transpose", "embedding", "lstm", "gru", "rnn", "matmul")


def quantize_static(
    model: nn.Module,
    calibration: Inputs,
    *,
    observer: str = "minmax",
    weight_bits: int = 8,
    activation_bits: int = 8,
    per_channel: bool = True,
    correct_bias: bool = False,
    accurate: bool = False,
    skip: Collection[str] = (),
) -> fx.GraphModule:
    """`model` with integer weights, biases and activations, as a graph; argument not touched.

    calibration: inputs [N, C, H, W] like those it will see, some dozens, or a tuple of inputs.
    observer: how ranges are chosen, "minmax", "percentile", "mse" or "entropy". weight_bits: 2 to
    8; with 7, sums are exact in every runtime, see `edu_lib.deploy.export_int8`. per_channel: one
    weight scale an output channel instead of one a layer. correct_bias: what rounding adds on
    average is taken off the biases. accurate: both helps at once, percentile ranges (unless another
    observer is named) and right biases, as thin layers want it (MobileNets, EfficientNets); takes
    about twice as long. skip: layers or parts that stay float.
    Batch norm is folded. Activations are unsigned with a zero_point, so that a ReLU costs nothing:
    what is below 0 is below the grid. It computes in float32 what an integer runtime computes, and
    is slower than the model: `edu_lib.deploy.export_int8` writes the file that is faster. Layers
    other than Conv2d and Linear stay float, with a warning that names them.
    Raises ValueError for bad arguments, a network that is quantized already or is not float32, and
    one that PyTorch cannot trace.
    Source: Krishnamoorthi 2018, section 3; Jacob et al. 2018, section 2. Taught in chapter 09.
    """
    observer = "percentile" if accurate and observer == "minmax" else observer
    graph_module = calibrate(model, calibration, observer, activation_bits, skip)
    for node in list(graph_module.graph.nodes):
        if is_treated(graph_module, node, skip):
            layer = layer_of(graph_module, node)
            s_in = input_qparams(graph_module, node).scale
            qparams = weight_qparams(layer.weight, weight_bits, per_channel)
            graph_module.set_submodule(node.target, QuantizedLayer(layer, s_in, qparams))
    quantized = tidy(graph_module).requires_grad_(False)
    if correct_bias or accurate:
        quantized = correct_biases(quantized, model, calibration)
    return quantized


@torch.no_grad()
def calibrate(
    model: nn.Module,
    calibration: Inputs,
    observer: str = "minmax",
    bits: int = 8,
    skip: Collection[str] = (),
) -> fx.GraphModule:
    """`model` as a graph, batch norm folded, whose activations move to grids that fit the inputs.

    Arguments and errors are those of `quantize_static`.
    """
    if observer not in RANGES:
        raise ValueError(f"observer is one of {', '.join(RANGES)}, got {observer!r}")
    inputs = check_calibration(calibration)
    refuse_quantized(model)
    check_float32(model)
    choose_layers(model, (), skip)  # refuses names that there are not
    graph_module = fold_batch_norm(model, inputs)
    _tell_what_stays_float(graph_module, skip)
    _move_rectifiers_up(graph_module)
    watched = _insert(graph_module, Observer, skip)
    for batch in zip(*(each.split(BATCH_SIZE) for each in inputs), strict=True):
        watched(*batch)
    for node in watched.graph.nodes:
        if isinstance(module := layer_of(watched, node), Observer):
            low, high = heard_range(node, *RANGES[observer](torch.cat(module.seen), bits))
            watched.set_submodule(node.target, FakeQuantize(affine_qparams(low, high, bits)))
    return _repeat_on_the_same_grid(watched)


def is_treated(graph_module: fx.GraphModule, node: fx.Node, skip: Collection[str]) -> bool:
    """Whether a node calls a layer that gets integers."""
    layer = layer_of(graph_module, node)
    return isinstance(layer, nn.Conv2d | nn.Linear) and not _is_skipped(node, skip)


def input_qparams(graph_module: fx.GraphModule, node: fx.Node) -> FakeQuantize:
    """The grid that the input of a layer lies on."""
    fake_quantize = layer_of(graph_module, node.args[0])
    if not isinstance(fake_quantize, FakeQuantize):
        raise ValueError(f"layer {node.target!r} has an input that is not on a grid")
    return fake_quantize


def _tell_what_stays_float(graph_module: fx.GraphModule, skip: Collection[str]) -> None:
    """Warns of layers with weights that are no Conv2d or Linear; refuses windows of no one size."""
    left = {}
    for node in graph_module.graph.nodes:
        has_weights = any(argument.op == "get_attr" for argument in node.all_input_nodes)
        if _is_skipped(node, skip):
            continue
        if has_weights and name_of(node).startswith(FLOAT_LAYERS):
            left[place_of(node)] = name_of(node)
        if node.target == aten.avg_pool2d.default and pooling_of(node)[3]:
            raise ValueError(
                f"layer {place_of(node)!r} averages with ceil_mode, and its last windows hang over "
                "the border, which runtimes divide differently: set ceil_mode=False"
            )
    if left:
        named = ", ".join(f"{place!r} ({operation})" for place, operation in left.items())
        warnings.warn(f"only Conv2d and Linear get integers; in float stay {named}", stacklevel=4)


def _move_rectifiers_up(graph_module: fx.GraphModule) -> None:
    """relu(max_pool(x)) is max_pool(relu(x)), where the ReLU costs nothing."""
    for node in list(graph_module.graph.nodes):
        while node.target in RECTIFIERS:
            below = node.args[0]
            if below.target not in (aten.max_pool2d.default, *RESHAPES) or len(below.users) > 1:
                break
            X = below.args[0]
            below.replace_input_with(X, node)
            node.replace_all_uses_with(below, delete_user_cb=lambda user, b=below: user is not b)
            node.replace_input_with(below, X)
            below.prepend(node)
            node.meta = dict(X.meta)


def _insert(
    graph_module: fx.GraphModule, make: Callable[[], nn.Module], skip: Collection[str]
) -> fx.GraphModule:
    """Puts a layer `make()` wherever activations become integers.

    That is after each convolution and linear layer, or after the ReLU that follows it; after
    additions, products, concatenations and averages of activations; and before each of those where
    something else comes in. Other operations, such as tanh, go on computing in float. The outputs
    of the network stay as they are, unless a convolution makes them.
    """
    for node in list(graph_module.graph.nodes):
        if _needs_grid(graph_module, node, skip):
            name = f"fake_quantize_{node.name}"
            graph_module.add_submodule(name, make())
            call_after(graph_module, node, name)
    return tidy(graph_module)


def _repeat_on_the_same_grid(graph_module: fx.GraphModule) -> fx.GraphModule:
    """Calls a grid once more after pooling, flattening and the like, which stay on it."""
    for node in list(graph_module.graph.nodes):
        if not _keeps_grid(node) or not isinstance(value_of(node), Tensor):
            continue
        source = node.args[0].args[0] if node.target is operator.getitem else node.args[0]
        answers = all(user.op == "output" for user in node.users)
        if not answers and isinstance(layer_of(graph_module, source), FakeQuantize):
            call_after(graph_module, node, source.target)
    return tidy(graph_module)


def _needs_grid(graph_module: fx.GraphModule, node: fx.Node, skip: Collection[str]) -> bool:
    value = value_of(node)
    if node.op in ("output", "get_attr") or _keeps_grid(node) or not node.users:
        return False
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return False
    (first, *others) = node.users
    if not others and first.target in RECTIFIERS and not _is_skipped(first, skip):
        return False  # the rectifier is absorbed: the grid follows it
    readers = [reader for reader in _readers(node) if reader.op != "output"]
    if _is_float(node, skip):
        return any(not _is_float(reader, skip) for reader in readers)
    return bool(readers) or isinstance(layer_of(graph_module, node), nn.Conv2d)


def _readers(node: fx.Node) -> list[fx.Node]:
    """Who computes with the values of a node, also after they were only moved about."""
    found = []
    for user in node.users:
        found += _readers(user) if _keeps_grid(user) else [user]
    return found


def _is_float(node: fx.Node, skip: Collection[str]) -> bool:
    """Whether an operation stays in float32."""
    if _is_skipped(node, skip):
        return True
    if node.op == "call_module" or _keeps_grid(node):
        return False
    if node.target in SUMS:
        # with a number or a constant, or between results that are float themselves
        operands = [arg for arg in node.all_input_nodes if arg.op != "get_attr"]
        return len(operands) < 2 or all(_is_float(arg, skip) for arg in operands)
    return node.target not in NEW_GRID


def _keeps_grid(node: fx.Node) -> bool:
    if node.target is operator.getitem:
        return node.args[0].target in SPLITS
    return node.target in SAME_GRID


def _is_skipped(node: fx.Node, skip: Collection[str]) -> bool:
    return node.op != "placeholder" and is_within(place_of(node), skip)
