"""Operations that move entries about: joining, reshaping, pooling, cutting out.

Rules as in `rules`: from the numbers of the arguments to the numbers of the result, or None.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from edu_lib.techniques.pruning.channels.numbers import along

if TYPE_CHECKING:
    from edu_lib.techniques.pruning.channels.tracer import ChannelTracer


def same_channels(tracer: "ChannelTracer", X: Tensor, *rest: object) -> Tensor | None:
    """Pooling and resizing: [N, C, ...] to [N, C, ...] of another size."""
    channels = along(X, 1)
    return None if channels is None else tracer.spread(channels)


def pad(tracer: "ChannelTracer", X: Tensor, *rest: object) -> Tensor | None:
    """Padding of height and width is followed, of channels is not."""
    return same_channels(tracer, X) if X.shape[1] == tracer.shape[1] else None


def reduction(
    tracer: "ChannelTracer", X: Tensor, dims: Sequence[int] = (), keepdim: bool = False, **_: object
) -> Tensor | None:
    """A mean over height and width is followed, over channels is not."""
    dims = () if dims is None else dims
    lowest = X.amin(dims, keepdim)
    return lowest if torch.equal(lowest, X.amax(dims, keepdim)) else None


def joined(tracer: "ChannelTracer", tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """A concatenation: the numbers of one tensor after those of the other."""
    return torch.cat(tensors, dim)


def reshaped(tracer: "ChannelTracer", X: Tensor, *rest: object) -> Tensor | None:
    """X [N, C, ...] to [N, C, ...] or [N, C * ...] is followed; to split channels is not."""
    keeps_channels = tracer.shape[:2] == X.shape[:2]
    flattens = tracer.shape == (len(X), X[0].numel())
    if along(X, 1) is None or not (keeps_channels or flattens):
        return None
    return X.reshape(tracer.shape)


def turned(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Operations that give the dimensions another order, or add one."""
    return lambda tracer, X, *rest: function(X, *rest)


def part(function: Callable[..., object]) -> Callable[..., object]:
    """A part of the image is followed; a part of the channels, counted by position, is not."""

    def rule(tracer: "ChannelTracer", X: Tensor, *rest: object) -> object:
        result = function(X, *rest)
        channels = along(X, 1)
        same = [
            channels is not None and each.dim() == X.dim() and each.shape[1] == len(channels)
            for each in tree_leaves(result)
        ]
        return result if all(same) else None

    return rule
