"""N:M sparsity: of every M neighbouring weights N stay, a pattern that hardware can use."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from edu_lib.techniques.pruning.layers import prunable_weights
from edu_lib.techniques.pruning.masks import masks_of, with_masks


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


def prune_nm(model: nn.Module, n: int = 2, m: int = 4, keep: Collection[str] = ()) -> nn.Module:
    """A copy of the model that wears an n:m mask on every convolution and linear layer.

    keep: names of layers to leave whole, such as a first one with 1 or 3 inputs.
    Masks the model had hold on. Raises ValueError naming a layer whose inputs m does not divide.
    Source and chapter: as `nm_mask`.
    """
    earlier, masks = masks_of(model), {}
    for name, weight in prunable_weights(model, keep).items():
        try:
            masks[name] = nm_mask(weight, n, m) & earlier[name]
        except ValueError as error:
            raise ValueError(f"{name} takes no {n}:{m} mask, name it in `keep`: {error}") from error
    return with_masks(model, masks)
