"""A network written out as the operations it does, for techniques that read and rewrite it.

Convolutions and linear layers stand in the graph as layers, everything else as the ATen function
that PyTorch calls, each in one spelling. Taught in chapter 09.
"""

import torch
from torch import Tensor, fx, nn

from edu_lib.graph import (
    Inputs,
    attribute,
    check_same,
    compute_constants,
    export_program,
    free_name,
    layer_of,
    make_functional,
    name_of,
    place_of,
    pooling_of,
    tidy,
    value_of,
)
from edu_lib.techniques.quantization.modules import refuse_quantized

aten = torch.ops.aten
DROPOUT = ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
CONVOLUTIONS = (aten.conv2d.default, aten.conv2d.padding)


def trace(model: nn.Module, example_input: Inputs) -> fx.GraphModule:
    """`model` in evaluation mode as a graph of operations; it computes the same.

    example_input: one batch of the shape the network is for, [N, C, H, W], or a tuple of inputs;
    another N works too. Conv2d and linear layers stand in the graph under their old names, other
    layers with weights as functions; dropout is gone, and what does not depend on the input is
    computed once. The argument is not touched.
    Raises ValueError if PyTorch cannot follow the model.
    """
    graph_module = export_program(model, example_input, any_batch=True).module(check_guards=False)
    first: dict[int, str] = {}  # of the names of a parameter; one that is shared has several
    parameters = graph_module.named_parameters(remove_duplicate=False)
    origins = {name: first.setdefault(id(each), name) for name, each in parameters}
    compute_constants(graph_module)
    make_functional(graph_module)
    for node in list(graph_module.graph.nodes):
        if node.op == "call_function":
            _respell(graph_module, node)
    for node in list(graph_module.graph.nodes):
        if _does_nothing(node):
            node.replace_all_uses_with(node.args[0])
            graph_module.graph.erase_node(node)
        elif node.target in (*CONVOLUTIONS, aten.linear.default):
            _make_layer(graph_module, node, origins)
    traced = tidy(graph_module).requires_grad_(False)
    check_same(traced, model, example_input)
    return traced


def fold_batch_norm(model: nn.Module, example_input: Inputs) -> fx.GraphModule:
    """`model` as a graph in which each batch norm is part of the convolution or linear layer.

    In evaluation batch norm multiplies each channel by a number and adds another, which the weights
    can do as well. One that follows no such layer stays, as does one without running statistics.
    What could be trained still can. The argument is not touched. Raises what `trace` raises, and
    ValueError for a network whose activations are integers already.
    Source: Jacob et al. 2018, section 3.2 and equation 14. Taught in chapter 09.
    """
    refuse_quantized(model)
    graph_module = trace(model, example_input)
    for node in list(graph_module.graph.nodes):
        if node.target != aten.batch_norm.default or node.args[3] is None:
            continue
        layer = layer_of(graph_module, node.args[0])
        # a linear layer on [N, T, C] has its channels last, and the norm takes T for them
        fits = isinstance(layer, nn.Conv2d) or (
            isinstance(layer, nn.Linear) and value_of(node.args[0]).dim() == 2
        )
        if fits and len(node.args[0].users) == 1:
            _fold(graph_module, layer, node)
            node.replace_all_uses_with(node.args[0])
            graph_module.graph.erase_node(node)
    _set_trained(graph_module, model)
    return tidy(graph_module)


def _set_trained(graph_module: fx.GraphModule, model: nn.Module) -> None:
    """What could be trained in the model can be in the graph, in all layers that it went to."""
    all_names = model.named_parameters(remove_duplicate=False)
    trained = {name.rpartition(".")[0] for name, p in all_names if p.requires_grad}
    owners = {
        node.target: {name.rpartition(".")[0] for name in node.meta["made_of"]}
        for node in graph_module.graph.nodes
        if "made_of" in node.meta
    }
    for name, parameter in graph_module.named_parameters():
        part = name.rpartition(".")[0]
        parameter.requires_grad_(not trained.isdisjoint(owners.get(part, {part})))


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
    node.args[0].meta["folded"] = [name.target for name in names if name is not None]
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = nn.Parameter(bias, requires_grad=False)


def _respell(graph_module: fx.GraphModule, node: fx.Node) -> None:
    """One spelling for what has several: ReLU and ReLU6, means over the map, average pooling."""
    X, *rest = node.args or (None,)
    if node.target == aten.relu6.default:
        node.target, node.args = aten.hardtanh.default, (X, 0.0, 6.0)
    elif node.target in (aten.clamp.default, aten.clamp_min.default):
        low = rest[0] if rest else node.kwargs.get("min")
        high = rest[1] if len(rest) > 1 else node.kwargs.get("max")
        if low == 0 and high is None:
            node.target, node.args, node.kwargs = aten.relu.default, (X,), {}
        elif low is not None and high is not None:
            node.target, node.args, node.kwargs = aten.hardtanh.default, (X, low, high), {}
    elif node.target == aten.pad.default and rest[1:] in ([], ["constant"], ["constant", 0.0]):
        if not node.kwargs.get("value"):
            node.target, node.args, node.kwargs = aten.constant_pad_nd.default, (X, rest[0]), {}
    elif node.target == aten.mean.dim and _is_over_the_map(node):
        keepdim = len(rest) > 1 and rest[1]
        node.target, node.args, node.kwargs = aten.adaptive_avg_pool2d.default, (X, [1, 1]), {}
        if not keepdim:
            with graph_module.graph.inserting_after(node):
                flat = graph_module.graph.call_function(aten.flatten.using_ints, (node, 1))
            flat.meta = dict(node.meta)
            node.meta = node.meta | {"val": value_of(node)[..., None, None]}
            node.replace_all_uses_with(flat, delete_user_cb=lambda user: user is not flat)
    if node.target == aten.adaptive_avg_pool2d.default:
        _make_plain_pooling(node)
    elif node.target == aten.avg_pool2d.default:
        _make_whole_windows(graph_module, node)


