"""Which weights matter least? An importance gives every weight a score; the lowest are pruned."""

from collections.abc import Callable, Collection, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from edu_lib.copies import copied
from edu_lib.techniques.pruning.masks import prunable_layers, prunable_weights

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


def nm_mask(weight: Tensor, n: int = 2, m: int = 4) -> Tensor:
    """Mask that keeps the n largest magnitudes of every m neighbours along the inputs.

    weight: [out_channels, in_channels, ...]. Neighbours are m inputs of the same output at the same
    place of the kernel, since a matrix product sums over them. Returns bool, of weight's shape.
    Raises ValueError unless 1 <= n <= m and m divides in_channels.
    Source: Mishra et al. 2021, "Accelerating Sparse Deep Neural Networks" (2:4).
    Taught in chapter 08.
    """
    if not 1 <= n <= m:
        raise ValueError(f"n of m weights stay: 1 <= n <= m, got {n}:{m}")
    if weight.dim() < 2 or weight.shape[1] % m:
        raise ValueError(f"the inputs must come in groups of {m}, got {tuple(weight.shape)}")
    groups = weight.abs().movedim(1, -1).unflatten(-1, (-1, m))
    largest = groups.topk(n, dim=-1).indices
    mask = torch.zeros_like(groups, dtype=torch.bool).scatter(-1, largest, True)
    return mask.flatten(-2).movedim(-1, 1).contiguous()


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
    scored = copied(model)
    layers = prunable_layers(scored)
    with parametrize.cached():  # a computed weight is one tensor in all of this
        weights = [layer.weight for layer in layers.values()]
        total = [torch.zeros_like(weight) for weight in weights]
        for value in each_loss(loss, scored):
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


def gradients(value: Tensor, parameters: list[Tensor]) -> list[Tensor]:
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


def check_sparsity(sparsity: float, name: str = "sparsity") -> None:
    """Raises ValueError unless 0 <= sparsity < 1."""
    if not 0 <= sparsity < 1:
        raise ValueError(
            f"{name} is a share and must be in [0, 1), got {sparsity}; 0.9 prunes nine of ten"
        )


def check_layer_names(names: Collection[str], layers: Collection[str], where: str) -> None:
    """Raises ValueError if one of the names is not a layer."""
    unknown = [name for name in names if name not in layers]
    if unknown:
        raise ValueError(
            f"{where} names {', '.join(map(repr, unknown))}, the layers are {', '.join(layers)}"
        )
