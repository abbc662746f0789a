"""What an operation does to channel numbers.

A rule takes the tracer and the operation's arguments, in which tensors are replaced by the numbers
of their entries and parameters by a `Stored`. It returns the numbers of the result, or None where
the operation mixes channels in a way that cannot be followed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from edu_lib.techniques.pruning.channels.graph import CARRIES, MAKES, READS, Stored
from edu_lib.techniques.pruning.channels.moves import (
    joined,
    pad,
    part,
    reduction,
    reshaped,
    same_channels,
    turned,
)
from edu_lib.techniques.pruning.channels.numbers import KEPT, along

if TYPE_CHECKING:
    from edu_lib.techniques.pruning.channels.tracer import ChannelTracer

aten = torch.ops.aten


def convolution(
    tracer: "ChannelTracer",
    X: Tensor,
    weight: Stored,
    bias: Stored | None = None,
    stride: object = None,
    padding: object = None,
    dilation: object = None,
    groups: int = 1,
) -> Tensor | None:
    """X [N, C, ...], weight [out_channels, C / groups, ...]."""
    inputs = along(X, 1)
    if inputs is None:
        return None
    out_channels = weight.shape[0]
    if groups > 1 and weight.shape[1] == 1:  # depthwise: a filter belongs to its input
        outputs = inputs.repeat_interleave(out_channels // groups)
        tracer.add_place(weight, 0, outputs, CARRIES)
    else:
        outputs = tracer.new_channels(weight.layer, out_channels)
        if groups > 1:  # the same position of every group goes: groups stay equally wide
            for channels in (inputs.reshape(groups, -1), outputs.reshape(groups, -1)):
                tracer.numbers.tie(channels, channels[0])
        tracer.add_place(weight, 0, outputs, MAKES)
        tracer.add_place(weight, 1, inputs[: weight.shape[1]], READS)
    tracer.add_multiplications(weight)
    if isinstance(bias, Stored):
        tracer.add_place(bias, 0, outputs, CARRIES)
    return tracer.spread(outputs)


def linear(
    tracer: "ChannelTracer", X: Tensor, weight: Stored, bias: Stored | None = None
) -> Tensor | None:
    """X [..., in_features], weight [out_features, in_features]."""
    inputs = along(X, -1)
    if inputs is None:
        return None
    outputs = tracer.new_channels(weight.layer, weight.shape[0])
    tracer.add_place(weight, 0, outputs, MAKES)
    tracer.add_place(weight, 1, inputs, READS)
    tracer.add_multiplications(weight)
    if isinstance(bias, Stored):
        tracer.add_place(bias, 0, outputs, CARRIES)
    return outputs.expand(tracer.shape)


def one_value_a_channel(tracer: "ChannelTracer", X: Tensor, *others: object) -> Tensor | None:
    """Batch norm and PReLU: their parameters have one value for each channel of X [N, C, ...]."""
    channels = along(X, 1)
    if channels is None:
        return None
    for stored in others:
        if isinstance(stored, Stored) and stored.shape == (len(channels),):
            tracer.add_place(stored, 0, channels, CARRIES)
    return X


def pointwise(tracer: "ChannelTracer", *operands: object, **_: object) -> Tensor | None:
    """Entry by entry: what is added or multiplied must stay or go together."""
    tensors = [each for each in operands if isinstance(each, Tensor)]
    result = tensors[0].expand(tracer.shape)
    for other in tensors[1:]:
        tracer.numbers.tie(result, other)
    for stored in operands:
        if isinstance(stored, Stored) and not _place_pointwise(tracer, stored, result):
            return None
    return result


def _place_pointwise(tracer: "ChannelTracer", stored: Stored, result: Tensor) -> bool:
    """Enters a parameter that is broadcast to the result; False if that is not understood."""
    for dim, size in enumerate(stored.shape):
        position = dim + result.dim() - len(stored.shape)
        differ = result.amin(position) != result.amax(position)
        if size > 1 and differ.any():
            channels = along(result, position)
            if channels is None:
                return False
            tracer.add_place(stored, dim, channels, CARRIES)
    return True


def softmax(tracer: "ChannelTracer", X: Tensor, *rest: object) -> Tensor:
    """The classes share one sum: what a softmax compares are answers, and they stay."""
    tracer.numbers.tie(X, torch.tensor(KEPT))
    return X


def unchanged(tracer: "ChannelTracer", X: Tensor, *rest: object, **_: object) -> Tensor:
    """Dropout in evaluation mode and changes of type."""
    return X


RULES: dict[object, Callable[..., object]] = {
    **dict.fromkeys((aten.conv1d, aten.conv2d, aten.conv3d), convolution),
    aten.linear: linear,
    **dict.fromkeys((aten.batch_norm, aten.prelu), one_value_a_channel),
    **dict.fromkeys(
        (aten.max_pool1d, aten.max_pool2d, aten.avg_pool1d, aten.avg_pool2d,
         aten.adaptive_avg_pool1d, aten.adaptive_avg_pool2d, aten.upsample_nearest2d,
         aten.upsample_bilinear2d, aten.upsample_bicubic2d),
        same_channels,
    ),
    **dict.fromkeys((aten.pad, aten.constant_pad_nd), pad),
    **dict.fromkeys((aten.mean, aten.sum, aten.amax, aten.amin), reduction),
    **dict.fromkeys((aten.softmax, aten.log_softmax), softmax),
    **dict.fromkeys(
        (aten.dropout, aten.dropout_, aten.feature_dropout, aten.to, aten.contiguous, aten.detach),
        unchanged,
    ),
    **dict.fromkeys((aten.hardswish, aten.hardswish_), pointwise),
    aten.cat: joined,
    **dict.fromkeys((aten.view, aten.reshape, aten.flatten, aten.unflatten), reshaped),
    **{each: turned(each) for each in (aten.permute, aten.transpose, aten.unsqueeze)},
    **{each: part(each) for each in (aten.slice, aten.split, aten.chunk)},
}  # fmt: skip
