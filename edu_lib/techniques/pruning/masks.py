"""Masks that hold: a pruned weight is zero in every forward, whatever the optimiser does."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from edu_lib.techniques.pruning.layers import prunable_layers


class Mask(nn.Module):
    """weight * mask. As a parametrization it stands between the stored and the used weight.

    The optimiser trains the stored weight; a masked entry gets gradient 0 and is used as 0.
    """

    def __init__(self, mask: Tensor):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask.to(weight.dtype)  # a product with a bool is slower

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What to store when someone assigns `layer.weight`: the value itself."""
        return weight

    def extra_repr(self) -> str:
        return f"sparsity={1 - self.mask.float().mean().item():.3f}"


def masks_of(model: nn.Module) -> dict[str, Tensor]:
    """{layer name: bool mask of its weight}; all True where a layer has no mask."""
    masks = {}
    for name, layer in prunable_layers(model).items():
        found = _mask_of(layer)
        masks[name] = (
            torch.ones_like(layer.weight, dtype=torch.bool) if found is None else found.mask
        )
    return masks


def with_masks(model: nn.Module, masks: Mapping[str, Tensor]) -> nn.Module:
    """A copy of the model that wears these masks, in place of those it had on the same layers.

    masks: {layer name: bool tensor of its weight's shape, True where a weight stays}.
    Raises ValueError for an unknown layer or a mask of another shape.
    """
    masked = copy.deepcopy(model)
    layers = prunable_layers(masked)
    for name, mask in masks.items():
        if name not in layers:
            raise ValueError(f"no layer {name!r} to mask, the layers are {', '.join(layers)}")
        layer = layers[name]
        if mask.shape != layer.weight.shape:
            raise ValueError(
                f"the mask of {name} is {tuple(mask.shape)}, its weight {tuple(layer.weight.shape)}"
            )
        worn = _mask_of(layer)
        if worn is not None:
            worn.mask = mask.clone()
        else:
            parametrize.register_parametrization(layer, "weight", Mask(mask.clone()))
    return masked


def make_permanent(model: nn.Module) -> nn.Module:
    """A copy without masks whose pruned weights are zeros: a plain model, ready to save."""
    return _unmasked(model, keep_zeros=True)


def remove_masks(model: nn.Module) -> nn.Module:
    """A copy without masks, with the pruned weights as they were stored: pruning undone."""
    return _unmasked(model, keep_zeros=False)


def sparsity_of(model: nn.Module) -> float:
    """Share of zeros, 0 to 1, in the weights of all convolutions and linear layers."""
    weights = [layer.weight.detach() for layer in prunable_layers(model).values()]
    num_zeros = sum(int((weight == 0).sum()) for weight in weights)
    return num_zeros / sum(weight.numel() for weight in weights)


def layer_sparsities(model: nn.Module) -> dict[str, float]:
    """{layer name: share of zeros in its weight}."""
    return {
        name: (layer.weight.detach() == 0).float().mean().item()
        for name, layer in prunable_layers(model).items()
    }


def _mask_of(layer: nn.Module) -> Mask | None:
    if not parametrize.is_parametrized(layer, "weight"):
        return None
    return next((part for part in layer.parametrizations.weight if isinstance(part, Mask)), None)


def _unmasked(model: nn.Module, keep_zeros: bool) -> nn.Module:
    plain = copy.deepcopy(model)
    for layer in prunable_layers(plain).values():
        if _mask_of(layer) is not None:
            weight = layer.weight if keep_zeros else layer.parametrizations.weight.original
            # remove_parametrizations would change the class, which the copied model uses too
            layer.__class__ = parametrize.type_before_parametrizations(layer)
            del layer.parametrizations
            layer.weight = nn.Parameter(weight.detach().clone())
    return plain
