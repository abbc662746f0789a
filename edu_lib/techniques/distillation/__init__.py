"""A small network learns from a large one: from its answers, its features, or where it looks.

The losses are functions of two outputs. `Distilled` and `distillation_objective` carry them into
a training:

    edu.fit(Distilled(student, teacher), X, y, loss=distillation_objective(), ...)

Taught in chapter 11.
"""

from edu_lib.techniques.distillation.class_bias import (
    BiasCorrected,
    bias_correction,
    correct_bias,
)
from edu_lib.techniques.distillation.distilled import (
    DistillationOutput,
    Distilled,
    Ensemble,
    born_again,
    distillation_objective,
    hint_objective,
)
from edu_lib.techniques.distillation.features import (
    FeatureTap,
    attention_loss,
    attention_map,
    hint_loss,
    hint_regressor,
)
from edu_lib.techniques.distillation.losses import (
    distillation_loss,
    regression_distillation_loss,
    soft_target_loss,
)

__all__ = [
    "BiasCorrected",
    "DistillationOutput",
    "Distilled",
    "Ensemble",
    "FeatureTap",
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
]
