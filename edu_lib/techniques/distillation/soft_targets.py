"""Soft targets: the student learns the teacher's whole distribution, not its best guess.

Source: Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network". Chapter 11.
"""

import torch.nn.functional as F
from torch import Tensor

from edu_lib.techniques.distillation.checks import (
    at_least_float32,
    check_alpha,
    check_labels,
    check_same_shape,
    check_temperature,
)


def soft_target_loss(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float = 4.0
) -> Tensor:
    """T^2 times the divergence from the teacher's softened distribution to the student's.

    Logits [N, C], or [N, C, H, W] for segmentation, both alike. Returns a scalar: the mean over all
    images and pixels of the sum over the classes. That is kl_div's `batchmean` for [N, C]; `mean`
    would divide by C too, and `batchmean` of [N, C, H, W] would sum over the pixels.
    The gradient by a student logit is T (q_i - p_i) / N, and (z_i - v_i) / (N C) for a high T and
    logits of mean 0: T^2 keeps it from fading as T grows. The entropy of the teacher, which no
    gradient sees, is left out of the paper's cross-entropy, so that 0 means equal.
    The teacher gets no gradient. Raises ValueError for other shapes or a temperature not above 0.
    Source: Hinton et al. 2015, sections 2 and 2.1. Taught in chapter 11.
    """
    check_temperature(temperature)
    check_same_shape(student_logits, teacher_logits, "logits")
    z = at_least_float32(student_logits) / temperature
    v = at_least_float32(teacher_logits.detach()) / temperature
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

    Logits [N, C] with labels y [N], or [N, C, H, W] with [N, H, W]. Returns a scalar. The labels'
    part is computed at temperature 1. alpha: the paper found a far smaller weight on the labels
    best; 1 learns from the teacher alone, 0 is ordinary training.
    Raises ValueError for other shapes, a temperature not above 0 or an alpha outside [0, 1].
    Source: Hinton et al. 2015, section 2. Taught in chapter 11.
    """
    check_alpha(alpha)
    check_labels(student_logits, y)
    soft = soft_target_loss(student_logits, teacher_logits, temperature)
    hard = F.cross_entropy(at_least_float32(student_logits), y.long())
    # L = alpha T^2 KL(p, q) + (1 - alpha) H(y, q at T = 1)
    return alpha * soft + (1 - alpha) * hard
