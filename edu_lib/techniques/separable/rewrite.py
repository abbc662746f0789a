"""A network's standard convolutions rewritten as separable ones. Taught in chapter 07."""

import copy
from collections.abc import Callable, Collection

import torch
from torch import nn

from edu_lib.techniques.separable.approximate import (
    PAIRS,
    check_kind,
    relative_error,
    separable_from,
    why_not,
)
from edu_lib.techniques.separable.pair import ConvPair

CONVOLUTIONS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
STARTS = ("weights", "random")


def separate(
    model: nn.Module,
    *,
    kind: str = "depthwise",
    rank: int | None = None,
    start: str = "weights",
    activation: Callable[[], nn.Module] | None = None,
    skip: Collection[str] | None = None,
    seed: int = 0,
) -> nn.Module:
    """A copy of `model` in which separable convolutions stand in for the standard ones.

    kind, rank: as in `separable_from`. start: "weights" comes as near to the model as it can, so
    that some fine-tuning brings it back; "random" draws new weights from `seed`. activation: for
    start "random", what stands after batch norm between the two convolutions (nn.ReLU gives the
    block of MobileNet), by default nothing. skip: names of layers, or of parts that hold layers,
    that stay as they are; by default the first convolution, which MobileNet too leaves whole.

    What stays besides: convolutions that would get no smaller (1x1, and depthwise ones for kind
    "depthwise"), and everything that is no convolution. Grouped convolutions are taken apart group
    by group. Skip connections do not mind, because shapes stay.
    Raises ValueError naming a convolution it cannot treat (transposed, 1-D, 3-D, a subclass, with
    weights that are not finite), a name to skip that there is not, or if no layer would change.
    Source: Howard et al. 2017, "MobileNets", sections 3.1 and 3.2. Taught in chapter 07.
    """
    _check(model, kind, rank, start, activation)
    model = copy.deepcopy(model)
    skip = _first_convolution(model) if skip is None else _known(model, skip)
    layers = {
        name: layer
        for name, layer in model.named_modules(remove_duplicate=False)
        if isinstance(layer, CONVOLUTIONS) and not _is_in(name, skip)
    }
    pairs: dict[nn.Module, ConvPair] = {}  # a layer that stands in two places is treated once
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for name, layer in layers.items():
            reason = why_not(layer, start)
            if reason is not None:
                raise ValueError(f"layer {name!r} {reason}: name it in skip, or change it first")
            if layer not in pairs and _is_worth_it(layer, kind, rank):
                pairs[layer] = _pair(layer, kind, rank, start, activation)
    if not pairs:
        raise ValueError(
            f"{type(model).__name__} has no convolution that separating would make smaller"
        )
    for name, layer in layers.items():
        if layer in pairs:
            model.set_submodule(name, pairs[layer])
    return model


def separation_errors(model: nn.Module, separated: nn.Module) -> dict[str, float]:
    """{layer name: relative error} of each layer of `model` that `separated` replaced.

    0 is equal, 1 is as bad as all zeros. After fine-tuning it says how far the weights have gone.
    Raises ValueError if an activation stands between the convolutions of a pair.
    """
    return {
        name: relative_error(model.get_submodule(name), layer)
        for name, layer in separated.named_modules()
        if isinstance(layer, ConvPair)
    }


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
    if isinstance(model, CONVOLUTIONS):
        raise ValueError("separate rewrites networks: for one convolution take separable_from")


def _first_convolution(model: nn.Module) -> list[str]:
    names = [name for name, layer in model.named_modules() if isinstance(layer, CONVOLUTIONS)]
    return names[:1]


def _known(model: nn.Module, skip: Collection[str]) -> list[str]:
    if isinstance(skip, str):
        raise ValueError(f"skip must be a list of names, got the string {skip!r}")
    names = {name for name, _ in model.named_modules(remove_duplicate=False)}
    for name in skip:
        if name not in names:
            raise ValueError(f"{type(model).__name__} has no layer {name!r} to skip")
    return list(skip)


def _is_in(name: str, parts: Collection[str]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


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
) -> ConvPair:
    if start == "weights":
        return separable_from(conv, kind, rank)
    rank = PAIRS[kind].default_rank(conv) if rank is None else rank
    return PAIRS[kind](conv, rank, activation).train(conv.training)
