"""Batch norm folded into the convolution before it. Taught in chapter 09."""

import torch
from torch import Tensor, fx, nn

from edu_lib.techniques.quantization.graph import aten, attribute, layer_of, tidy, trace


def fold_batch_norm(model: nn.Module, example: Tensor) -> fx.GraphModule:
    """`model` as a graph in which each batch norm is part of the convolution or linear layer.

    In evaluation batch norm multiplies each channel by a number and adds another, which the weights
    can do as well. A batch norm that follows no such layer stays. The argument is not touched.
    Raises what `trace` raises.
    Source: Jacob et al. 2018, section 3.2 and equation 14.
    """
    graph_module = trace(model, example)
    for node in list(graph_module.graph.nodes):
        if node.target != aten.batch_norm.default:
            continue
        layer = layer_of(graph_module, node.args[0])
        if isinstance(layer, nn.Conv2d | nn.Linear) and len(node.args[0].users) == 1:
            _fold(graph_module, layer, node)
            node.replace_all_uses_with(node.args[0])
            graph_module.graph.erase_node(node)
    return tidy(graph_module)


@torch.no_grad()
def _fold(graph_module: fx.GraphModule, layer: nn.Conv2d | nn.Linear, node: fx.Node) -> None:
    _, *names, _, _, eps, _ = node.args
    values = [None if name is None else attribute(graph_module, name.target) for name in names]
    gamma, beta, mean, variance = values
    # gain = gamma / sqrt(variance + eps)
    gain = (variance + eps).rsqrt() * (1 if gamma is None else gamma)
    bias = torch.zeros_like(mean) if layer.bias is None else layer.bias
    # W' = gain * W,  b' = gain * (b - mean) + beta
    weight = layer.weight * gain.view(-1, *[1] * (layer.weight.dim() - 1))
    bias = gain * (bias - mean) + (0 if beta is None else beta)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = nn.Parameter(bias, requires_grad=False)
