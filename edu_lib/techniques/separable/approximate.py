"""A trained convolution as the nearest separable one: where fine-tuning starts. Chapter 07."""

import torch
from torch import nn

from edu_lib.techniques.separable.depthwise import DepthwisePair
from edu_lib.techniques.separable.pair import ConvPair
from edu_lib.techniques.separable.spatial import SpatialPair

PAIRS: dict[str, type[ConvPair]] = {"depthwise": DepthwisePair, "spatial": SpatialPair}


def separable_from(
    conv: nn.Conv2d, kind: str = "depthwise", rank: int | None = None
) -> DepthwisePair | SpatialPair:
    """Two convolutions that come as near to the trained `conv` as any of their rank can.

    kind: "depthwise" (k x k in each channel, then 1x1) or "spatial" (k x 1, then 1 x k). rank: see
    `DepthwisePair` (by default 1) and `SpatialPair`. No kernel of that rank has a smaller sum of
    squared differences to that of `conv`; `relative_error(conv, pair)` tells how far it is.
    `conv` stays as it is. Raises ValueError for another kind, a rank the layer cannot have, or what
    is no plain nn.Conv2d with finite weights.
    Source: Guo et al. 2018 (depthwise); Jaderberg et al. 2014 (spatial). Taught in chapter 07.
    """
    check_kind(kind)
    reason = why_not(conv, start="weights")
    if reason is not None:
        raise ValueError(f"this {type(conv).__name__} {reason}")
    pair = PAIRS[kind](conv, PAIRS[kind].default_rank(conv) if rank is None else rank)
    pair.approximate(conv)
    return pair.train(conv.training).requires_grad_(conv.weight.requires_grad)


@torch.no_grad()
def relative_error(conv: nn.Conv2d, pair: ConvPair) -> float:
    """How far the kernel of `pair` is from that of `conv`: 0 is equal, 1 as bad as all zeros.

    Raises ValueError if an activation stands between the convolutions of the pair.
    """
    W = conv.weight.double()
    if not W.any():
        return 0.0
    # ||W - W'|| / ||W||
    return float((W - pair.kernel().double()).norm() / W.norm())


def check_kind(kind: str) -> None:
    """Raises ValueError for a kind of pair that there is not."""
    if kind not in PAIRS:
        raise ValueError(f"kind is one of {', '.join(PAIRS)}, got {kind!r}")


def why_not(conv: nn.Module, start: str) -> str | None:
    """Why this convolution cannot be taken apart, or None if it can."""
    if type(conv) is not nn.Conv2d:
        return "is no plain nn.Conv2d, so two of those cannot stand in for it"
    if start != "weights":
        return None
    if conv.weight.is_meta:
        return "has no values to start from (it is on the meta device)"
    if not conv.weight.isfinite().all():
        return "has weights that are not finite"
    return None
