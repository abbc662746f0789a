"""Layers of a network exchanged for others, one by one. Used in chapter 09."""

import copy
from collections.abc import Callable, Collection

from torch import nn

Layer = nn.Conv2d | nn.Linear
OTHER_WEIGHTS = (
    nn.Conv1d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Bilinear,
    nn.RNNBase,
    nn.Embedding,
)


def replace_layers(
    model: nn.Module, build: Callable[[Layer], nn.Module], skip: Collection[str] | None
) -> nn.Module:
    """A copy of `model` with build(layer) instead of each Conv2d and Linear.

    skip: names of layers, or of parts that hold layers, that stay; None for the first and the last
    layer, which lose most when their weights get few bits. Layers that are called twice stay one.
    Raises ValueError naming a layer that has weights of another kind, a name to skip that there is
    not, or if no layer is left to exchange.
    """
    model = copy.deepcopy(model)
    layers = weighted_layers(model)
    skip = [*layers][:1] + [*layers][-1:] if skip is None else _known(model, skip)
    chosen = {n: m for n, m in layers.items() if not any(_is_in(n, part) for part in skip)}
    if not chosen:
        raise ValueError(f"{type(model).__name__} has no Conv2d or Linear left to treat")
    built = {layer: build(layer) for layer in dict.fromkeys(chosen.values())}
    if model in built:
        return built[model]
    for name, layer in chosen.items():
        model.set_submodule(name, built[layer])
    return model


def weighted_layers(model: nn.Module) -> dict[str, Layer]:
    """The Conv2d and Linear layers by name, in the order in which they are defined."""
    layers = {}
    for name, layer in model.named_modules(remove_duplicate=False):
        if isinstance(layer, OTHER_WEIGHTS):
            raise ValueError(
                f"layer {name!r} is a {type(layer).__name__}: only Conv2d and Linear can be treated"
            )
        if isinstance(layer, nn.Conv2d) and layer.padding_mode != "zeros":
            raise ValueError(f"layer {name!r} pads with {layer.padding_mode}, not with zeros")
        if isinstance(layer, Layer):
            layers[name] = layer
    return layers


def _known(model: nn.Module, skip: Collection[str]) -> Collection[str]:
    if isinstance(skip, str):
        raise ValueError(f"skip must be a list of names, got the string {skip!r}")
    names = {name for name, _ in model.named_modules(remove_duplicate=False)}
    for name in skip:
        if name not in names:
            raise ValueError(f"{type(model).__name__} has no layer {name!r} to skip")
    return skip


def _is_in(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")
