"""Learning numbers (a depth, a steering angle) from a teacher that says them. Chapter 11."""

from torch import Tensor

from edu_lib.techniques.distillation.checks import (
    at_least_float32,
    check_alpha,
    check_same_shape,
    check_weight,
)


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
    _check(prediction, teacher_prediction, y)
    s, t = at_least_float32(prediction), teacher_prediction.detach()
    # L = alpha |s - t| + (1 - alpha) |s - y|
    return (alpha * (s - t).abs() + (1 - alpha) * (s - y).abs()).mean()


def teacher_bounded_loss(
    prediction: Tensor, teacher_prediction: Tensor, y: Tensor, margin: float = 0.0
) -> Tensor:
    """The squared error, where the student is not better than its teacher by `margin`; else 0.

    Shapes as in `regression_distillation_loss`. The teacher is no target here but a bound: it may
    be wrong, and then it must not pull the student away from the labels. margin: in squared units.
    Raises ValueError for shapes that differ or a negative margin.
    Source: Chen et al. 2017, "Learning Efficient Object Detection Models with Knowledge
    Distillation", section 3.3. Taught in chapter 11.
    """
    check_weight(margin, "margin")
    _check(prediction, teacher_prediction, y)
    error = (at_least_float32(prediction) - y).square()
    bound = (teacher_prediction.detach() - y).square()
    # L_b = (s - y)^2 if (s - y)^2 + m > (t - y)^2, else 0
    return (error * (error + margin > bound)).mean()


def _check(prediction: Tensor, teacher_prediction: Tensor, y: Tensor) -> None:
    check_same_shape(prediction, teacher_prediction, "predictions")
    if prediction.shape != y.shape:
        raise ValueError(
            f"predictions of shape {tuple(prediction.shape)} need labels of the same shape, "
            f"got {tuple(y.shape)}"
        )
