"""Carrying a plan out: channels set to zero, or taken out of every layer they pass."""

import copy

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from edu_lib.techniques.pruning.channels.graph import ChannelGraph, Place
from edu_lib.techniques.pruning.channels.plan import ChannelPlan

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def zero_channels(model: nn.Module, plan: ChannelPlan) -> nn.Module:
    """A copy in which all parameters of the plan's channels are zero; every shape stays.

    It computes what the network without these channels computes, at the full price.
    """
    zeroed = copy.deepcopy(model)
    with torch.no_grad():
        for place, kept in _kept(plan):
            if _is_parameter(zeroed, place):
                parameter = zeroed.get_parameter(place.parameter)
                parameter.index_fill_(place.dim, (~kept).nonzero()[:, 0].to(parameter.device), 0)
    return zeroed


def remove_channels(model: nn.Module, plan: ChannelPlan) -> nn.Module:
    """A smaller copy without the plan's channels: a plain model of the same classes."""
    smaller = copy.deepcopy(model)
    changed = set()
    for place, kept in _kept(plan):
        if not kept.all():
            _cut(smaller, place, kept.nonzero()[:, 0])
            changed.add(place.layer)
    for name in changed:
        _update_sizes(smaller.get_submodule(name))
    return smaller


def check_runs(model: nn.Module, example_input: Tensor, graph: ChannelGraph) -> None:
    """Raises ValueError unless the model gives outputs of the shapes that it gave before."""
    try:
        with torch.no_grad():
            outputs = copy.deepcopy(model).eval()(example_input.detach()[:1])
    except (RuntimeError, ValueError, IndexError) as error:
        raise ValueError(_written_size(model)) from error
    shapes = [tuple(each.shape) for each in tree_leaves(outputs)]
    if shapes != graph.output_shapes:
        raise ValueError(_written_size(model))


def _written_size(model: nn.Module) -> str:
    return (
        f"the forward of {type(model).__name__} has a number of channels written into it, such as "
        "X.view(-1, 400): write X.flatten(1), or take sizes from X.shape"
    )


def _kept(plan: ChannelPlan) -> list[tuple[Place, Tensor]]:
    return [(place, ~plan.removed[place.numbers]) for place in plan.graph.places]


def _is_parameter(model: nn.Module, place: Place) -> bool:
    part, attribute = model.get_submodule(place.layer), place.parameter.rpartition(".")[2]
    return attribute in part._parameters


def _cut(model: nn.Module, place: Place, indices: Tensor) -> None:
    """Leaves only these indices along the place's dimension of its parameter or buffer."""
    part, attribute = model.get_submodule(place.layer), place.parameter.rpartition(".")[2]
    old = getattr(part, attribute)
    cut = old.detach().index_select(place.dim, indices.to(old.device))
    if _is_parameter(model, place):
        cut = nn.Parameter(cut, requires_grad=old.requires_grad)
    setattr(part, attribute, cut)


def _update_sizes(part: nn.Module) -> None:
    """Sets the sizes that a layer states, such as out_channels, to those of its weights."""
    if isinstance(part, CONVOLUTIONS):
        if part.groups > 1 and part.groups == part.in_channels:  # depthwise: one group an input
            part.groups = part.groups * len(part.weight) // part.out_channels
        part.out_channels = len(part.weight)
        part.in_channels = part.weight.shape[1] * part.groups
    elif isinstance(part, nn.Linear):
        part.out_features, part.in_features = part.weight.shape
    elif isinstance(part, BATCH_NORMS):
        statistics = part.weight if part.affine else part.running_mean
        part.num_features = len(statistics)
    elif isinstance(part, nn.PReLU):
        part.num_parameters = len(part.weight)
