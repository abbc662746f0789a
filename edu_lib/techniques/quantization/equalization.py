"""What helps rounding: weights of more equal size before it, biases that make up for it after.

Both need some inputs and no labels. And a grid that leaves out what nobody hears: behind it stands
an activation that gives the same for all of it. Taught in chapter 09.
"""

from collections.abc import Callable

import torch
from torch import Tensor, fx, nn

from edu_lib.copies import copied
from edu_lib.graph import Inputs, layer_of, value_of
from edu_lib.techniques.quantization.graph import aten, fold_batch_norm
from edu_lib.techniques.quantization.modules import QuantizedLayer, check_calibration

# f(s x) = s f(x) for s > 0, so that a scale can wander through
HOMOGENEOUS = (
    aten.relu.default,
    aten.max_pool2d.default,
    aten.avg_pool2d.default,
    aten.flatten.using_ints,
    aten.upsample_nearest2d.vec,
)
# hard swish is 0 up to -3; hard sigmoid is 0 up to -3 and 1 from 3 on
HEARD = {
    aten.hardswish.default: (-3.0, float("inf")),
    aten.hardsigmoid.default: (-3.0, 3.0),
}
ROUNDS = 20


@torch.no_grad()
def equalize(model: nn.Module, example_input: Inputs) -> fx.GraphModule:
    """`model` as a graph that computes the same with weights of more equal size; batch norm folded.

    Where one layer feeds only another, with nothing but ReLU, pooling or flattening between, each
    channel can be divided by a number in the first and multiplied by it in the second. That helps
    where one scale must serve a whole layer, above all in depthwise convolutions. Layers around
    skip connections and concatenations stay. The argument is not touched. Raises what `trace`
    raises.
    Source: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias
    Correction", section 4.1. Taught in chapter 09.
    """
    graph_module = fold_batch_norm(model, example_input)
    pairs = _pairs(graph_module)
    for _ in range(ROUNDS):
        largest = max((_equalize_pair(first, second) for first, second in pairs), default=0.0)
        if largest < 1e-3:
            break
    return graph_module


def _pairs(graph_module: fx.GraphModule) -> list[tuple[nn.Module, nn.Module]]:
    pairs = []
    for node in graph_module.graph.nodes:
        first = layer_of(graph_module, node)
        # channels are dimension 1 of [N, C] and [N, C, H, W], not of [N, T, C]
        if first is None or value_of(node).dim() != (2 if isinstance(first, nn.Linear) else 4):
            continue
        follower = before = node
        while len(follower.users) == 1:
            before, (follower,) = follower, follower.users
            if follower.target not in HOMOGENEOUS or _joins_images(follower):
                break
        second = layer_of(graph_module, follower)
        # the second layer must read these channels: flattened with the map, or [N, C, H, W] still
        reads = value_of(before).dim() == (2 if isinstance(second, nn.Linear) else 4)
        if second is not None and follower is not node and reads:
            pairs.append((first, second))
    return pairs


def _joins_images(node: fx.Node) -> bool:
    return node.target == aten.flatten.using_ints and node.args[1:2] != (1,)


def _equalize_pair(first: nn.Module, second: nn.Module) -> float:
    """One step; returns the largest change, as |log s|."""
    W2 = _by_input(second, len(first.weight))
    r1 = first.weight.abs().flatten(1).amax(dim=1)
    r2 = W2.abs().amax(dim=(1, 3, 4)).flatten()
    alive = (r1 > 0) & (r2 > 0)
    # s_i = sqrt(r1_i r2_i) / r2_i: afterwards both ranges are sqrt(r1_i r2_i)
    s = torch.where(alive, (r1 * r2).sqrt() / r2.clamp(min=1e-30), 1.0)
    # W1' = W1 / s,  b1' = b1 / s,  W2' = W2 s
    first.weight /= s.view(-1, *[1] * (first.weight.dim() - 1))
    if first.bias is not None:
        first.bias /= s
    W2 *= s.view(len(W2), 1, -1, 1, 1)
    return s.log().abs().max().item()


def _by_input(layer: nn.Module, channels: int) -> Tensor:
    """A view of the weights as [groups, outputs and inputs of a group, places, places]."""
    if isinstance(layer, nn.Linear):  # a flattened map has several inputs a channel
        return layer.weight.view(1, len(layer.weight), channels, -1, 1)
    return layer.weight.unflatten(0, (layer.groups, -1))


def heard_range(node: fx.Node, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """The part of the range [low, high] of a node that can change what its readers give."""
    ends = [HEARD.get(user.target) for user in node.users]
    if not ends or None in ends:
        return low, high
    lowest, highest = min(end[0] for end in ends), max(end[1] for end in ends)
    return low.clamp(lowest, highest), high.clamp(lowest, highest)


# Bias correction


@torch.no_grad()
def correct_biases(
    quantized: fx.GraphModule, model: nn.Module, calibration: Inputs
) -> fx.GraphModule:
    """A copy of `quantized` whose layers give, on average over the inputs, what `model` gives.

    quantized: what `quantize_static` made of `model` (or of the equalized one: give that then).
    calibration: inputs [N, C, H, W]. Goes from the first layer to the last, so that each sees the
    corrected ones before it. The arguments are not touched.
    Raises ValueError if the two do not have the same layers.
    Source: Nagel et al. 2019, section 4.2 and appendix D (empirical). Taught in chapter 09.
    """
    inputs = check_calibration(calibration)
    corrected = copied(quantized)
    layers = {n: m for n, m in corrected.named_modules() if isinstance(m, QuantizedLayer)}
    expected = _mean_outputs(fold_batch_norm(model, inputs), inputs)
    if not layers or not layers.keys() <= expected.keys():
        raise ValueError("the quantized network does not have the layers of the model")
    hooks = [
        layer.register_forward_hook(_correct_to(expected[name])) for name, layer in layers.items()
    ]
    corrected(*inputs)
    for hook in hooks:
        hook.remove()
    return corrected


def _correct_to(expected: Tensor) -> Callable:
    """A hook that moves the bias of a layer until the mean outputs are as expected."""

    def hook(layer: QuantizedLayer, _: tuple, output: Tensor) -> Tensor:
        # b' = b - E[y_quantized - y]
        shift = _channel_means(output, layer.weight.dim()) - expected
        steps = torch.round(shift / layer.bias_scale).to(torch.int32)
        layer.bias -= steps
        moved = steps * layer.bias_scale
        return output - (moved if layer.weight.dim() == 2 else moved.view(-1, 1, 1))

    return hook


def _mean_outputs(graph_module: fx.GraphModule, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """The mean output of each channel of each layer."""
    means: dict[str, Tensor] = {}

    def keep(name: str) -> Callable:
        return lambda layer, _, output: means.update(
            {name: _channel_means(output, layer.weight.dim())}
        )

    for name, layer in graph_module.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(keep(name))
    graph_module(*inputs)
    return means


def _channel_means(output: Tensor, weight_dim: int) -> Tensor:
    """Mean over all but the channels: the last dimension of a linear layer's output, else [1]."""
    rows = output.flatten(0, -2).T if weight_dim == 2 else output.transpose(0, 1).flatten(1)
    return rows.mean(dim=1)
