"""Attention transfer: the student learns to look where the teacher looks.

Source: Zagoruyko, Komodakis 2017, "Paying More Attention to Attention". Chapter 11.
"""

import torch.nn.functional as F
from torch import Tensor

from edu_lib.techniques.distillation.checks import at_least_float32


def attention_map(features: Tensor) -> Tensor:
    """Where a layer is active: features [N, C, H, W] to one map [N, H, W] of length 1 an image.

    Raises ValueError for features of another form.
    Source: Zagoruyko, Komodakis 2017 (the sum of squared activations). Taught in chapter 11.
    """
    if features.dim() != 4:
        raise ValueError(
            f"attention needs features [N, C, H, W], got shape {tuple(features.shape)}: "
            "tap a convolution"
        )
    # Q = sum_c A_c^2, then Q / ||Q||_2
    Q = at_least_float32(features).square().sum(dim=1)
    return F.normalize(Q.flatten(1), dim=1).view_as(Q)


def attention_loss(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    """Half the squared distance between the two attention maps, the mean over the images.

    Features [N, C, H, W]: the channels may differ, the size of the maps may not. Returns a scalar
    from 0 (they look at the same place) to 1 (at places that share nothing); it is 1 minus the
    cosine of the maps. The square, as in the authors' code and unlike the paper's formula, has a
    gradient where the maps are equal. The teacher gets no gradient.
    Raises ValueError for maps of different sizes or features of another form.
    Source: Zagoruyko, Komodakis 2017. Taught in chapter 11.
    """
    own, target = attention_map(student_features), attention_map(teacher_features.detach())
    if own.shape != target.shape:
        raise ValueError(
            f"the student's maps {tuple(own.shape)} and the teacher's {tuple(target.shape)} "
            "differ in [N, H, W]: tap two layers whose maps have the same size"
        )
    # L = 1/2 ||Q_S / ||Q_S|| - Q_T / ||Q_T|| ||^2
    return (own - target).square().flatten(1).sum(dim=1).mean() / 2
