"""Pruning: which weights, and which channels, a network can do without. Taught in chapter 08.

Single weights are masked (`prune`), in steps (`prune_in_steps`) or to find lottery tickets
(`lottery_ticket`); whole channels are removed (`prune_channels`). Model in, new model out.
"""

from edu_lib.techniques.pruning.channels import (
    ChannelGraph,
    ChannelGroup,
    ChannelPlan,
    channel_scores,
    plan_channels,
    prune_channels,
    remove_channels,
    slimming_penalty,
    trace_channels,
    zero_channels,
)
from edu_lib.techniques.pruning.criteria import (
    gradient_scores,
    lamp_score,
    lamp_scores,
    magnitude_mask,
    magnitude_scores,
)
from edu_lib.techniques.pruning.layers import prunable_weights
from edu_lib.techniques.pruning.lottery import Ticket, lottery_ticket
from edu_lib.techniques.pruning.masks import (
    Mask,
    layer_sparsities,
    make_permanent,
    masks_of,
    remove_masks,
    sparsity_of,
    with_masks,
)
from edu_lib.techniques.pruning.movement import track_movement
from edu_lib.techniques.pruning.nm import nm_mask, prune_nm
from edu_lib.techniques.pruning.schedules import cubic, geometric, one_shot, prune_in_steps
from edu_lib.techniques.pruning.sparse import CSR, CSRLinear, csr_matmul, to_csr, to_csr_linear
from edu_lib.techniques.pruning.unstructured import prune

__all__ = [
    "CSR",
    "CSRLinear",
    "ChannelGraph",
    "ChannelGroup",
    "ChannelPlan",
    "Mask",
    "Ticket",
    "channel_scores",
    "csr_matmul",
    "cubic",
    "geometric",
    "gradient_scores",
    "lamp_score",
    "lamp_scores",
    "layer_sparsities",
    "lottery_ticket",
    "magnitude_mask",
    "magnitude_scores",
    "make_permanent",
    "masks_of",
    "nm_mask",
    "one_shot",
    "plan_channels",
    "prunable_weights",
    "prune",
    "prune_channels",
    "prune_in_steps",
    "prune_nm",
    "remove_channels",
    "remove_masks",
    "slimming_penalty",
    "sparsity_of",
    "to_csr",
    "to_csr_linear",
    "trace_channels",
    "track_movement",
    "with_masks",
    "zero_channels",
]
