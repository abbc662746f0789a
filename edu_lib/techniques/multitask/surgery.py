"""Gradient surgery: cut away what one task's gradient takes from another task."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from edu_lib.techniques.multitask.tasks import flatten, task_gradients


def pcgrad(
    losses: dict[str, Tensor],
    parameters: Iterable[nn.Parameter],
    generator: torch.Generator | None = None,
) -> list[Tensor | None]:
    """The sum of the task gradients after projecting away their conflicts (PCGrad).

    losses: {task: scalar loss}. parameters: the shared ones, or all of a network. A parameter that
    only one task reaches (its head) cannot conflict: it keeps that task's gradient.
    generator: a CPU generator for the order of the projections; None is torch's own.
    Returns one gradient a parameter, of its shape; None where no task reaches it. No parameter's
    .grad changes, and the graph of the losses stays usable.
    Raises ValueError for a loss that is no scalar, a frozen parameter, or a task that reaches none.
    Source: Yu et al. 2020, "Gradient Surgery for Multi-Task Learning", algorithm 1. Taught in
    chapter 12.
    """
    parameters = list(parameters)
    gradients = list(task_gradients(losses, parameters).values())
    # Without surgery: g = sum_i g_i
    summed = [_sum_found(found) for found in zip(*gradients, strict=True)]
    reached = [sum(g is not None for g in found) for found in zip(*gradients, strict=True)]
    shared = [index for index, count in enumerate(reached) if count > 1]
    if shared:
        vectors = [
            flatten([gradient[i] for i in shared], [parameters[i] for i in shared])
            for gradient in gradients
        ]
        # On what tasks share: g = sum_i g_i^PC
        total = sum(project_conflicts(vectors, generator))
        pieces = total.split([parameters[i].numel() for i in shared])
        for index, piece in zip(shared, pieces, strict=True):
            summed[index] = piece.view_as(parameters[index])
    return summed


def pcgrad_backward(
    losses: dict[str, Tensor],
    parameters: Iterable[nn.Parameter],
    generator: torch.Generator | None = None,
) -> None:
    """In place of total.backward(): put the gradients of pcgrad into .grad of the parameters.

    What was in .grad is replaced, not added to. Pass the heads' parameters too, or else they get
    no gradient. Arguments, errors and source as for pcgrad. Taught in chapter 12.
    """
    parameters = list(parameters)
    for parameter, gradient in zip(parameters, pcgrad(losses, parameters, generator), strict=True):
        parameter.grad = gradient if gradient is None else gradient.clone()


def project_conflicts(
    vectors: list[Tensor], generator: torch.Generator | None = None
) -> list[Tensor]:
    """Each task's gradient vector, projected onto the normal plane of those it conflicts with.

    vectors: T gradients [P], left as they are. Returns T new vectors [P].
    Source: Yu et al. 2020, algorithm 1. Taught in chapter 12.
    """
    projected = []
    for i, g_i in enumerate(vectors):
        g = g_i.clone()
        for j in torch.randperm(len(vectors), generator=generator).tolist():
            dot = g @ vectors[j]
            if j != i and dot < 0:
                # g_i^PC <- g_i^PC - (g_i^PC . g_j) / ||g_j||^2 g_j
                g -= dot / (vectors[j] @ vectors[j]) * vectors[j]
        projected.append(g)
    return projected


def _sum_found(gradients: tuple[Tensor | None, ...]) -> Tensor | None:
    found = [gradient for gradient in gradients if gradient is not None]
    return torch.stack(found).sum(0) if found else None
