"""A layer as the product of two thinner ones, by singular values. Taught in chapter 10.

`factor` rewrites a network, `ranks_by_energy` and `ranks_by_budget` choose how thin.
"""

from edu_lib.techniques.low_rank.factor import factor, factoring_errors, stays_whole
from edu_lib.techniques.low_rank.pairs import (
    KINDS,
    ChannelPair,
    FilterPair,
    LowRankLinear,
    low_rank_from,
    nearest_factors,
    unfold,
)
from edu_lib.techniques.low_rank.ranks import ranks_by_budget, ranks_by_energy, singular_values

__all__ = [
    "KINDS",
    "ChannelPair",
    "FilterPair",
    "LowRankLinear",
    "factor",
    "factoring_errors",
    "low_rank_from",
    "nearest_factors",
    "ranks_by_budget",
    "ranks_by_energy",
    "singular_values",
    "stays_whole",
    "unfold",
]
