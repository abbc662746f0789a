"""Which channels matter least, and how many of each group go."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from edu_lib.copies import copied
from edu_lib.techniques.pruning.channel_graph import (
    CARRIES,
    MAKES,
    NORMS,
    READS,
    ChannelGraph,
    Place,
)
from edu_lib.techniques.pruning.criteria import Loss, each_loss, gradients

IMPORTANCES = ("l1", "taylor", "batchnorm")
SCOPES = ("uniform", "global")
SEARCH_STEPS = 20
ChannelImportance = Callable[[nn.Module, ChannelGraph], Tensor]


def channel_scores(
    model: nn.Module,
    graph: ChannelGraph,
    importance: str | ChannelImportance = "l1",
    loss: Loss | None = None,
) -> Tensor:
    """The score of each channel number, float [graph.num_numbers]; low scores go first.

    importance: "l1", "taylor" (needs `loss`), "batchnorm", or a function of the model and graph.
    Raises ValueError for another importance, a missing loss or scores of another shape.
    Taught in chapter 08.
    """
    if callable(importance):
        scores = importance(model, graph)
    elif importance == "l1":
        scores = l1_scores(model, graph)
    elif importance == "batchnorm":
        scores = batchnorm_scores(model, graph)
    elif importance == "taylor":
        if loss is None:
            raise ValueError('importance "taylor" needs loss=, a function from a model to its loss')
        scores = taylor_scores(model, graph, loss)
    else:
        raise ValueError(f"importance is one of {', '.join(IMPORTANCES)}, got {importance!r}")
    if scores.shape != (graph.num_numbers,):
        raise ValueError(f"one score a number: {graph.num_numbers}, got {tuple(scores.shape)}")
    return scores.detach().float().cpu()


def l1_scores(model: nn.Module, graph: ChannelGraph) -> Tensor:
    """The sum of |w| over the filter that makes a channel, 1 being the mean of its group.

    Where several layers make it (skip connections) the mean of their sums. Layers differ in the
    size of their weights: divided by the group's mean, one threshold fits all.
    Source: Li et al. 2017, "Pruning Filters for Efficient ConvNets". Taught in chapter 08.
    """
    # s_c = sum over the weights of filter c of |w|
    norms = [
        (place, _by_channel(model.get_parameter(place.parameter).detach().abs(), place))
        for place in graph.places
        if place.role == MAKES
    ]
    total, count = _summed(graph, norms)
    scores = total / count.clamp(min=1)
    for group in graph.groups:
        scores[group.numbers] /= scores[group.numbers].mean().clamp(min=1e-12)
    return scores


def batchnorm_scores(model: nn.Module, graph: ChannelGraph) -> Tensor:
    """|gamma|, the factor by which batch norm scales a channel; the mean where it meets several.

    Says something after a training with a share of the sum of |gamma| in its loss, which pulls
    factors to 0. Raises ValueError if channels meet no batch norm.
    Source: Liu et al. 2017, "Learning Efficient Convolutional Networks through Network Slimming".
    Taught in chapter 08.
    """
    gammas = [
        (place, model.get_parameter(place.parameter).detach().abs())
        for place in graph.places
        if _is_scale(model, place)
    ]
    total, count = _summed(graph, gammas)
    for group in graph.groups:
        if (count[group.numbers] == 0).any():
            makers = ", ".join(group.layers(MAKES))
            raise ValueError(
                f'no batch norm scales the channels of {makers}: take "l1" or "taylor"'
            )
    return total / count.clamp(min=1)


def taylor_scores(model: nn.Module, graph: ChannelGraph, loss: Loss) -> Tensor:
    """(dL/dz)^2 for a gate z = 1 on each channel: what the loss would feel of its removal.

    loss: takes a model; returns the scalar loss of a batch, or yields one for each of several, over
    which the squares are averaged. It sees a copy in evaluation mode.
    The gate stands where the channel is read, which is why the reading weights tell its gradient.
    Source: Molchanov et al. 2019, "Importance Estimation for Neural Network Pruning".
    Taught in chapter 08.
    """
    scored = copied(model).eval()
    readers = [place for place in graph.places if place.role == READS]
    weights = [scored.get_parameter(place.parameter) for place in readers]
    scores, num_losses = torch.zeros(graph.num_numbers), 0
    for value in each_loss(loss, scored):
        # y = sum_c w_c (z_c x_c)  =>  dL/dz_c = sum of w dL/dw over the weights that read c
        felt = [
            (place, _by_channel(weight.detach() * gradient, place))
            for place, weight, gradient in zip(
                readers, weights, gradients(value, weights), strict=True
            )
        ]
        scores += _summed(graph, felt)[0].square()
        num_losses += 1
    return scores / num_losses


def _by_channel(weight: Tensor, place: Place) -> Tensor:
    """The sum over all entries of each index of the place's dimension."""
    return weight.movedim(place.dim, 0).flatten(1).sum(1)


