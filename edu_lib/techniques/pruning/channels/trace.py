"""From a network to its channel graph: written down by torch.export, run on channel numbers."""

import copy
from collections.abc import Collection

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize
from torch.utils._pytree import tree_leaves

from edu_lib.techniques.pruning.channels.graph import MAKES, ChannelGraph, Stored
from edu_lib.techniques.pruning.channels.numbers import KEPT
from edu_lib.techniques.pruning.channels.tracer import ChannelTracer
from edu_lib.techniques.pruning.layers import check_layer_names


def trace_channels(
    model: nn.Module, example_input: Tensor, keep: Collection[str] = ()
) -> ChannelGraph:
    """Which channels of the network depend on each other.

    torch.export writes the network down as a graph of tensor operations. The graph is run once
    with channel numbers in place of values: a convolution makes new numbers, an addition ties the
    numbers of its two sides, a concatenation puts them one after the other.
    example_input: one batch, [N, C, H, W]. keep: names of layers whose output channels stay.
    Raises ValueError naming the layer whose operation cannot be followed or whose weights are
    shared; the network's input and output channels always stay.
    Source: Fang et al. 2023, "DepGraph: Towards Any Structural Pruning". Taught in chapter 08.
    """
    _check_no_masks(model)
    _check_nothing_is_shared(model)
    program = _exported(model, example_input)
    tracer = ChannelTracer(program.graph_module, keep)
    tracer.run(*_inputs(program))
    check_layer_names(keep, [place.layer for place in tracer.places if place.role == MAKES], "keep")
    tracer.check_all_followed()
    for place in tracer.places:
        place.numbers = tracer.numbers.leaders(place.numbers)
    outputs = tree_leaves(program.graph.output_node().args)
    shapes = [tuple(node.meta["val"].shape) for node in outputs if isinstance(node, fx.Node)]
    return ChannelGraph(tracer.places, len(tracer.numbers.leader), tracer.weights, shapes)


def _exported(model: nn.Module, example_input: Tensor) -> torch.export.ExportedProgram:
    X = example_input.detach()[:1]
    try:
        return torch.export.export(copy.deepcopy(model).eval(), (X,), strict=False)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{type(model).__name__} cannot be traced with an input of {list(X.shape)}: {reason}"
        ) from error


def _inputs(program: torch.export.ExportedProgram) -> list[object]:
    """One argument for each placeholder: parameters by name, the image as KEPT numbers."""
    signature = program.graph_signature
    names = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    inputs = []
    for node in program.graph.nodes:
        if node.op == "placeholder":
            shape = tuple(node.meta["val"].shape)
            stored = Stored(names[node.name], shape) if node.name in names else None
            inputs.append(stored or torch.full((), KEPT).expand(shape))
    return inputs


def _check_no_masks(model: nn.Module) -> None:
    for name, part in model.named_modules():
        if parametrize.is_parametrized(part):
            raise ValueError(f"{name} wears a mask: make_permanent or remove_masks come first")


def _check_nothing_is_shared(model: nn.Module) -> None:
    first: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        other = first.setdefault(id(parameter), name)
        if other != name:
            raise ValueError(
                f"{name} and {other} are the same tensor: channels of shared weights "
                "cannot be removed"
            )
