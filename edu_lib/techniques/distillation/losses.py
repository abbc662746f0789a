"""What the outputs of student, teacher and labels cost: soft targets, hard labels, numbers.

Source: Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network". Chapter 11.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def soft_target_loss(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float = 4.0
) -> Tensor:
    """T^2 times the divergence from the teacher's softened distribution to the student's.

    Logits [N, C], or [N, C, H, W] for segmentation, both alike. One logit (C = 1) is that of a
    sigmoid. Returns a scalar: the mean over all images and pixels of the sum over the classes. That
    is kl_div's `batchmean` for [N, C]; `mean` would divide by C too, and `batchmean` of
    [N, C, H, W] would sum over the pixels.
    The gradient by a student logit is T (q_i - p_i) / N, and (z_i - v_i) / (N C) for a high T and
    logits of mean 0: T^2 keeps it from fading as T grows. The entropy of the teacher, which no
    gradient sees, is left out of the paper's cross-entropy, so that 0 means equal.
    The teacher gets no gradient. Raises ValueError for other shapes or a temperature not above 0.
    Source: Hinton et al. 2015, sections 2 and 2.1. Taught in chapter 11.
    """
    check_temperature(temperature)
    check_same_shape(student_logits, teacher_logits, "logits")
    check_logits(student_logits)
    z = class_logits(student_logits) / temperature
    v = class_logits(teacher_logits.detach()) / temperature
    # q_i = exp(z_i / T) / sum_j exp(z_j / T), p_i from v_i alike
    log_q, log_p = F.log_softmax(z, dim=1), F.log_softmax(v, dim=1)
    # KL(p, q) = sum_i p_i (log p_i - log q_i)
    divergence = (log_p.exp() * (log_p - log_q)).sum(dim=1)
    return temperature**2 * divergence.mean()


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    y: Tensor,
    temperature: float = 4.0,
    alpha: float = 0.9,
) -> Tensor:
    """alpha times the soft targets' loss, and 1 - alpha times the cross-entropy with the labels.

    Logits [N, C] with labels y [N], or [N, C, H, W] with [N, H, W]; for one logit (C = 1) the
    labels are 0 and 1. Returns a scalar. The labels' part is computed at temperature 1. alpha: the
    paper found a far smaller weight on the labels best; 1 learns from the teacher alone, 0 is
    ordinary training.
    Raises ValueError for other shapes, labels that are no integers, a temperature not above 0 or an
    alpha outside [0, 1].
    Source: Hinton et al. 2015, section 2. Taught in chapter 11.
    """
    check_alpha(alpha)
    hard = cross_entropy(student_logits, y)
    soft = soft_target_loss(student_logits, teacher_logits, temperature)
    # L = alpha T^2 KL(p, q) + (1 - alpha) H(y, q at T = 1)
    return alpha * soft + (1 - alpha) * hard


def regression_distillation_loss(
    prediction: Tensor, teacher_prediction: Tensor, y: Tensor, alpha: float = 0.5
) -> Tensor:
    """alpha times the mean distance to the teacher, and 1 - alpha times that to the labels.

    prediction, teacher_prediction, y: any shape, all alike, in the same unit. Returns a scalar, the
    mean over all elements. A regression has no temperature: the teacher gives a value, no
    distribution. What the teacher adds is where the labels are noisy, and where there are none
    (alpha 1). The teacher gets no gradient.
    Raises ValueError for shapes that differ or an alpha outside [0, 1]. Taught in chapter 11.
    """
    check_alpha(alpha)
    check_same_shape(prediction, teacher_prediction, "predictions")
    if prediction.shape != y.shape:
        raise ValueError(
            f"predictions of shape {tuple(prediction.shape)} need labels of the same shape, "
            f"got {tuple(y.shape)}"
        )
    s, t = at_least_float32(prediction), teacher_prediction.detach()
    # L = alpha |s - t| + (1 - alpha) |s - y|
    return (alpha * (s - t).abs() + (1 - alpha) * (s - y).abs()).mean()


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy of logits [N, C, ...] with labels y [N, ...] of any integer type.

    For one logit (C = 1) it is that of a sigmoid with labels 0 and 1. Raises ValueError for other
    shapes, or labels that are no integers.
    """
    check_labels(logits, y)
    return F.cross_entropy(class_logits(logits), y.long())


def class_logits(logits: Tensor) -> Tensor:
    """Logits [N, C, ...] in at least 32 bits; one logit z becomes two, 0 and z.

    softmax(0, z) = (1 - sigmoid(z), sigmoid(z)), where a softmax of z alone would always be 1.
    """
    logits = at_least_float32(logits)
    if logits.shape[1] > 1:
        return logits
    return torch.cat([torch.zeros_like(logits), logits], dim=1)


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


def check_logits(logits: Tensor) -> None:
    """Raises ValueError unless logits have the form [N, C, ...]."""
    if logits.dim() < 2:
        raise ValueError(f"logits must be [N, C] or [N, C, H, W], got {tuple(logits.shape)}")


def check_labels(logits: Tensor, y: Tensor) -> None:
    """Raises ValueError unless y has one class number for each position of logits [N, C, ...]."""
    check_logits(logits)
    expected = (len(logits), *logits.shape[2:])
    if tuple(y.shape) != expected:
        raise ValueError(
            f"logits of shape {tuple(logits.shape)} need labels of shape {expected}, "
            f"got {tuple(y.shape)}"
        )
    if y.is_floating_point() or y.is_complex():
        raise ValueError(
            f"labels must be class numbers of an integer type, got {y.dtype}: y.long() if they are "
            "whole numbers; probabilities need a hard_loss of your own"
        )


def at_least_float32(values: Tensor) -> Tensor:
    """The same values, in 32 bits if they came in 16."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
