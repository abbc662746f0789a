"""The sizes of a network's layers, so that one with channels pruned away can be built anew."""

import torch
from torch import Tensor, nn

from edu_lib.techniques.entropy_coding import AdaptiveBit, AdaptiveNumber
from edu_lib.techniques.entropy_coding.adaptive import Coder

Sizes = list[tuple[int, int]]  # (output channels, input channels) of each layer
LARGEST = 1 << 16


def sizes_of(model: nn.Module) -> Sizes:
    """(out, in) of each convolution, linear layer and batch norm, in the order of the model."""
    return [_size(layer) for layer in _layers(model)]


def resize_(model: nn.Module, sizes: Sizes) -> None:
    """Gives the layers of a model on the meta device these sizes.

    Raises ValueError if the groups of a convolution do not divide them.
    """
    for layer, (out, inputs) in zip(_layers(model), sizes, strict=True):
        if _size(layer) == (out, inputs):
            continue
        if isinstance(layer, nn.Conv2d):
            if layer.groups == layer.in_channels > 1:  # depthwise: one group an input
                layer.groups = inputs
            if inputs % layer.groups or out % layer.groups:
                raise ValueError(f"{layer.groups} groups divide no convolution {inputs} -> {out}")
            layer.out_channels, layer.in_channels = out, inputs
            _renew(layer, "weight", out, inputs // layer.groups, *layer.kernel_size)
        elif isinstance(layer, nn.Linear):
            layer.out_features, layer.in_features = out, inputs
            _renew(layer, "weight", out, inputs)
        else:
            layer.num_features = out
            for name in ("weight", "running_mean", "running_var"):
                _renew(layer, name, out)
        _renew(layer, "bias", out)


def code_sizes(coder: Coder, built: Sizes, sizes: Sizes | None = None) -> Sizes:
    """Codes what differs from the network as built; runs both ways.

    A layer is expected to take what the layer before gives, times what it took as built.
    """
    given = built if sizes is None else sizes
    as_built, out_model, in_model = AdaptiveBit(), AdaptiveNumber(17), AdaptiveNumber(17)
    follows = AdaptiveBit()
    if as_built.code(coder, int(given == built)):
        return list(built)
    result: Sizes = []
    for i, (out, inputs) in enumerate(given):
        # the first layer takes the channels of the image
        expected = (
            built[0][1] if i == 0 else _scaled(result[i - 1][0], built[i - 1][0], built[i][1])
        )
        if not follows.code(coder, int(inputs == expected)):
            expected = 1 + in_model.code(coder, inputs - 1)
        same = built[i][1] == built[i][0] and expected
        guess = same or built[i][0]
        if follows.code(coder, int(out == guess)):
            out = guess
        else:
            out = 1 + out_model.code(coder, out - 1)
        if max(out, expected) > LARGEST:
            raise ValueError(f"a layer here has at most {LARGEST} channels, got {out, expected}")
        result.append((out, expected))
    return result


def _scaled(size: int, built: int, inputs: int) -> int:
    """What a layer with `inputs` would take if the `built` channels before it became `size`."""
    return size * (inputs // built) if inputs % built == 0 else inputs


def _layers(model: nn.Module) -> list[nn.Module]:
    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)
    return [part for part in model.modules() if isinstance(part, kinds)]


def _size(layer: nn.Module) -> tuple[int, int]:
    if isinstance(layer, nn.Conv2d):
        return layer.out_channels, layer.in_channels
    if isinstance(layer, nn.Linear):
        return layer.out_features, layer.in_features
    return layer.num_features, layer.num_features


def _renew(layer: nn.Module, name: str, *shape: int) -> None:
    old: Tensor | None = getattr(layer, name)
    if old is None:
        return
    new = torch.empty(shape, dtype=old.dtype, device=old.device)
    setattr(layer, name, nn.Parameter(new) if isinstance(old, nn.Parameter) else new)