def _is_over_the_map(node: fx.Node) -> bool:
    X, dims = node.args[:2]
    return value_of(X).dim() == 4 and sorted(dim % 4 for dim in dims or ()) == [2, 3]


def _make_plain_pooling(node: fx.Node) -> None:
    """Adaptive pooling to a size that divides the map is pooling of equal windows."""
    height, width = value_of(node.args[0]).shape[-2:]
    rows, columns = value_of(node).shape[-2:]
    if height % rows == 0 and width % columns == 0:
        window = [height // rows, width // columns]
        node.target, node.args = aten.avg_pool2d.default, (node.args[0], window, window)


def _make_whole_windows(graph_module: fx.GraphModule, node: fx.Node) -> None:
    """ceil_mode goes where it adds no window; another divisor becomes a multiplication."""
    window, step, padding, ceil_mode, include, divisor = pooling_of(node)
    sizes = value_of(node.args[0]).shape[-2:]
    if any((sizes[i] + 2 * padding[i] - window[i]) % step[i] for i in (0, 1)) and ceil_mode:
        return
    if divisor is not None:
        with graph_module.graph.inserting_after(node):
            factor = window[0] * window[1] / divisor
            scaled = graph_module.graph.call_function(aten.mul.Tensor, (node, factor))
        scaled.meta, include = dict(node.meta), True
        node.replace_all_uses_with(scaled, delete_user_cb=lambda user: user is not scaled)
    node.args = (node.args[0], window, step, padding, False, include)


def _does_nothing(node: fx.Node) -> bool:
    """Dropout in evaluation, pooling of single pixels with step 1."""
    if node.op != "call_function":
        return False
    if node.target == aten.avg_pool2d.default:
        window, step, padding, *_ = pooling_of(node)
        return {*window, *step} == {1} and set(padding) == {0}
    return name_of(node) in DROPOUT


def _make_layer(graph_module: fx.GraphModule, node: fx.Node, origins: dict[str, str]) -> None:
    """Replaces a call of conv2d or linear by a layer that owns its weight and bias.

    origins: {name of a parameter: the first of its names}; "made_of" in the meta keeps two of them.
    """
    X, weight_node, *rest = node.args
    if weight_node.op != "get_attr":
        raise ValueError(f"layer {place_of(node)!r} computes its weights from the input")
    weight = attribute(graph_module, weight_node.target).detach().clone()
    bias_node = rest.pop(0) if rest else node.kwargs.get("bias")
    bias = None
    if bias_node is not None:
        bias = attribute(graph_module, bias_node.target).detach().clone()
    layer = _linear(weight) if node.target == aten.linear.default else _conv(weight, *rest)
    layer.weight = nn.Parameter(weight)
    layer.bias = None if bias is None else nn.Parameter(bias)
    owner = _owner(weight_node)
    if owner and bias_node is not None:
        # layers that share one weight have biases of their own, which must not be overwritten
        owner = bias_node.target.rpartition(".")[0]
    name = free_name(graph_module, owner or place_of(node))
    graph_module.add_submodule(name, layer)
    with graph_module.graph.inserting_before(node):
        call = graph_module.graph.call_module(name, (X,))
    made_of = (weight_node, bias_node)
    names = [each.target for each in made_of if each is not None]
    call.meta = node.meta | {"made_of": [origins.get(name, name) for name in names]}
    node.replace_all_uses_with(call)
    for unused in (node, weight_node, bias_node):
        if unused is not None and not unused.users:
            graph_module.graph.erase_node(unused)


def _linear(weight: Tensor) -> nn.Linear:
    return nn.Linear(weight.shape[1], weight.shape[0], device="meta")


def _conv(
    weight: Tensor,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] | str = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> nn.Conv2d:
    out_channels, in_channels, *kernel_size = weight.shape
    return nn.Conv2d(
        in_channels * groups,
        out_channels,
        tuple(kernel_size),
        tuple(stride),
        padding if isinstance(padding, str) else tuple(padding),
        tuple(dilation),
        groups,
        device="meta",
    )


def _owner(weight_node: fx.Node) -> str:
    """The layer that holds a parameter of the model, or nothing for a computed weight."""
    owner, _, name = weight_node.target.rpartition(".")
    return owner if name == "weight" else ""
