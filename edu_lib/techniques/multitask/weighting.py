"""How much each task counts: fixed weights, a grid to search, or weights that are learned.

Taught in chapter 12.
"""

import itertools
import math
import random
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


def weighted_sum(losses: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """One loss of many: each task's loss times its fixed weight, summed.

    losses: {task: scalar loss}. weights: {task: weight}, the same tasks, in any order; a weight is
    at least 0, and one of them is more. Returns a scalar.
    Raises ValueError for a missing or unknown task, a negative weight, or weights that are all 0.
    Source: Kendall, Gal, Cipolla 2018, section 3 (the sum that the other methods improve on).
    Taught in chapter 12.
    """
    check_losses(losses)
    check_names(weights, losses, "weights")
    check_weights(weights)
    # L = sum_t w_t L_t
    return sum(weights[task] * loss for task, loss in losses.items())


def search_weights(
    tasks: Iterable[str],
    num_points: int,
    seed: int,
    smallest: float = 0.1,
    largest: float = 10.0,
) -> list[dict[str, float]]:
    """The grid of task weights that a grid search tries.

    The first task keeps weight 1, because only the ratios between weights matter. Each other task
    takes k values from smallest to largest, evenly spaced in the logarithm, in all combinations:
    k ** (T - 1) = num_points. Three tasks and 25 points give 5 values for each of two tasks.
    tasks: 2 or more names. seed: the order of the points, so that a search cut short has looked
    everywhere a little. Returns num_points dicts {task: weight}.
    Raises ValueError for fewer than 2 tasks, a num_points that is no such power of a k of at least
    2, or a range that does not hold 0 < smallest < largest.
    Source: Kendall, Gal, Cipolla 2018, section 3 (their search over weights). Taught in
    chapter 12.
    """
    fixed, *searched = check_tasks(tasks, at_least=2)
    if not 0 < smallest < largest < math.inf:
        raise ValueError(f"the range needs 0 < smallest < largest, got {smallest} and {largest}")
    num_values = _values_per_task(num_points, len(searched))
    # w_i = smallest * (largest / smallest) ^ (i / (k - 1)),  i = 0 .. k - 1
    values = [smallest * (largest / smallest) ** (i / (num_values - 1)) for i in range(num_values)]
    grid = [
        {fixed: 1.0, **dict(zip(searched, point, strict=True))}
        for point in itertools.product(values, repeat=len(searched))
    ]
    random.Random(seed).shuffle(grid)
    return grid


class UncertaintyWeighting(nn.Module):
    """Sums task losses with learned weights: the noisier a task, the smaller its weight.

    Each task has one trainable log-variance s = log(sigma^2), 0 at the start, and adds
        exp(-s) L + s / 2        for classification: sigma^2 is the temperature of the softmax
        exp(-s) L / 2 + s / 2    for regression: the log-likelihood of a Gaussian, L = squared error
    which are the paper's L / sigma^2 + log sigma and L / (2 sigma^2) + log sigma. An absolute
    error is no Gaussian's: a Laplace likelihood would give L / b + log b. As a regression task it
    takes the Gaussian form all the same, and s is then no true log-variance.

    With L held fixed, the best s makes every weighted loss 1/2: the weight becomes 1 / (2 L) in
    both forms. The total can go below 0.
    tasks: the names. regression_tasks: those of them that take the second form.
    Hand its parameters to the optimiser with the network's, without weight decay.
    Raises ValueError for no task, a name given twice, or an unknown regression task.
    Source: Kendall, Gal, Cipolla 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses for
    Scene Geometry and Semantics", section 3.2. Taught in chapter 12.
    """

    def __init__(self, tasks: Iterable[str], regression_tasks: Iterable[str] = ()) -> None:
        super().__init__()
        self.tasks = check_tasks(tasks)
        regression_tasks = check_tasks(regression_tasks, at_least=0)
        unknown = [task for task in regression_tasks if task not in self.tasks]
        if unknown:
            raise ValueError(f"regression_tasks names {unknown}, which are not in {self.tasks}")
        self.log_variances = nn.Parameter(torch.zeros(len(self.tasks)))
        scales = [0.5 if task in regression_tasks else 1.0 for task in self.tasks]
        self.register_buffer("scales", torch.tensor(scales), persistent=False)

    def forward(self, losses: dict[str, Tensor]) -> Tensor:
        """losses: {task: scalar loss}, the tasks of this module. Returns the scalar total."""
        check_losses(losses)
        check_names(losses, self.tasks, "losses")
        L = torch.stack([losses[task] for task in self.tasks])
        s = self.log_variances
        # total = sum_t c_t exp(-s_t) L_t + s_t / 2,  c_t = 1 for classification, 1/2 for regression
        return (self.scales * torch.exp(-s) * L + s / 2).sum()

    def weights(self) -> dict[str, float]:
        """{task: what its loss is multiplied by now}, c exp(-s)."""
        weights = self.scales * torch.exp(-self.log_variances.detach())
        return dict(zip(self.tasks, weights.tolist(), strict=True))


def check_tasks(tasks: Iterable[str], at_least: int = 1) -> list[str]:
    """The task names as a list.

    Raises ValueError for a bare string, fewer names than at_least, or a name given twice.
    """
    if isinstance(tasks, str):
        raise ValueError(f"tasks must be a list of names, got the string {tasks!r}")
    names = list(tasks)
    if len(names) < at_least:
        raise ValueError(f"at least {at_least} task(s) needed, got {names}")
    if len(set(names)) < len(names):
        raise ValueError(f"each task may be named once, got {names}")
    return names


def check_names(given: Iterable[str], expected: Iterable[str], what: str) -> None:
    """Raises ValueError that names the tasks missing from `given` and those unknown in it."""
    given, expected = list(given), list(expected)
    missing = [task for task in expected if task not in given]
    unknown = [task for task in given if task not in expected]
    if missing or unknown:
        raise ValueError(
            f"{what} must name exactly the tasks {expected}: missing {missing}, unknown {unknown}"
        )


def check_losses(losses: dict[str, Tensor]) -> None:
    """Raises ValueError unless losses is a dict of at least one task, each loss a scalar tensor."""
    if not isinstance(losses, dict) or not losses:
        raise ValueError("losses must be a dict {task: scalar loss} with at least one task")
    for task, loss in losses.items():
        if not isinstance(loss, Tensor) or loss.ndim != 0:
            shape = list(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise ValueError(f"the loss of {task!r} must be a scalar tensor, got {shape}")


def check_weights(weights: Mapping[str, float]) -> None:
    """Raises ValueError for a weight that is negative or not finite, or if all of them are 0."""
    for task, weight in weights.items():
        if not 0 <= weight < math.inf:
            raise ValueError(f"the weight of {task!r} must be 0 or more and finite, got {weight}")
    if not any(weights.values()):
        raise ValueError("all task weights are 0: give one task at least a weight above 0")


def _values_per_task(num_points: int, num_searched: int) -> int:
    num_values = round(max(num_points, 0) ** (1 / num_searched))
    if num_values < 2 or num_values**num_searched != num_points:
        examples = ", ".join(str(k**num_searched) for k in range(2, 6))
        raise ValueError(
            f"num_points must be k ** {num_searched} with k of at least 2 ({examples}, ...), "
            f"got {num_points}"
        )
    return num_values
