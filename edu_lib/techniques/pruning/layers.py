"""The weights that pruning looks at: those of convolutions and linear layers, by layer name."""

from collections.abc import Collection

from torch import Tensor, nn
from torch.nn.utils import parametrize

PRUNABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


def prunable_layers(model: nn.Module, keep: Collection[str] = ()) -> dict[str, nn.Module]:
    """{name: layer} of all convolutions and linear layers but those named in `keep`.

    Biases and normalisation are no candidates: they are few, and a unit needs them.
    Raises ValueError if `keep` names no such layer, or if nothing is left to prune.
    """
    layers = {name: part for name, part in model.named_modules() if isinstance(part, PRUNABLE)}
    check_layer_names(keep, layers, "keep")
    left = {name: layer for name, layer in layers.items() if name not in keep}
    if not left:
        raise ValueError(f"{type(model).__name__} has no convolution or linear layer left to prune")
    return left


def prunable_weights(model: nn.Module, keep: Collection[str] = ()) -> dict[str, Tensor]:
    """{layer name: its weight, detached}; a masked layer gives its masked weight."""
    return {name: layer.weight.detach() for name, layer in prunable_layers(model, keep).items()}


def trained_weight(layer: nn.Module) -> nn.Parameter:
    """The parameter that the optimiser changes: under a mask it still holds every value."""
    if parametrize.is_parametrized(layer, "weight"):
        return layer.parametrizations.weight.original
    return layer.weight


def check_layer_names(names: Collection[str], layers: Collection[str], where: str) -> None:
    """Raises ValueError if one of the names is not a layer."""
    if isinstance(names, str):
        raise ValueError(f"{where} is a collection of layer names, got the text {names!r}")
    unknown = [name for name in names if name not in layers]
    if unknown:
        raise ValueError(
            f"{where} names {', '.join(map(repr, unknown))}, the layers are {', '.join(layers)}"
        )


def check_sparsity(sparsity: float, name: str = "sparsity") -> None:
    """Raises ValueError unless 0 <= sparsity < 1."""
    if not 0 <= sparsity < 1:
        raise ValueError(
            f"{name} is a share and must be in [0, 1), got {sparsity}; 0.9 prunes nine of ten"
        )
