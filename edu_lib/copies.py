"""A network copied, and put in evaluation mode for a while; layers that share one weight."""

import contextlib
import copy
from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils._pytree import tree_leaves


def copied(model: nn.Module, instead: dict[int, object] | None = None) -> nn.Module:
    """A deep copy, also of a network that keeps computed tensors, which PyTorch does not copy.

    They may stand in attributes of its parts, and in lists, tuples and dicts there. instead: what
    comes in place of a copy, by the id of what it stands for.
    """
    kept = [each for part in model.modules() for each in tree_leaves(dict(vars(part)))]
    memo = {
        id(each): each.detach().clone()
        for each in kept
        if isinstance(each, Tensor) and not each.is_leaf
    }
    return copy.deepcopy(model, memo | (instead or {}))


@contextlib.contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[nn.Module]:
    """Within the block `model` is in evaluation mode; then each part has its own mode again.

    `model.train()` would also thaw a batch norm that is kept in evaluation mode on purpose.
    """
    training = {part: part.training for part in model.modules()}
    try:
        yield model.eval()
    finally:
        for part, was_training in training.items():
            part.training = was_training


def stored_tensor(layer: nn.Module, name: str = "weight") -> Tensor | None:
    """What the weight of a layer is made of, the same tensor for layers that share one weight.

    name: "weight" or another parameter. None if the layer itself holds no such tensor.
    """
    if parametrize.is_parametrized(layer, name):
        chain = layer.parametrizations[name]
        return chain.original if hasattr(chain, "original") else chain.original0
    held = {**layer._parameters, **layer._buffers}
    if name == "weight" and name not in held:  # integers and scales, say
        return next((each for key, each in held.items() if key != "bias"), None)
    return held.get(name)


def share_weight(layer: nn.Module, other: nn.Module) -> None:
    """Gives `layer` all that the weight of `other` is made of, in place of its own."""
    for kind in ("_parameters", "_buffers"):
        tensors = {name: each for name, each in getattr(other, kind).items() if name != "bias"}
        getattr(layer, kind).update(tensors)


def one_parameter(value: nn.Parameter, known: list[nn.Parameter]) -> nn.Parameter:
    """`value`, or the known one of its values: one for all who store and use the same."""
    for parameter in known:
        if parameter.shape == value.shape and bool((parameter == value).all()):
            return parameter
    known.append(value)
    return value
