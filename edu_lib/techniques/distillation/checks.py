"""What every loss here asks of its arguments."""

import math

import torch
from torch import Tensor


def check_temperature(temperature: float) -> None:
    """Raises ValueError unless the temperature is above 0 and finite."""
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be above 0 and finite, got {temperature}")


def check_alpha(alpha: float) -> None:
    """Raises ValueError unless alpha, the share of the teacher's part, is in [0, 1]."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be in [0, 1], got {alpha}")


def check_weight(weight: float, name: str) -> None:
    """Raises ValueError unless the weight of a loss is 0 or more, and finite."""
    if not 0 <= weight < math.inf:
        raise ValueError(f"{name} must be 0 or more and finite, got {weight}")


def check_same_shape(student: Tensor, teacher: Tensor, what: str) -> None:
    """Raises ValueError unless student and teacher give tensors of one shape."""
    if student.shape != teacher.shape:
        raise ValueError(
            f"the student's {what} have shape {tuple(student.shape)}, the teacher's "
            f"{tuple(teacher.shape)}: the two must be the same"
        )


def check_labels(logits: Tensor, y: Tensor) -> None:
    """Raises ValueError unless y has one label for each position of logits [N, C, ...]."""
    expected = (len(logits), *logits.shape[2:])
    if tuple(y.shape) != expected:
        raise ValueError(
            f"logits of shape {tuple(logits.shape)} need labels of shape {expected}, "
            f"got {tuple(y.shape)}"
        )


def at_least_float32(values: Tensor) -> Tensor:
    """The same values, in 32 bits if they came in 16."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
