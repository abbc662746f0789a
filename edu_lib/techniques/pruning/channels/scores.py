"""Which channels matter least? A criterion gives every channel a score; the lowest go."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from edu_lib.techniques.pruning.channels.graph import (
    CARRIES,
    MAKES,
    READS,
    ChannelGraph,
    Place,
)
from edu_lib.techniques.pruning.criteria import Loss, each_loss, gradients

CRITERIA = ("l1", "taylor", "batchnorm")
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
ChannelCriterion = Callable[[nn.Module, ChannelGraph], Tensor]


def channel_scores(
    model: nn.Module,
    graph: ChannelGraph,
    criterion: str | ChannelCriterion = "l1",
    loss: Loss | None = None,
) -> Tensor:
    """The score of each channel number, float [graph.num_numbers]; low scores go first.

    criterion: "l1", "taylor" (needs `loss`), "batchnorm", or a function of the model and graph.
    Raises ValueError for another criterion, a missing loss or scores of another shape.
    """
    if callable(criterion):
        scores = criterion(model, graph)
    elif criterion == "l1":
        scores = l1_scores(model, graph)
    elif criterion == "batchnorm":
        scores = batchnorm_scores(model, graph)
    elif criterion == "taylor":
        if loss is None:
            raise ValueError('criterion "taylor" needs loss=, a function from a model to its loss')
        scores = taylor_scores(model, graph, loss)
    else:
        raise ValueError(f"criterion is one of {', '.join(CRITERIA)}, got {criterion!r}")
    if scores.shape != (graph.num_numbers,):
        raise ValueError(f"one score a number: {graph.num_numbers}, got {tuple(scores.shape)}")
    return scores.detach().float().cpu()


def l1_scores(model: nn.Module, graph: ChannelGraph) -> Tensor:
    """The sum of |w| over the filter that makes a channel, 1 being the mean of its group.

    Where several layers make it (skip connections) the mean of their sums. Layers differ in the
    size of their weights: divided by the group's mean, one threshold fits all.
    Source: Li et al. 2017, "Pruning Filters for Efficient ConvNets". Taught in chapter 08.
    """
    total, count = _zeros(graph), _zeros(graph)
    for place in graph.places:
        if place.role == MAKES:
            # s_c = sum over the weights of filter c of |w|
            norms = model.get_parameter(place.parameter).detach().abs().flatten(1).sum(1)
            total.index_add_(0, place.numbers, norms.cpu().float())
            count.index_add_(0, place.numbers, torch.ones(len(norms)))
    scores = total / count.clamp(min=1)
    for group in graph.groups:
        scores[group.numbers] /= scores[group.numbers].mean().clamp(min=1e-12)
    return scores


def batchnorm_scores(model: nn.Module, graph: ChannelGraph) -> Tensor:
    """|gamma|, the factor by which batch norm scales a channel; the mean where it meets several.

    Says something after a training with `slimming_penalty`, which pulls factors to 0.
    Raises ValueError if channels meet no batch norm.
    Source: Liu et al. 2017, "Learning Efficient Convolutional Networks through Network Slimming".
    Taught in chapter 08.
    """
    total, count = _zeros(graph), _zeros(graph)
    for place in graph.places:
        if _is_scale(model, place):
            gamma = model.get_parameter(place.parameter).detach().abs()
            total.index_add_(0, place.numbers, gamma.cpu().float())
            count.index_add_(0, place.numbers, torch.ones(len(gamma)))
    for group in graph.groups:
        if (count[group.numbers] == 0).any():
            makers = ", ".join(group.layers(MAKES))
            raise ValueError(
                f'no batch norm scales the channels of {makers}: take "l1" or "taylor"'
            )
    return total / count.clamp(min=1)


def slimming_penalty(model: nn.Module) -> Tensor:
    """The sum of |gamma| over all batch norms, a scalar: add a small share of it to the loss.

    Raises ValueError if the model has no batch norm. Source: Liu et al. 2017.
    """
    scales = [
        part.weight.abs().sum()
        for part in model.modules()
        if isinstance(part, BATCH_NORMS) and part.weight is not None
    ]
    if not scales:
        raise ValueError(f"{type(model).__name__} has no batch norm to make sparse")
    return torch.stack(scales).sum()


def taylor_scores(model: nn.Module, graph: ChannelGraph, loss: Loss) -> Tensor:
    """(dL/dz)^2 for a gate z = 1 on each channel: what the loss would feel of its removal.

    loss: takes a model; returns the scalar loss of a batch, or yields one for each of several, over
    which the squares are averaged. It sees a copy in evaluation mode.
    The gate stands where the channel is read, which is why the reading weights tell its gradient.
    Source: Molchanov et al. 2019, "Importance Estimation for Neural Network Pruning".
    Taught in chapter 08.
    """
    copied = copy.deepcopy(model).eval()
    readers = [place for place in graph.places if place.role == READS]
    weights = [copied.get_parameter(place.parameter) for place in readers]
    scores, num_losses = _zeros(graph), 0
    for value in each_loss(loss, copied):
        gate_gradient = _zeros(graph)
        for place, weight, gradient in zip(
            readers, weights, gradients(value, weights), strict=True
        ):
            # y = sum_c w_c (z_c x_c)  =>  dL/dz_c = sum of w dL/dw over the weights that read c
            felt = (weight.detach() * gradient).movedim(1, 0).flatten(1).sum(1)
            gate_gradient.index_add_(0, place.numbers, felt.cpu().float())
        scores += gate_gradient.square()
        num_losses += 1
    return scores / num_losses


def _zeros(graph: ChannelGraph) -> Tensor:
    return torch.zeros(graph.num_numbers)


def _is_scale(model: nn.Module, place: Place) -> bool:
    part = model.get_submodule(place.layer)
    is_weight = place.parameter.endswith(".weight") or place.parameter == "weight"
    return place.role == CARRIES and is_weight and isinstance(part, BATCH_NORMS)
