"""A network written down by torch.export: the one front end of all techniques that read graphs."""

import inspect
import warnings

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves

from edu_lib.copies import copied

Inputs = Tensor | tuple[Tensor, ...]


def as_inputs(example_input: Inputs, name: str = "example_input") -> tuple[Tensor, ...]:
    """The positional arguments of the network's forward: a tensor alone, or a tuple of tensors.

    name: what they are, for the message. Raises ValueError for anything else, and for no image.
    """
    inputs = example_input if isinstance(example_input, tuple | list) else (example_input,)
    if not inputs or not all(isinstance(each, Tensor) for each in inputs):
        kinds = ", ".join(type(each).__name__ for each in inputs) or "nothing"
        raise ValueError(
            f"{name} is a tensor, or a tuple of the tensors that forward takes; got {kinds}"
        )
    if any(each.dim() and len(each) == 0 for each in inputs):
        raise ValueError(f"{name} is empty: give a batch of one image or more")
    return tuple(inputs)


def export_program(
    model: nn.Module, example_input: Inputs, *, any_batch: bool = False, training: bool = False
) -> torch.export.ExportedProgram:
    """`model` as a graph of ATen operations, on the CPU; the argument is not touched.

    example_input: one batch as forward takes it; its first image stands for all. any_batch: the
    graph takes batches of every size, dimension 0 of each input. training: as in training mode,
    where a network may have more heads, for two images; in evaluation mode by default.
    Raises ValueError naming the network, the shape and PyTorch's reason if it cannot be followed.
    """
    inputs = tuple(each.detach().cpu() for each in as_inputs(example_input))
    options: dict = {"strict": False}
    inputs = tuple(each[:1] for each in inputs)
    if any_batch or training:
        # a batch of 1 would be taken for a fixed size, and batch norm cannot train on one value
        inputs = tuple(torch.cat([each, each]) for each in inputs)
    if any_batch:
        options["dynamic_shapes"] = free_batch(model, inputs, torch.export.Dim.DYNAMIC)
    model = copied(model).cpu().train(training)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return torch.export.export(model, inputs, **options)
    except Exception as error:  # the exporter raises whatever its parts raise
        shapes = " and ".join(str(list(each.shape)) for each in inputs)
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{type(model).__name__} cannot be traced with an input of {shapes}: {reason}"
        ) from error


def free_batch(model: nn.Module, inputs: tuple[Tensor, ...], size: object) -> tuple:
    """`dynamic_shapes` as the exporters take them: dimension 0 of each input has that size."""
    shapes = tuple({0: size} for _ in inputs)
    kinds = [each.kind for each in inspect.signature(model.forward).parameters.values()]
    return (shapes,) if inspect.Parameter.VAR_POSITIONAL in kinds[:1] else shapes


@torch.no_grad()
def outputs_of(model: nn.Module, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """The tensors that the network gives, in order, also out of a tuple or a dict."""
    return [each for each in tree_leaves(model(*inputs)) if isinstance(each, Tensor)]


def compute_constants(graph_module: fx.GraphModule) -> None:
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
        used = not all(user in values for user in node.users)
        if node.op == "get_attr" or not used or not isinstance(value, Tensor):
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


def make_functional(graph_module: fx.GraphModule) -> None:
    """`x += y` becomes `x = x + y`: whoever reads x later reads the sum."""
    aten = torch.ops.aten
    for node in graph_module.graph.nodes:
        name, _, variant = str(node.target).removeprefix("aten.").partition(".")
        if not name.endswith("_") or name.startswith("_") or not hasattr(aten, name[:-1]):
            continue
        node.target = getattr(getattr(aten, name[:-1]), variant)
        later, follower = set(), node.next
        while follower.op != "root":
            later.add(follower)
            follower = follower.next
        node.args[0].replace_all_uses_with(node, delete_user_cb=later.__contains__)


@torch.no_grad()
def check_same(traced: fx.GraphModule, model: nn.Module, example_input: Inputs) -> None:
    """Raises ValueError if the graph does not compute what the model computes."""
    inputs = tuple(each.detach().cpu()[:2] for each in as_inputs(example_input))
    wanted = outputs_of(copied(model).cpu().eval(), inputs)
    for ours, theirs in zip(outputs_of(traced, inputs), wanted, strict=True):
        ours, theirs = ours.float().nan_to_num(), theirs.float().nan_to_num()
        if not torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max())):
            raise ValueError(
                f"{type(model).__name__} computes something else than its graph: look for parts "
                "that change a tensor in place, or that draw random numbers"
            )


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


def value_of(node: fx.Node) -> object:
    """What the node gave for the traced example: a tensor without contents, a number, a tuple."""
    return node.meta.get("val")


def attribute(graph_module: fx.GraphModule, path: str) -> Tensor:
    """The parameter or buffer of that name."""
    owner, _, name = path.rpartition(".")
    return getattr(graph_module.get_submodule(owner), name)


def name_of(node: fx.Node) -> str:
    """The operation of a node without its variant: "conv2d", "relu"."""
    return str(node.target).removeprefix("aten.").split(".")[0]


def free_name(graph_module: fx.GraphModule, name: str) -> str:
    """`name`, or name_2, name_3, ... where something else has taken it.

    That is a layer that is called twice, or a part that holds more than one weight and one bias.
    """
    number, free = 1, name
    while not _is_free(graph_module, free):
        number += 1
        free = f"{name}_{number}"
    return free


def _is_free(graph_module: fx.GraphModule, name: str) -> bool:
    if any(node.op == "call_module" and node.target == name for node in graph_module.graph.nodes):
        return False
    try:
        part = graph_module.get_submodule(name)
    except AttributeError:
        return True
    names = {*part._parameters, *part._buffers}
    return not part._modules and names <= {"weight", "bias"}


def call_after(graph_module: fx.GraphModule, node: fx.Node, name: str) -> None:
    """Hands what a node gives through the layer of that name, for all who read it."""
    with graph_module.graph.inserting_after(node):
        call = graph_module.graph.call_module(name, (node,))
    call.meta = dict(node.meta)
    node.replace_all_uses_with(call, delete_user_cb=lambda user: user is not call)


def pooling_of(node: fx.Node) -> tuple:
    """(window, step, padding, ceil_mode, count_include_pad, divisor) of avg_pool2d."""
    defaults = (None, (), (0, 0), False, True, None)
    given = node.args[1:]
    window, step, padding, *others = (*given, *defaults[len(given) :])
    window, padding = _pair(window), _pair(padding)
    return window, _pair(step) if step else window, padding, *others


def _pair(value: int | list[int]) -> list[int]:
    value = [value] if isinstance(value, int) else list(value)
    return value * 2 if len(value) == 1 else value
