"""A network that teaches its own kind, and several networks that speak as one. Chapter 11."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def born_again(
    build: Callable[[], nn.Module],
    train: Callable[[nn.Module, nn.Module | None], None],
    num_generations: int,
    seed: int = 0,
) -> list[nn.Module]:
    """Trains a network, then a new one of the same kind with the first as its teacher, and so on.

    build: makes an untrained network. train(student, teacher): trains the student in place; the
    first has no teacher (None) and learns from labels. Generation i starts from weights drawn from
    seed + i. Returns the generations, the eldest first; `Ensemble(generations)` joins them.
    Raises ValueError if num_generations is below 1, or build hands out the same network twice.
    Source: Furlanello et al. 2018, "Born-Again Neural Networks", section 3.1. Taught in chapter 11.
    """
    if num_generations < 1:
        raise ValueError(f"num_generations must be at least 1, got {num_generations}")
    generations: list[nn.Module] = []
    for generation in range(num_generations):
        with torch.random.fork_rng():
            torch.manual_seed(seed + generation)
            student = build()
        if any(student is elder for elder in generations):
            raise ValueError("build must make a new network each time, it gave the same one again")
        train(student, generations[-1] if generations else None)
        generations.append(student)
    return generations


class Ensemble(nn.Module):
    """Several networks as one: the mean of what they put out.

    For logits that is, up to a constant, the logarithm of the geometric mean of the distributions.
    Networks that return a dict may have different tasks: each task is averaged over those that have
    it, so that one teacher a task becomes one teacher for all.
    Raises ValueError for no network.
    Source: Hinton et al. 2015, section 1 (an ensemble's soft targets). Taught in chapter 11.
    """

    def __init__(self, models: Iterable[nn.Module]):
        super().__init__()
        self.models = nn.ModuleList(models)
        if len(self.models) == 0:
            raise ValueError("an ensemble needs at least one network")

    def forward(self, X: Tensor) -> Tensor | dict[str, Tensor]:
        outputs = [model(X) for model in self.models]
        if isinstance(outputs[0], Tensor):
            return torch.stack(outputs).mean(dim=0)
        tasks = {task: None for output in outputs for task in output}
        return {
            task: torch.stack([output[task] for output in outputs if task in output]).mean(dim=0)
            for task in tasks
        }
