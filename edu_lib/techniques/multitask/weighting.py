"""Fixed task weights, and the grid in which a search looks for good ones."""

import itertools
import math
import random
from collections.abc import Iterable, Mapping

from torch import Tensor

from edu_lib.techniques.multitask.tasks import check_losses, check_names, check_tasks


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
