"""A network written out as the list of operations it does, which techniques can read and rewrite.

Taught in chapter 09.
"""

import copy
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, fx, nn

CONV, LINEAR = "conv", "linear"
aten = torch.ops.aten
CONVOLUTIONS = (aten.conv2d.default, aten.conv2d.padding)
UNTREATED = ("conv1d", "conv3d", "conv_transpose", "embedding", "lstm", "gru", "rnn", "matmul")
IN_PLACE = {aten.relu_.default: aten.relu.default, aten.hardtanh_.default: aten.hardtanh.default}


def trace(model: nn.Module, example: Tensor) -> fx.GraphModule:
    """`model` in evaluation mode as a graph of operations; it computes the same.

    example: one batch or image of the shape the network is for, [N, C, H, W]; another N works too.
    Convolutions and linear layers stand in the graph as nn.Conv2d and nn.Linear under their old
    names, everything else as the ATen function that PyTorch calls; dropout is gone, and what does
    not depend on the input is computed once. The argument is not touched.
    Raises ValueError if PyTorch cannot follow the model, or naming a layer whose weights it cannot
    treat (transposed, 1-D, 3-D convolutions, recurrent layers).
    """
    model = copy.deepcopy(model).cpu().eval()
    X = example.detach().cpu()[:1].repeat(2, *[1] * (example.dim() - 1))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            batch = torch.export.Dim.DYNAMIC
            program = torch.export.export(model, (X,), dynamic_shapes=({0: batch},))
    except Exception as error:  # the exporter raises whatever its parts raise
        raise ValueError(f"{type(model).__name__} cannot be traced: {error}") from error
    graph_module = program.module(check_guards=False)
    _compute_constants(graph_module)
    for node in list(graph_module.graph.nodes):
        if node.target in IN_PLACE:
            node.target = IN_PLACE[node.target]
        if node.target == aten.adaptive_avg_pool2d.default:
            _make_plain_pooling(node)
        if _does_nothing(node):
            node.replace_all_uses_with(node.args[0])
            graph_module.graph.erase_node(node)
        elif node.op == "call_function" and _name_of(node.target).startswith(UNTREATED):
            _refuse_if_it_has_weights(graph_module, node)
        elif node.target in (*CONVOLUTIONS, aten.linear.default):
            _make_layer(graph_module, node)
    return tidy(graph_module).requires_grad_(False)


def tidy(graph_module: fx.GraphModule) -> fx.GraphModule:
    """The same graph without the nodes, parameters and layers that nothing uses."""
    graph_module.graph.eliminate_dead_code()
    graph_module.graph.lint()
    graph_module.delete_all_unused_submodules()
    clean = fx.GraphModule(graph_module, graph_module.graph)  # copies what the graph names, alone
    return clean.eval()


def layer_of(graph_module: fx.GraphModule, node: object) -> nn.Module | None:
    """The layer that a node calls, or None if it calls a function."""
    is_layer = isinstance(node, fx.Node) and node.op == "call_module"
    return graph_module.get_submodule(node.target) if is_layer else None


def place_of(node: fx.Node) -> str:
    """The name, in the model as it was, of the layer an operation belongs to."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return stack[-1][0] if stack and stack[-1][0] else node.name


def size_of(node: fx.Node) -> torch.Size:
    """The shape of a node's result in the traced example, without the batch."""
    return node.meta["val"].shape[1:]


def _name_of(target: Callable) -> str:
    return str(target).removeprefix("aten.")


def _compute_constants(graph_module: fx.GraphModule) -> None:
    """Replaces what does not depend on the input by its value, a buffer."""
    values: dict[fx.Node, object] = {}
    for node in graph_module.graph.nodes:
        if node.op == "get_attr":
            values[node] = attribute(graph_module, node.target)
        elif node.op == "call_function" and all(arg in values for arg in node.all_input_nodes):
            args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
            with torch.no_grad():
                values[node] = node.target(*args, **kwargs)
    for node, value in values.items():
        if node.op == "get_attr" or all(user in values for user in node.users):
            continue
        name = f"constant_{node.name}"
        graph_module.register_buffer(name, value)
        with graph_module.graph.inserting_before(node):
            constant = graph_module.graph.get_attr(name)
        constant.meta = dict(node.meta)
        node.replace_all_uses_with(constant, delete_user_cb=lambda user: user not in values)
    for node in reversed(values):
        if not node.users:
            graph_module.graph.erase_node(node)


def attribute(graph_module: fx.GraphModule, path: str) -> Tensor:
    """The parameter or buffer of that name."""
    owner, _, name = path.rpartition(".")
    return getattr(graph_module.get_submodule(owner), name)


def _does_nothing(node: fx.Node) -> bool:
    """Dropout in evaluation, and pooling of single pixels."""
    if node.op != "call_function":
        return False
    if node.target == aten.avg_pool2d.default:
        return set(node.args[1]) == {1}
    return _name_of(node.target).startswith(("dropout", "feature_dropout", "alpha_dropout"))


def _make_plain_pooling(node: fx.Node) -> None:
    """Adaptive pooling to a size that divides the map is pooling of equal windows."""
    (height, width), (rows, columns) = size_of(node.args[0])[-2:], size_of(node)[-2:]
    if height % rows == 0 and width % columns == 0:
        window = [height // rows, width // columns]
        node.target, node.args = aten.avg_pool2d.default, (node.args[0], window, window)


def _refuse_if_it_has_weights(graph_module: fx.GraphModule, node: fx.Node) -> None:
    if any(argument.op == "get_attr" for argument in node.all_input_nodes):
        raise ValueError(
            f"layer {place_of(node)!r} does {_name_of(node.target).split('.')[0]}: "
            "only Conv2d and Linear weights can be treated"
        )


def _make_layer(graph_module: fx.GraphModule, node: fx.Node) -> None:
    """Replaces a call of conv2d or linear by a layer that owns its weight and bias."""
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
    name = _free_name(graph_module, place_of(node))
    graph_module.add_submodule(name, layer)
    with graph_module.graph.inserting_before(node):
        call = graph_module.graph.call_module(name, (X,))
    call.meta = dict(node.meta)
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


def _free_name(graph_module: fx.GraphModule, name: str) -> str:
    """`name`, or name_2, name_3, ... where a layer that is called twice has taken it."""
    taken = {node.target for node in graph_module.graph.nodes if node.op == "call_module"}
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
