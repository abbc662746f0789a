"""Pruning: which weights, and which channels, a network can do without. Taught in chapter 08.

Single weights are masked (`prune`), in steps (`prune_in_steps`) or to find lottery tickets
(`lottery_ticket`); whole channels are removed (`prune_channels`). Model in, new model out.
"""

from edu_lib.techniques.pruning.channel_choice import channel_scores
from edu_lib.techniques.pruning.channel_graph import ChannelGraph, ChannelGroup
from edu_lib.techniques.pruning.channel_trace import NotFollowed, trace_channels
from edu_lib.techniques.pruning.channels import (
    ChannelPlan,
    layers_to_skip,
    plan_channels,
    prune_channels,
    remove_channels,
    zero_channels,
)
from edu_lib.techniques.pruning.criteria import (
    gradient_scores,
    lamp_score,
    lamp_scores,
    magnitude_mask,
    magnitude_scores,
    nm_mask,
)
from edu_lib.techniques.pruning.masks import (
    CSR,
    CSRLinear,
    Mask,
    csr_matmul,
    mask_of,
    masks_of,
    prunable_layers,
    prunable_weights,
    sparsity_of,
    tied_layers,
    to_csr,
    to_csr_linear,
    with_masks,
)
from edu_lib.techniques.pruning.unstructured import (
    Ticket,
    cubic,
    geometric,
    lottery_ticket,
    prune,
    prune_in_steps,
)

__all__ = [
    "CSR",
    "CSRLinear",
    "ChannelGraph",
    "ChannelGroup",
    "ChannelPlan",
    "Mask",
    "NotFollowed",
    "Ticket",
    "channel_scores",
    "csr_matmul",
    "cubic",
    "geometric",
    "gradient_scores",
    "lamp_score",
    "lamp_scores",
    "layers_to_skip",
    "lottery_ticket",
    "magnitude_mask",
    "magnitude_scores",
    "mask_of",
    "masks_of",
    "nm_mask",
    "plan_channels",
    "prunable_layers",
    "prunable_weights",
    "prune",
    "prune_channels",
    "prune_in_steps",
    "remove_channels",
    "sparsity_of",
    "tied_layers",
    "to_csr",
    "to_csr_linear",
    "trace_channels",
    "with_masks",
    "zero_channels",
]
