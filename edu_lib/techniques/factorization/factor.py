"""A network whose layers are factored. Taught in chapter 10."""

from collections.abc import Collection, Mapping

import torch
from torch import nn
from torch.nn.utils import parametrize

from edu_lib.layers import check_ordinary, copied, is_within, known_parts, put_layer
from edu_lib.techniques.factorization.conv_pairs import ChannelPair, FilterPair, SpatialPair
from edu_lib.techniques.factorization.pair import LayerPair, LowRankLinear, why_no_start
from edu_lib.techniques.pruning.criteria import check_layer_names

KINDS: dict[str, type[LayerPair]] = {
    "spatial": SpatialPair,
    "channel": ChannelPair,
    "filter": FilterPair,
}
FACTORED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)


def factor(
    model: nn.Module,
    ranks: int | Mapping[str, int],
    kind: str = "spatial",
    *,
    skip: Collection[str] = (),
) -> nn.Module:
    """A copy of the model in which pairs of thin layers stand in for the wide ones.

    ranks: {layer name: rank} factors those layers, such as `ranks_by_energy` or `ranks_by_budget`
    give it; a number is the rank of every layer that can be factored, its full rank at most.
    kind: how convolutions are taken apart, see `low_rank_from`. skip: names of layers, or of parts
    that hold layers, to leave. A layer that would hold no fewer weights stays whole, and so does
    one that cannot be factored; `stays_whole` says which and why. Shapes stay, so skip connections
    do not mind. Layers that share one weight go on sharing theirs.
    Raises ValueError for an unknown name or kind, a rank that a layer cannot have, a quantized
    layer, or, if it is named in `ranks`, a layer that cannot be factored (groups, masks, another
    kind of layer).
    Sources: see `low_rank_from`. Taught in chapter 10.
    """
    reasons = stays_whole(model, ranks, kind, skip=skip)
    if isinstance(ranks, Mapping):
        for name in ranks:
            if why_not(model.get_submodule(name)):
                raise ValueError(f"layer {name!r} {reasons[name]}: leave it out of ranks")
    factored, pairs, of_weight = copied(model), {}, {}
    with torch.random.fork_rng():
        for name, layer in layers_of(factored).items():
            if name in reasons:
                continue
            if layer not in pairs:  # a layer that stands in two places is treated once
                pair = low_rank_from(layer, _rank(ranks, name, layer, kind), kind)
                pair.share_with(of_weight.setdefault((id(layer.weight), pair.rank), pair))
                pairs[layer] = pair
            put_layer(factored, name, pairs[layer])
    return factored


def stays_whole(
    model: nn.Module,
    ranks: int | Mapping[str, int],
    kind: str = "spatial",
    *,
    skip: Collection[str] = (),
) -> dict[str, str]:
    """{layer name: reason} of the layers that `factor` with these arguments leaves as they are."""
    layers, reasons = layers_of(model), {}
    skipped = known_parts(model, skip)
    check_ordinary(model, skipped)
    if isinstance(ranks, Mapping):
        check_layer_names(list(ranks), layers, "ranks")
    for name, layer in layers.items():
        pair = pair_of(layer, kind)
        reason = why_not(layer)
        if is_within(name, skipped) or (isinstance(ranks, Mapping) and name not in ranks):
            reason = "was not asked for"
        elif reason is None:
            rank = _rank(ranks, name, layer, kind)
            num_weights, whole = pair.num_weights(layer, rank), layer.weight.numel()
            if num_weights >= whole:
                reason = f"would hold {num_weights} weights at rank {rank}, and {whole} whole"
        if reason is not None:
            reasons[name] = reason
    return reasons


def low_rank_from(layer: nn.Module, rank: int, kind: str = "spatial") -> LayerPair:
    """Two layers that come as near to the trained one as any of their rank can, bias included.

    layer: a plain nn.Linear, or nn.Conv2d without groups, taken apart by `kind`: "spatial" (k x 1,
    then 1 x k), "channel" (1x1, then k x k) or "filter" (k x k, then 1x1). It stays as it is.
    Raises ValueError for another kind or layer, or a rank the layer cannot have.
    Sources: Denton et al. 2014 (linear, channel), Jaderberg et al. 2014 (spatial), Zhang et al.
    2015 (filter). Taught in chapter 10.
    """
    reason = why_not(layer)
    if reason is not None:
        raise ValueError(f"this layer {reason}")
    pair = pair_of(layer, kind)(layer, rank)
    pair.approximate(layer)
    return pair.train(layer.training).requires_grad_(layer.weight.requires_grad)


def pair_of(layer: nn.Module, kind: str) -> type[LayerPair]:
    """What takes this layer apart. Raises ValueError for a kind that there is not."""
    if kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}, got {kind!r}")
    return LowRankLinear if isinstance(layer, nn.Linear) else KINDS[kind]


def why_not(layer: nn.Module) -> str | None:
    """Why this layer cannot be factored, or None if it can."""
    if parametrize.type_before_parametrizations(layer) not in (nn.Linear, nn.Conv2d):
        return f"is a {type(layer).__name__}, no plain nn.Linear or nn.Conv2d"
    if isinstance(layer, nn.Conv2d) and layer.groups > 1:
        return f"has {layer.groups} groups, small ones already"
    return why_no_start(layer)


def layers_of(model: nn.Module) -> dict[str, nn.Module]:
    """{name: layer} of linear layers and convolutions, those in two places under both names.

    Raises ValueError for a lone layer, which `low_rank_from` treats.
    """
    if isinstance(model, FACTORED):
        raise ValueError("factor rewrites networks: for one layer take low_rank_from")
    return {
        name: layer
        for name, layer in model.named_modules(remove_duplicate=False)
        if isinstance(layer, FACTORED)
    }


def _rank(ranks: int | Mapping[str, int], name: str, layer: nn.Module, kind: str) -> int:
    full = pair_of(layer, kind).full_rank(layer)
    rank = ranks[name] if isinstance(ranks, Mapping) else min(ranks, full)
    if not 1 <= rank <= full:
        raise ValueError(f"layer {name!r}: rank is from 1 to {full} here, got {rank}")
    return rank
