"""Pruning single weights of a network: a criterion scores them, a scope compares them."""

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor, nn

from edu_lib.techniques.pruning.criteria import (
    Loss,
    gradient_scores,
    lamp_scores,
    lowest_pruned,
    magnitude_scores,
)
from edu_lib.techniques.pruning.layers import (
    check_layer_names,
    check_sparsity,
    prunable_layers,
)
from edu_lib.techniques.pruning.masks import masks_of, with_masks

Scores = Mapping[str, Tensor]
CRITERIA = ("magnitude", "lamp", "gradient")
SCOPES = ("global", "layer")


def prune(
    model: nn.Module,
    sparsity: float | Mapping[str, float],
    criterion: str | Scores | Callable[[nn.Module], Scores] = "magnitude",
    scope: str = "global",
    *,
    loss: Loss | None = None,
    keep: Collection[str] = (),
) -> nn.Module:
    """A copy of the model in which the least important weights are masked, also while it trains.

    sparsity: share of the weights that are zero afterwards, 0 <= s < 1; {layer name: share} prunes
    those layers alone, each to its own share. Biases stay.
    criterion: "magnitude", "lamp", "gradient" (needs `loss`), scores such as `track_movement`
    gives, or a function from a model to {layer name: scores}; low scores go first.
    scope: "global" compares all weights at once, "layer" prunes each layer to the same share.
    keep: names of layers to leave whole; they do not count in the share.
    A weight that is masked already stays masked. `sparsity_of` counts, `make_permanent` ends it.

    One global threshold can empty a small layer, which ends all learning: that raises ValueError.
    criterion="lamp" cannot empty one, scope="layer" hardly.
    Raises ValueError for a bad share, criterion, scope or layer name.
    Sources: in each criterion. Taught in chapter 08.
    """
    _check_arguments(sparsity, scope)
    layers = prunable_layers(model, keep)
    if isinstance(sparsity, Mapping):
        check_layer_names(sparsity, layers, "sparsity")
        layers = {name: layers[name] for name in sparsity}
    earlier = masks_of(model)
    scores = _scores(model, criterion, loss, layers)
    # what is masked already is the least important of all
    scores = {name: s.masked_fill(~earlier[name], -torch.inf) for name, s in scores.items()}
    if isinstance(sparsity, Mapping):
        masks = {name: lowest_pruned(scores[name], share) for name, share in sparsity.items()}
    elif scope == "layer":
        masks = {name: lowest_pruned(each, sparsity) for name, each in scores.items()}
    else:
        masks = _one_threshold(scores, sparsity)
    masks = {name: mask & earlier[name] for name, mask in masks.items()}
    _check_no_layer_is_empty(masks)
    return with_masks(model, masks)


def _scores(
    model: nn.Module,
    criterion: str | Scores | Callable[[nn.Module], Scores],
    loss: Loss | None,
    layers: Mapping[str, nn.Module],
) -> dict[str, Tensor]:
    """{layer name: scores} of the layers to prune."""
    if isinstance(criterion, str):
        criterion = _named_criterion(criterion, loss)
    scores = criterion if isinstance(criterion, Mapping) else criterion(model)
    for name, layer in layers.items():
        if name not in scores:
            raise ValueError(f"the criterion gives {name} no scores: name it in `keep`")
        if scores[name].shape != layer.weight.shape:
            raise ValueError(
                f"the scores of {name} are {tuple(scores[name].shape)}, "
                f"its weight {tuple(layer.weight.shape)}"
            )
    return {name: scores[name].detach().float() for name in layers}


def _named_criterion(name: str, loss: Loss | None) -> Callable[[nn.Module], Scores]:
    if name not in CRITERIA:
        raise ValueError(f"criterion is one of {', '.join(CRITERIA)} or scores, got {name!r}")
    if name != "gradient":
        return magnitude_scores if name == "magnitude" else lamp_scores
    if loss is None:
        raise ValueError('criterion "gradient" needs loss=, a function from a model to its loss')
    return lambda model: gradient_scores(model, loss)


def _one_threshold(scores: Scores, sparsity: float) -> dict[str, Tensor]:
    """Masks of all layers that together zero the lowest `sparsity` share of all scores."""
    sizes = [each.numel() for each in scores.values()]
    together = lowest_pruned(torch.cat([each.flatten() for each in scores.values()]), sparsity)
    return {
        name: mask.reshape(scores[name].shape)
        for name, mask in zip(scores, together.split(sizes), strict=True)
    }


def _check_arguments(sparsity: float | Mapping[str, float], scope: str) -> None:
    if scope not in SCOPES:
        raise ValueError(f"scope is one of {', '.join(SCOPES)}, got {scope!r}")
    if isinstance(sparsity, Mapping):
        for name, share in sparsity.items():
            check_sparsity(share, f"the sparsity of {name}")
    else:
        check_sparsity(sparsity)


def _check_no_layer_is_empty(masks: Mapping[str, Tensor]) -> None:
    empty = [name for name, mask in masks.items() if not mask.any()]
    if empty:
        raise ValueError(
            f"no weight would be left in {', '.join(empty)}, and nothing would pass: prune less, "
            'take criterion="lamp" or scope="layer", or name it in `keep`'
        )
