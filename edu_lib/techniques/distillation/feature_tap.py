"""What a layer inside a network puts out, without changing the network. Taught in chapter 11."""

import difflib
from collections.abc import Iterable

from torch import Tensor, nn


class FeatureTap:
    """Catches the outputs of named layers while a model runs:

        with FeatureTap(model, ["c3", "c5"]) as tap:
            logits = model(X)
        tap["c3"]  # the features, with their gradient history

    layers: names as `model.named_modules()` gives them. A layer that runs more than once shows its
    last output; one that an in-place activation follows shows what that left. Leaving the block
    takes the hooks away; what was caught stays.
    Raises ValueError for a layer that there is not, and from `tap[layer]` if the layer has not run
    yet or does not put out one tensor.
    """

    def __init__(self, model: nn.Module, layers: Iterable[str]):
        if isinstance(layers, str):
            raise ValueError(f"layers must be a list of names, got the string {layers!r}")
        self.layers = list(layers)
        modules = dict(model.named_modules(remove_duplicate=False))
        for layer in self.layers:
            if layer not in modules:
                raise ValueError(_no_such_layer(model, layer, list(modules)))
        self.outputs: dict[str, object] = {}
        self.hooks = [
            modules[layer].register_forward_hook(self._keep(layer)) for layer in self.layers
        ]

    def __enter__(self) -> "FeatureTap":
        return self

    def __exit__(self, *exception) -> None:
        self.remove()

    def remove(self) -> None:
        """Take the hooks away."""
        for hook in self.hooks:
            hook.remove()

    def __getitem__(self, layer: str) -> Tensor:
        if layer not in self.layers:
            raise ValueError(f"layer {layer!r} is not tapped: {', '.join(self.layers)} are")
        if layer not in self.outputs:
            raise ValueError(f"layer {layer!r} has not run: call the model within the block first")
        output = self.outputs[layer]
        if not isinstance(output, Tensor):
            raise ValueError(
                f"layer {layer!r} puts out a {type(output).__name__}, no tensor: tap a layer in it"
            )
        return output

    def _keep(self, layer: str):
        def hook(module: nn.Module, args: tuple, output: object) -> None:
            self.outputs[layer] = output

        return hook


def _no_such_layer(model: nn.Module, layer: str, names: list[str]) -> str:
    close = difflib.get_close_matches(layer, names, n=3, cutoff=0.3)
    shown = close or [name for name in names if name][:5]
    return f"{type(model).__name__} has no layer {layer!r}; it has {', '.join(shown)}"
