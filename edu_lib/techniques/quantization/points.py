"""Where in a network the grids go: after what fuses into one integer operation. Chapter 09."""

from collections.abc import Callable

from torch import fx, nn

from edu_lib.techniques.quantization.graph import aten, layer_of, tidy

RECTIFIERS = (aten.relu.default, aten.hardtanh.default)
# these move integers about or choose among them: the result lies on the grid of the input
SAME_GRID = (
    aten.max_pool2d.default,
    aten.flatten.using_ints,
    aten.view.default,
    aten.reshape.default,
    aten.upsample_nearest2d.vec,
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


def insert_points(graph_module: fx.GraphModule, make: Callable[[str], nn.Module]) -> fx.GraphModule:
    """Puts a layer `make(name)` wherever activations become integers, and returns the graph.

    That is after each convolution and linear layer, or after the ReLU that follows it; after
    additions, products, concatenations and averages of activations; and before each of those where
    something else comes in. Other operations, such as tanh, go on computing in float. The outputs
    of the network stay as they are, unless a convolution makes them.
    """
    for node in list(graph_module.graph.nodes):
        if _needs_point(graph_module, node):
            name = f"grid_{node.name}"
            graph_module.add_submodule(name, make(name))
            _call_after(graph_module, node, name)
    return tidy(graph_module)


def repeat_points(graph_module: fx.GraphModule, kind: type[nn.Module]) -> fx.GraphModule:
    """Calls a grid once more after pooling, flattening and the like, which stay on it."""
    for node in list(graph_module.graph.nodes):
        if node.target not in SAME_GRID or _is_answer(node):
            continue
        if isinstance(layer_of(graph_module, node.args[0]), kind):
            _call_after(graph_module, node, node.args[0].target)
    return tidy(graph_module)


def _needs_point(graph_module: fx.GraphModule, node: fx.Node) -> bool:
    users = list(node.users)
    if node.op in ("output", "get_attr") or node.target in SAME_GRID or not users:
        return False
    if len(users) == 1 and users[0].target in RECTIFIERS:
        return False  # the rectifier is absorbed: the grid follows it
    if _is_float(graph_module, node):
        return any(not _is_float(graph_module, user) for user in users if user.op != "output")
    return isinstance(layer_of(graph_module, node), nn.Conv2d) or not _is_answer(node)


def _is_float(graph_module: fx.GraphModule, node: fx.Node) -> bool:
    """Whether an operation stays in float32."""
    if node.op == "call_module" or node.target in SAME_GRID:
        return False
    if node.target in SUMS:
        # with a number or a constant, or between results that are float themselves
        operands = [arg for arg in node.all_input_nodes if arg.op != "get_attr"]
        return len(operands) < 2 or all(_is_float(graph_module, arg) for arg in operands)
    return node.target not in NEW_GRID


def _is_answer(node: fx.Node) -> bool:
    return all(user.op == "output" for user in node.users)


def _call_after(graph_module: fx.GraphModule, node: fx.Node, name: str) -> None:
    with graph_module.graph.inserting_after(node):
        point = graph_module.graph.call_module(name, (node,))
    point.meta = dict(node.meta)
    node.replace_all_uses_with(point, delete_user_cb=lambda user: user is not point)
