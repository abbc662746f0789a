"""One layer as two thinner ones: separable convolutions, and layers of low rank.

Blocks to build networks of, `separate` and `factor`, which rewrite a network that is already there,
and `ranks_by_energy` and `ranks_by_budget`, which choose how thin. Taught in chapters 07 and 10.
"""

from edu_lib.techniques.factorization.blocks import (
    DepthwiseSeparable,
    InvertedResidual,
    ShuffledGroups,
    SpatiallySeparable,
    SqueezeExcite,
    conv_norm,
)
from edu_lib.techniques.factorization.conv_pairs import (
    ChannelPair,
    DepthwisePair,
    FilterPair,
    SpatialPair,
    unfold,
)
from edu_lib.techniques.factorization.factor import (
    KINDS,
    factor,
    layers_of,
    low_rank_from,
    pair_of,
    stays_whole,
)
from edu_lib.techniques.factorization.pair import LayerPair, LowRankLinear, nearest_factors
from edu_lib.techniques.factorization.ranks import ranks_by_budget, ranks_by_energy, singular_values
from edu_lib.techniques.factorization.separate import relative_error, separable_from, separate

__all__ = [
    "KINDS",
    "ChannelPair",
    "DepthwisePair",
    "DepthwiseSeparable",
    "FilterPair",
    "InvertedResidual",
    "LayerPair",
    "LowRankLinear",
    "ShuffledGroups",
    "SpatialPair",
    "SpatiallySeparable",
    "SqueezeExcite",
    "conv_norm",
    "factor",
    "layers_of",
    "low_rank_from",
    "nearest_factors",
    "pair_of",
    "ranks_by_budget",
    "ranks_by_energy",
    "relative_error",
    "separable_from",
    "separate",
    "singular_values",
    "stays_whole",
    "unfold",
]
