"""One network, several tasks: how their losses are weighted and how their gradients meet.

A network hands out {task: output}, a loss function makes of it {task: scalar loss}, and what
stands here turns those losses into one update of the shared weights. Taught in chapter 12.
"""

from edu_lib.techniques.multitask.gradients import (
    Conflict,
    gradient_conflict,
    pcgrad,
    pcgrad_backward,
)
from edu_lib.techniques.multitask.weighting import (
    UncertaintyWeighting,
    search_weights,
    weighted_sum,
)

__all__ = [
    "Conflict",
    "UncertaintyWeighting",
    "gradient_conflict",
    "pcgrad",
    "pcgrad_backward",
    "search_weights",
    "weighted_sum",
]
