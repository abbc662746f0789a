"""Each task's own gradient: do they pull the same way, and what PCGrad cuts away. Chapter 12."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edu_lib.techniques.multitask.weighting import check_losses


def task_gradients(
    losses: dict[str, Tensor], parameters: Iterable[nn.Parameter]
) -> dict[str, list[Tensor | None]]:
    """The gradient of each task's loss by each parameter, one backward pass a task.

    Returns {task: gradients}, in the order of parameters; None where a task does not reach a
    parameter. No parameter's .grad changes, and the graph of the losses stays usable.
    Raises ValueError if a parameter is frozen, there is none, or a task reaches none of them.
    Taught in chapter 12.
    """
    check_losses(losses)
    parameters = list(parameters)
    if not parameters:
        raise ValueError("no parameters given: pass those that the tasks share")
    if not all(parameter.requires_grad for parameter in parameters):
        raise ValueError("a parameter is frozen: pass only those with requires_grad=True")
    gradients = {}
    for task, loss in losses.items():
        found = [None]
        if loss.requires_grad:
            # g_t = dL_t / d(theta)
            found = list(
                torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            )
        if all(gradient is None for gradient in found):
            raise ValueError(f"the loss of {task!r} does not depend on any of the parameters")
        gradients[task] = found
    return gradients


def flatten(gradients: list[Tensor | None], parameters: list[nn.Parameter]) -> Tensor:
    """One vector [P] of the gradients by all parameters; zeros where a gradient is None."""
    return torch.cat(
        [
            (torch.zeros_like(parameter) if gradient is None else gradient).flatten()
            for gradient, parameter in zip(gradients, parameters, strict=True)
        ]
    )


@dataclass(repr=False)
class Conflict:
    """How the gradients of T tasks stand to each other. Taught in chapter 12.

    cosines: float [T, T], from -1 (opposed) over 0 (unrelated) to 1 (the same way); nan for a task
    whose gradient is 0. norms: float [T], the length of each task's gradient.
    """

    tasks: list[str]
    cosines: Tensor
    norms: Tensor

    def pairs_apart(self) -> list[tuple[str, str, float]]:
        """The pairs (task, task, cosine) with a cosine below 0, the worst first."""
        pairs = [
            (self.tasks[i], self.tasks[j], self.cosines[i, j].item())
            for i in range(len(self.tasks))
            for j in range(i + 1, len(self.tasks))
        ]
        return sorted((pair for pair in pairs if pair[2] < 0), key=lambda pair: pair[2])

    def __repr__(self) -> str:
        left = max(map(len, [*self.tasks, "cosine"]))
        widths = [max(len(task), 5) for task in self.tasks]

        def line(name: str, cells: list[str]) -> str:
            padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
            return "  ".join([name.ljust(left), *padded]).rstrip()

        header = line("cosine", self.tasks)
        rows = [
            line(task, ["-" if math.isnan(cosine) else f"{cosine:+.2f}" for cosine in row])
            for task, row in zip(self.tasks, self.cosines.tolist(), strict=True)
        ]
        norms = line("norm", [f"{norm:.3g}" for norm in self.norms.tolist()])
        rule = "-" * len(header)
        return "\n".join([header, rule, *rows, rule, norms, self._verdict()])

    def _verdict(self) -> str:
        apart = [f"{a} and {b} ({cosine:+.2f})" for a, b, cosine in self.pairs_apart()]
        if not apart:
            return "No pair pulls apart: no cosine is below 0."
        return f"Pull apart (cosine below 0): {', '.join(apart)}."


def gradient_conflict(losses: dict[str, Tensor], parameters: Iterable[nn.Parameter]) -> Conflict:
    """Cosines between the task gradients, and their norms.

    losses: {task: scalar loss}. parameters: those the tasks share; the parameters of a head would
    add to one task's norm alone and so pull its cosines towards 0.
    No parameter's .grad changes, and the graph of the losses stays usable.
    Raises ValueError for a loss that is no scalar, a frozen parameter, or a task that reaches none.
    Source: Yu et al. 2020, definition 1. Taught in chapter 12.
    """
    parameters = list(parameters)
    gradients = task_gradients(losses, parameters)
    G = torch.stack([flatten(gradients[task], parameters).float() for task in losses]).cpu()
    norms = G.norm(dim=1)
    # cos(i, j) = g_i . g_j / (||g_i|| ||g_j||)
    unit = G / norms[:, None]
    cosines = (unit @ unit.T).clamp(-1, 1)
    return Conflict(list(losses), cosines, norms)


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
