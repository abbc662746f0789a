"""A network whose layers are factored. Taught in chapter 10."""

import copy
from collections.abc import Collection, Mapping

import torch
from torch import nn

from edu_lib.techniques.low_rank.pairs import LowRankLinear, low_rank_from, pair_of, why_not
from edu_lib.techniques.pruning.layers import check_layer_names
from edu_lib.techniques.separable.pair import ConvPair

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
    kind: how convolutions are taken apart, see `low_rank_from`. skip: names of layers to leave.
    A layer that would hold no fewer weights stays whole; `stays_whole` says which and why. Shapes
    stay, so skip connections do not mind.
    Raises ValueError for an unknown layer or kind, a rank that a layer cannot have, or, if it is
    named in `ranks`, a layer that cannot be factored (groups, masks, another kind of layer).
    Sources: see `low_rank_from`. Taught in chapter 10.
    """
    reasons = stays_whole(model, ranks, kind, skip=skip)
    if isinstance(ranks, Mapping):
        for name in ranks:
            if why_not(model.get_submodule(name)):
                raise ValueError(f"layer {name!r} {reasons[name]}: leave it out of ranks")
    factored, pairs = copy.deepcopy(model), {}
    with torch.random.fork_rng():
        for name, layer in layers_of(factored).items():
            if name in reasons:
                continue
            if layer not in pairs:  # a layer that stands in two places is treated once
                pairs[layer] = low_rank_from(layer, _rank(ranks, name, layer, kind), kind)
            factored.set_submodule(name, pairs[layer])
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
    check_layer_names(skip, layers, "skip")
    if isinstance(ranks, Mapping):
        check_layer_names(list(ranks), layers, "ranks")
    for name, layer in layers.items():
        pair = pair_of(layer, kind)
        reason = why_not(layer)
        if name in skip or (isinstance(ranks, Mapping) and name not in ranks):
            reason = "was not asked for"
        elif reason is None:
            rank = _rank(ranks, name, layer, kind)
            num_weights, whole = pair.num_weights(layer, rank), layer.weight.numel()
            if num_weights >= whole:
                reason = f"would hold {num_weights} weights at rank {rank}, and {whole} whole"
        if reason is not None:
            reasons[name] = reason
    return reasons


@torch.no_grad()
def factoring_errors(model: nn.Module, factored: nn.Module) -> dict[str, float]:
    """{layer name: ||W - W'|| / ||W||} of each layer of `model` that was factored."""
    errors = {}
    for name, pair in factored.named_modules():
        if isinstance(pair, LowRankLinear | ConvPair):
            W = model.get_submodule(name).weight.double()
            errors[name] = float((W - pair.kernel().double()).norm() / W.norm().clamp(min=1e-300))
    return errors


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
