"""A small network learns from a large one: from its answers, its features, or where it looks.

The losses are functions of two outputs. `Distilled` and `distillation_objective` carry them into
a training:

    edu.fit(Distilled(student, teacher), X, y, loss=distillation_objective(), ...)

Taught in chapter 11.
"""

from edu_lib.techniques.distillation.attention import attention_loss, attention_map
from edu_lib.techniques.distillation.class_bias import (
    BiasCorrected,
    bias_correction,
    correct_bias,
)
from edu_lib.techniques.distillation.distilled import Distilled, Taught
from edu_lib.techniques.distillation.feature_tap import FeatureTap
from edu_lib.techniques.distillation.hints import hint_loss, hint_regressor
from edu_lib.techniques.distillation.objective import distillation_objective, hint_objective
from edu_lib.techniques.distillation.regression import (
    regression_distillation_loss,
    teacher_bounded_loss,
)
from edu_lib.techniques.distillation.self_distillation import Ensemble, born_again
from edu_lib.techniques.distillation.soft_targets import distillation_loss, soft_target_loss

__all__ = [
    "BiasCorrected",
    "Distilled",
    "Ensemble",
    "FeatureTap",
    "Taught",
    "attention_loss",
    "attention_map",
    "bias_correction",
    "born_again",
    "correct_bias",
    "distillation_loss",
    "distillation_objective",
    "hint_loss",
    "hint_objective",
    "hint_regressor",
    "regression_distillation_loss",
    "soft_target_loss",
    "teacher_bounded_loss",
]
