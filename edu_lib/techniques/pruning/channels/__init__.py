"""Removing channels: numbers (`numbers`, `rules`, `trace`), groups (`graph`), scores, a plan of
what goes (`selection`, `plan`), and its removal (`removal`, `pruner`)."""

from edu_lib.techniques.pruning.channels.graph import ChannelGraph, ChannelGroup
from edu_lib.techniques.pruning.channels.plan import ChannelPlan, plan_channels
from edu_lib.techniques.pruning.channels.pruner import prune_channels
from edu_lib.techniques.pruning.channels.removal import remove_channels, zero_channels
from edu_lib.techniques.pruning.channels.scores import channel_scores, slimming_penalty
from edu_lib.techniques.pruning.channels.trace import trace_channels

__all__ = [
    "ChannelGraph",
    "ChannelGroup",
    "ChannelPlan",
    "channel_scores",
    "plan_channels",
    "prune_channels",
    "remove_channels",
    "slimming_penalty",
    "trace_channels",
    "zero_channels",
]
