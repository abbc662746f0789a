"""Do the tasks pull the shared weights the same way?"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edu_lib.techniques.multitask.tasks import flatten, task_gradients


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
