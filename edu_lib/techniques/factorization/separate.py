"""A network's standard convolutions rewritten as separable ones. Taught in chapter 07."""

from collections.abc import Callable, Collection

import torch
from torch import nn
from torch.nn.utils import parametrize

from edu_lib.layers import (
    CONVOLUTIONS,
    TRANSPOSED,
    check_ordinary,
    copied,
    is_within,
    known_parts,
)
from edu_lib.techniques.factorization.conv_pairs import DepthwisePair, SpatialPair
from edu_lib.techniques.factorization.pair import LayerPair, why_no_start

PAIRS: dict[str, type[LayerPair]] = {"depthwise": DepthwisePair, "spatial": SpatialPair}
STARTS = ("weights", "random")


def separate(
    model: nn.Module,
    *,
    kind: str = "depthwise",
    rank: int | None = None,
    start: str = "weights",
    activation: Callable[[], nn.Module] | None = None,
    skip: Collection[str] = (),
    seed: int = 0,
) -> nn.Module:
    """A copy of `model` in which separable convolutions stand in for the standard ones.

    kind, rank: as in `separable_from`. start: "weights" comes as near to the model as it can, so
    that some fine-tuning brings it back; "random" draws new weights from `seed`. activation: for
    start "random", what stands after batch norm between the two convolutions (nn.ReLU gives the
    block of MobileNet), by default nothing. skip: names of layers, or of parts that hold layers,
    that stay as they are, such as the first convolution, which MobileNet leaves whole.

    What stays besides: convolutions that would get no smaller (1x1, and depthwise ones for kind
    "depthwise"), and everything that is no convolution. Grouped convolutions are taken apart group
    by group. Skip connections do not mind, because shapes stay. Layers that share one weight go on
    sharing theirs.
    Raises ValueError naming a convolution it cannot treat (transposed, 1-D, 3-D, a subclass, masked
    or quantized, with weights that are not finite), a name to skip that there is not, or if no
    layer would change.
    Source: Howard et al. 2017, "MobileNets", sections 3.1 and 3.2. Taught in chapter 07.
    """
    _check(model, kind, rank, start, activation)
    skipped = known_parts(model, skip)
    check_ordinary(model, skipped)
    model = copied(model)
    layers = {
        name: layer
        for name, layer in model.named_modules(remove_duplicate=False)
        if isinstance(layer, CONVOLUTIONS + TRANSPOSED) and not is_within(name, skipped)
    }
    pairs: dict[nn.Module, LayerPair] = {}  # a layer that stands in two places is treated once
    of_weight: dict[int, LayerPair] = {}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for name, layer in layers.items():
            reason = why_not(layer, start)
            if reason is not None:
                raise ValueError(f"layer {name!r} {reason}: name it in skip, or change it first")
            if layer not in pairs and _is_worth_it(layer, kind, rank):
                pairs[layer] = _pair(layer, kind, rank, start, activation)
                pairs[layer].share_with(of_weight.setdefault(id(layer.weight), pairs[layer]))
    if not pairs:
        raise ValueError(
            f"{type(model).__name__} has no convolution that separating would make smaller"
        )
    for name, layer in layers.items():
        if layer in pairs:
            model.set_submodule(name, pairs[layer])
    return model


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
def relative_error(conv: nn.Conv2d, pair: LayerPair) -> float:
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
    if parametrize.type_before_parametrizations(conv) is not nn.Conv2d:
        return "is no plain nn.Conv2d, so two of those cannot stand in for it"
    if start != "weights":
        return None
    return why_no_start(conv)


def _check(
    model: nn.Module,
    kind: str,
    rank: int | None,
    start: str,
    activation: Callable[[], nn.Module] | None,
) -> None:
    check_kind(kind)
    if start not in STARTS:
        raise ValueError(f"start is one of {', '.join(STARTS)}, got {start!r}")
    if rank is not None and rank < 1:
        raise ValueError(f"rank must be at least 1, got {rank}")
    if activation is not None and start == "weights":
        raise ValueError(
            "an activation between the two convolutions cannot keep what the weights say: "
            'leave it out, or start="random"'
        )
    if isinstance(model, CONVOLUTIONS + TRANSPOSED):
        raise ValueError("separate rewrites networks: for one convolution take separable_from")


def _is_worth_it(conv: nn.Conv2d, kind: str, rank: int | None) -> bool:
    """Whether the pair would hold fewer weights, and there is something to separate in space."""
    smallest = min(conv.kernel_size) if kind == "spatial" else max(conv.kernel_size)
    rank = PAIRS[kind].default_rank(conv) if rank is None else rank
    return smallest > 1 and PAIRS[kind].num_weights(conv, rank) < conv.weight.numel()


def _pair(
    conv: nn.Conv2d,
    kind: str,
    rank: int | None,
    start: str,
    activation: Callable[[], nn.Module] | None,
) -> LayerPair:
    if start == "weights":
        return separable_from(conv, kind, rank)
    rank = PAIRS[kind].default_rank(conv) if rank is None else rank
    return PAIRS[kind](conv, rank, activation).train(conv.training)
