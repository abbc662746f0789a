"""Convolutions in two cheap steps instead of one dear one: in space, then across channels.

Blocks to build networks of, and `separate`, which rewrites a network that is already there.
Taught in chapter 07.
"""

from edu_lib.techniques.separable.approximate import relative_error, separable_from
from edu_lib.techniques.separable.blocks import (
    DepthwiseSeparable,
    ShuffledGroups,
    SpatiallySeparable,
    conv_norm,
)
from edu_lib.techniques.separable.depthwise import DepthwisePair
from edu_lib.techniques.separable.inverted import InvertedResidual, SqueezeExcite
from edu_lib.techniques.separable.rewrite import separate, separation_errors
from edu_lib.techniques.separable.spatial import SpatialPair

__all__ = [
    "DepthwisePair",
    "DepthwiseSeparable",
    "InvertedResidual",
    "ShuffledGroups",
    "SpatialPair",
    "SpatiallySeparable",
    "SqueezeExcite",
    "conv_norm",
    "relative_error",
    "separable_from",
    "separate",
    "separation_errors",
]
