"""Losses as a training takes them: (output, y) -> scalar. Taught in chapter 11."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from edu_lib.techniques.distillation.attention import attention_loss
from edu_lib.techniques.distillation.checks import (
    at_least_float32,
    check_alpha,
    check_temperature,
    check_weight,
)
from edu_lib.techniques.distillation.distilled import Taught
from edu_lib.techniques.distillation.hints import hint_loss
from edu_lib.techniques.distillation.soft_targets import soft_target_loss

Output = Tensor | dict[str, Tensor]


def distillation_objective(
    temperature: float = 4.0,
    alpha: float = 0.9,
    *,
    hint_weight: float = 1.0,
    attention_weight: float = 1.0,
    soft_loss: Callable[[Output, Output], Tensor] | None = None,
    hard_loss: Callable[[Output, object], Tensor] | None = None,
) -> Callable[[Taught, object], Tensor]:
    """The loss with which a `Distilled` model is trained:

        alpha * soft + (1 - alpha) * hard + hint_weight * hints + attention_weight * attention

    soft is `soft_target_loss` at `temperature`, hard the cross-entropy with the labels; hints and
    attention are sums over the layers that the model was told, and 0 where it was told none.
    With alpha 1 no label is read. For a network that puts out something else than logits:
    soft_loss: (student's output, teacher's output) -> scalar, in place of the soft targets.
    hard_loss: (student's output, y) -> scalar, in place of the cross-entropy.
    Raises ValueError for a temperature not above 0, an alpha outside [0, 1] or a negative weight,
    and when called with the output of a model that is not `Distilled`.
    Source: Hinton et al. 2015, section 2. Taught in chapter 11.
    """
    check_temperature(temperature)
    check_alpha(alpha)
    check_weight(hint_weight, "hint_weight")
    check_weight(attention_weight, "attention_weight")

    def soft_targets(student: Tensor, teacher: Tensor) -> Tensor:
        return soft_target_loss(student, teacher, temperature)

    soft_loss, hard_loss = soft_loss or soft_targets, hard_loss or cross_entropy

    def loss(taught: Taught, y: object) -> Tensor:
        check_taught(taught)
        parts = [hint_weight * hint_loss(*pair) for pair in taught.hints]
        parts += [attention_weight * attention_loss(*pair) for pair in taught.attention]
        if alpha > 0:
            parts.append(alpha * soft_loss(taught.output, taught.teacher_output))
        if alpha < 1:
            parts.append((1 - alpha) * hard_loss(taught.output, y))
        return torch.stack(parts).sum()

    return loss


def hint_objective() -> Callable[[Taught, object], Tensor]:
    """The loss of a FitNet's first stage: hints alone, so that only what lies before them learns.

    The second stage is another training with `distillation_objective`. When it is called it raises
    ValueError for a model that is not `Distilled`, or was given no hints.
    Source: Romero et al. 2015, section 2.3. Taught in chapter 11.
    """

    def loss(taught: Taught, y: object) -> Tensor:
        check_taught(taught)
        if not taught.hints:
            raise ValueError("there are no hints: give Distilled hints={layer: teacher's layer}")
        return torch.stack([hint_loss(*pair) for pair in taught.hints]).sum()

    return loss


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy of logits [N, C, ...] with labels y [N, ...] of any integer type."""
    return F.cross_entropy(at_least_float32(logits), y.long())


def check_taught(taught: object) -> None:
    """Raises ValueError for anything but what a `Distilled` model puts out in training."""
    if not isinstance(taught, Taught):
        raise ValueError(
            f"this loss needs what a Distilled model puts out in training, got a "
            f"{type(taught).__name__}: train Distilled(student, teacher), not the student"
        )
