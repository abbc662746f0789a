"""What every method here asks of its tasks and losses, and each task's own gradient."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


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