def _summed(graph: ChannelGraph, found: list[tuple[Place, Tensor]]) -> tuple[Tensor, Tensor]:
    """For each number the sum of what was found at its places, and how much was found."""
    total, count = torch.zeros(graph.num_numbers), torch.zeros(graph.num_numbers)
    for place, values in found:
        total.index_add_(0, place.numbers, values.cpu().float())
        count.index_add_(0, place.numbers, torch.ones(len(values)))
    return total, count


def _is_scale(model: nn.Module, place: Place) -> bool:
    part = model.get_submodule(place.layer)
    is_weight = place.parameter.rpartition(".")[2] == "weight"
    return place.role == CARRIES and is_weight and isinstance(part, NORMS)


def choose_by_ratio(
    graph: ChannelGraph,
    scores: Tensor,
    ratio: float,
    scope: str = "uniform",
    round_to: int = 1,
    widths: Sequence[int] | None = None,
) -> Tensor:
    """The channel numbers that go, bool [graph.num_numbers].

    ratio: share of the channels, of each group ("uniform") or of all together ("global").
    widths: channels of each group that the ratio refers to; None: as they are now.
    What is left of a group is rounded up to a multiple of `round_to`, at least one multiple.
    """
    widths = [len(group) for group in graph.groups] if widths is None else widths
    if scope == "uniform":
        left = [width * (1 - ratio) for width in widths]
    else:
        left = _above_one_threshold(graph, scores, sum(widths) * (1 - ratio))
    removed = graph.none_removed()
    for group, wanted in zip(graph.groups, left, strict=True):
        num_kept = min(len(group), _round_up(wanted, round_to))
        ascending = scores[group.numbers].argsort(stable=True)
        removed[group.numbers[ascending[: len(group) - num_kept]]] = True
    return removed


def choose_by_macs(
    graph: ChannelGraph, choose: Callable[[float], Tensor], most_macs: float
) -> Tensor:
    """The smallest removal that leaves at most `most_macs`.

    choose: from a ratio to the numbers that go. A larger ratio never leaves more MACs, so that the
    right one is found by halving. Raises ValueError if the MACs cannot get so low.
    """
    if graph.macs(choose(0.0)) <= most_macs:
        return choose(0.0)
    enough_ratio, too_small_ratio = 1.0, 0.0
    best = choose(enough_ratio)
    if graph.macs(best) > most_macs:
        raise ValueError(
            f"{most_macs:,.0f} MACs are out of reach: with the fewest channels "
            f"{graph.macs(best):,} are left"
        )
    for _ in range(SEARCH_STEPS):
        middle = (enough_ratio + too_small_ratio) / 2
        removed = choose(middle)
        if graph.macs(removed) <= most_macs:
            enough_ratio, best = middle, removed
        else:
            too_small_ratio = middle
    return best


def _above_one_threshold(graph: ChannelGraph, scores: Tensor, num_kept: float) -> list[int]:
    """How many channels of each group are among the `num_kept` best of all groups."""
    together = torch.cat([scores[group.numbers] for group in graph.groups])
    descending = together.argsort(descending=True, stable=True)
    is_kept = torch.zeros(len(together), dtype=torch.bool)
    is_kept[descending[: math.ceil(num_kept - 1e-9)]] = True
    return [int(part.sum()) for part in is_kept.split([len(group) for group in graph.groups])]


def _round_up(wanted: float, round_to: int) -> int:
    """The next multiple; one multiple at least, since a layer of no channels ends the network."""
    return round_to * max(1, math.ceil(wanted / round_to - 1e-9))
