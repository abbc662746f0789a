"""Which weights matter least? A criterion gives every weight a score; the lowest are pruned."""

import copy
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from edu_lib.techniques.pruning.layers import (
    check_sparsity,
    prunable_layers,
    prunable_weights,
    trained_weight,
)

# A loss takes a model and returns a scalar, or yields one scalar for each mini-batch.
Loss = Callable[[nn.Module], Tensor | Iterable[Tensor]]


def magnitude_mask(weight: Tensor, sparsity: float) -> Tensor:
    """Mask that zeroes the `sparsity` share of `weight` with the smallest magnitude.

    weight: any shape. sparsity: 0 <= s < 1. Returns a bool tensor of weight's shape, True where a
    weight stays; exactly round(s * size) entries are False.
    Raises ValueError if sparsity is outside [0, 1).
    Source: Han et al. 2015, "Learning both Weights and Connections for Efficient Neural Networks",
    section 3. Taught in chapter 08.
    """
    return lowest_pruned(weight.abs(), sparsity)


def lowest_pruned(scores: Tensor, sparsity: float) -> Tensor:
    """Bool mask of the shape of `scores`: False at the round(sparsity * size) lowest scores."""
    check_sparsity(sparsity)
    num_pruned = round(sparsity * scores.numel())
    mask = torch.ones(scores.numel(), dtype=torch.bool, device=scores.device)
    mask[scores.flatten().topk(num_pruned, largest=False).indices] = False
    return mask.reshape(scores.shape)


def magnitude_scores(model: nn.Module) -> dict[str, Tensor]:
    """{layer name: |w|}. Source: Han et al. 2015, section 3. Taught in chapter 08."""
    return {name: weight.abs() for name, weight in prunable_weights(model).items()}


def lamp_scores(model: nn.Module) -> dict[str, Tensor]:
    """{layer name: LAMP score}: a magnitude that knows what is left in its layer.

    The largest weight of each layer scores 1 and no score is higher, so that one threshold for all
    layers leaves every layer at least one weight; inside a layer the order is that of |w|.
    Source: Lee et al. 2021, "Layer-adaptive sparsity for the Magnitude-based Pruning".
    Taught in chapter 08.
    """
    return {name: lamp_score(weight) for name, weight in prunable_weights(model).items()}


def lamp_score(weight: Tensor) -> Tensor:
    """The LAMP score of each weight of one layer, of the layer's shape."""
    squares = weight.double().square().flatten()
    ascending, order = squares.sort()
    # score(u) = w_u^2 / sum over v with |w_v| >= |w_u| of w_v^2
    survivors = ascending.flip(0).cumsum(0).flip(0)
    scores = torch.empty_like(squares)
    scores[order] = ascending / survivors.clamp(min=torch.finfo(torch.double).tiny)
    return scores.reshape(weight.shape).to(weight.dtype)


def gradient_scores(model: nn.Module, loss: Loss) -> dict[str, Tensor]:
    """{layer name: SNIP's connection sensitivity}: how much the loss feels each weight.

    loss: takes a model; returns the scalar loss of a batch, or yields one for each of several.
    It sees a copy of the model, in the model's own mode: its running statistics do not move.
    Meant for a network before its training. The scores of all layers sum to 1.
    Raises ValueError if the loss does not depend on the weights.
    Source: Lee, Ajanthan, Torr 2019, "SNIP: Single-shot Network Pruning based on Connection
    Sensitivity". Taught in chapter 08.
    """
    copied = copy.deepcopy(model)
    layers = prunable_layers(copied)
    weights = [trained_weight(layer) for layer in layers.values()]
    total = [torch.zeros_like(weight) for weight in weights]
    for value in each_loss(loss, copied):
        for summed, gradient in zip(total, gradients(value, weights), strict=True):
            summed += gradient
    # c_j is 1 where connection j is there: dL/dc_j = w_j dL/dw_j
    sensitivity = [(w.detach() * g).abs() for w, g in zip(weights, total, strict=True)]
    # s_j = |dL/dc_j| / sum_k |dL/dc_k|
    sum_of_all = sum(each.sum() for each in sensitivity)
    return {name: s / sum_of_all for name, s in zip(layers, sensitivity, strict=True)}


def each_loss(loss: Loss, model: nn.Module) -> Iterator[Tensor]:
    """The loss of the model, or its losses, one by one."""
    value, num_losses = loss(model), 0
    for each in [value] if isinstance(value, Tensor) else value:
        yield each
        num_losses += 1
    if num_losses == 0:
        raise ValueError("the loss yields nothing: give it at least one batch")


def gradients(value: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    """d value / d parameter for each; zeros where the loss does not reach one.

    Raises ValueError if the value is no scalar or reaches none of the parameters.
    """
    if value.numel() != 1:
        raise ValueError(f"a loss is a scalar, got one of shape {tuple(value.shape)}")
    wanted = [p for p in parameters if p.requires_grad]
    found = ()
    if value.requires_grad and wanted:
        found = torch.autograd.grad(value, wanted, allow_unused=True)
    by_id = {id(p): g for p, g in zip(wanted, found, strict=False) if g is not None}
    if not by_id:
        raise ValueError(
            "the loss does not depend on the model's weights: return loss(model(X), y)"
        )
    return [by_id.get(id(p), torch.zeros_like(p)) for p in parameters]
