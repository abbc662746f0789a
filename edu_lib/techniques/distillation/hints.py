"""Hints: a layer of the student learns what a layer of the teacher puts out.

Source: Romero et al. 2015, "FitNets: Hints for Thin Deep Nets", section 2.2. Chapter 11.
"""

from torch import Tensor, nn

from edu_lib.techniques.distillation.checks import at_least_float32, check_same_shape


def hint_loss(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    """Half the mean squared difference between the student's features and the teacher's.

    Features of any shape, both alike: where they differ, a `hint_regressor` comes first. Returns a
    scalar; the paper sums over the elements, the mean makes the loss independent of their number.
    The teacher gets no gradient. Raises ValueError for shapes that differ.
    Source: Romero et al. 2015, section 2.2. Taught in chapter 11.
    """
    check_same_shape(student_features, teacher_features, "features")
    difference = at_least_float32(student_features) - teacher_features.detach()
    # L_HT = 1/2 ||u_h - r(v_g)||^2
    return difference.square().mean() / 2


def hint_regressor(student_features: Tensor, teacher_features: Tensor) -> nn.Module:
    """A new layer that takes features of the student's shape to the teacher's, to be trained too.

    Features [N, C] make it linear. [N, C, H, W] make it a convolution without padding, with the
    kernel k = (student's size) - (teacher's size) + 1 in each direction: 1x1 for equal maps. Equal
    shapes need none: it is then nn.Identity.
    Raises ValueError for other shapes, or if the student's maps are the smaller ones.
    Source: Romero et al. 2015, section 2.2. Taught in chapter 11.
    """
    student, teacher = student_features.shape, teacher_features.shape
    if len(student) != len(teacher) or len(student) not in (2, 4):
        raise ValueError(
            "features must both be [N, C] or both [N, C, H, W], "
            f"got {tuple(student)} and {tuple(teacher)}"
        )
    if student[1:] == teacher[1:]:
        return nn.Identity()
    if len(student) == 2:
        return nn.Linear(student[1], teacher[1])
    # N_g - k + 1 = N_h
    kernel_size = (student[2] - teacher[2] + 1, student[3] - teacher[3] + 1)
    if min(kernel_size) < 1:
        raise ValueError(
            f"the student's maps ({student[2]}x{student[3]}) are smaller than the teacher's "
            f"({teacher[2]}x{teacher[3]}): take a hint from a later layer of the teacher"
        )
    return nn.Conv2d(student[1], teacher[1], kernel_size)
