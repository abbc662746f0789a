"""Weights of two layers brought to the same size, channel by channel. Taught in chapter 09."""

import torch
from torch import Tensor, fx, nn

from edu_lib.techniques.quantization.folding import fold_batch_norm
from edu_lib.techniques.quantization.graph import aten, layer_of

# f(s x) = s f(x) for s > 0, so that a scale can wander through
HOMOGENEOUS = (
    aten.relu.default,
    aten.max_pool2d.default,
    aten.avg_pool2d.default,
    aten.flatten.using_ints,
    aten.upsample_nearest2d.vec,
)
ROUNDS = 20


@torch.no_grad()
def equalize(model: nn.Module, example: Tensor) -> fx.GraphModule:
    """`model` as a graph that computes the same with weights of more equal size; batch norm folded.

    Where one layer feeds only another, with nothing but ReLU, pooling or flattening between, each
    channel can be divided by a number in the first and multiplied by it in the second. That helps
    where one scale must serve a whole layer, above all in depthwise convolutions. Layers around
    skip connections and concatenations stay. The argument is not touched. Raises what `trace`
    raises.
    Source: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias
    Correction", section 4.1. Taught in chapter 09.
    """
    graph_module = fold_batch_norm(model, example)
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
        if first is None:
            continue
        follower = node
        while len(follower.users) == 1:
            (follower,) = follower.users
            if follower.target not in HOMOGENEOUS:
                break
        second = layer_of(graph_module, follower)
        if second is not None and follower is not node:
            pairs.append((first, second))
    return pairs


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
