"""What an operation does to channel numbers.

A rule takes the tracer and the operation's arguments, in which tensors are replaced by the numbers
of their entries and parameters by a `Stored`. It returns the numbers of the result, or None where
the operation mixes channels in a way that cannot be followed.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from edu_lib.techniques.pruning.channel_graph import CARRIES, MAKES, READS
from edu_lib.techniques.pruning.channel_numbers import (
    KEPT,
    Computed,
    Stored,
    Tracer,
    along,
    equal_parts,
    joined,
    pad,
    part,
    reduction,
    reshaped,
    same_channels,
    tie_groups,
    turned,
    varies,
    widened,
)

aten = torch.ops.aten


# Layers


def convolution(
    tracer: Tracer,
    X: Tensor,
    weight: Stored,
    bias: Stored | None = None,
    stride: object = None,
    padding: object = None,
    dilation: object = None,
    groups: int = 1,
) -> Tensor | None:
    """X [N, C, ...], weight [out_channels, C / groups, ...]."""
    inputs = along(X, 1) if isinstance(X, Tensor) and isinstance(weight, Stored) else None
    if inputs is None:
        return None
    out_channels = weight.shape[0]
    if groups > 1 and weight.shape[1] == 1:  # depthwise: a filter belongs to its input
        outputs = inputs.repeat_interleave(out_channels // groups)
        tracer.add_place(weight, 0, outputs, CARRIES)
    else:
        outputs = tracer.new_channels(weight.layer, out_channels)
        tie_groups(tracer, groups, inputs, outputs)
        tracer.add_place(weight, 0, outputs, MAKES)
        tracer.add_place(weight, 1, inputs[: weight.shape[1]], READS)
    return _biased(tracer, bias, outputs)


def transposed_convolution(
    tracer: Tracer,
    X: Tensor,
    weight: Stored,
    bias: Stored | None = None,
    stride: object = None,
    padding: object = None,
    output_padding: object = None,
    groups: int = 1,
    dilation: object = None,
) -> Tensor | None:
    """X [N, C, ...], weight [C, out_channels / groups, ...]."""
    inputs = along(X, 1) if isinstance(X, Tensor) and isinstance(weight, Stored) else None
    if inputs is None:
        return None
    in_channels, width = weight.shape[:2]
    if groups > 1 and groups == in_channels:  # depthwise
        outputs = inputs.repeat_interleave(width)
        tracer.add_place(weight, 0, inputs, CARRIES)
    else:
        outputs = tracer.new_channels(weight.layer, width * groups)
        tie_groups(tracer, groups, inputs, outputs)
        tracer.add_place(weight, 1, outputs[:width], MAKES)
        tracer.add_place(weight, 0, inputs, READS)
    return _biased(tracer, bias, outputs)


def _biased(tracer: Tracer, bias: Stored | None, outputs: Tensor) -> Tensor:
    if bias is not None:
        tracer.add_place(bias, 0, outputs, CARRIES)
    return tracer.spread(outputs)


def linear(tracer: Tracer, X: Tensor, weight: Stored, bias: Stored | None = None) -> Tensor | None:
    """X [..., in_features], weight [out_features, in_features]."""
    inputs = along(X, -1) if isinstance(X, Tensor) and isinstance(weight, Stored) else None
    if inputs is None:
        return None
    outputs = tracer.new_channels(weight.layer, weight.shape[0])
    tracer.add_place(weight, 0, outputs, MAKES)
    tracer.add_place(weight, 1, inputs, READS)
    if bias is not None:
        tracer.add_place(bias, 0, outputs, CARRIES)
    return outputs.expand(tracer.shape)


def one_value_a_channel(tracer: Tracer, X: Tensor, *others: object) -> Tensor | None:
    """Batch norm, instance norm, PReLU: parameters of one value for each channel of [N, C, ...]."""
    channels = along(X, 1) if isinstance(X, Tensor) else None
    stored = [each for each in others if isinstance(each, Stored)]
    if channels is None or not stored:  # without parameters nothing would state the new size
        return None
    for each in stored:
        if each.shape == (len(channels),):
            tracer.add_place(each, 0, channels, CARRIES)
    return X


# Entry by entry


def pointwise(tracer: Tracer, *operands: object, **_: object) -> Tensor | None:
    """Entry by entry: what is added or multiplied must stay or go together.

    One map for all channels (a gate) stays, and ties no channels to each other.
    """
    tensors = [each for each in operands if isinstance(each, Tensor)]
    shape = tracer.shape
    full = [_aligned(each, len(shape)) for each in tensors]
    lone = [each for each in full if _is_one_for_all(each, full)]
    if any(len(each.unique()) > 1 for each in lone):
        return None
    for each in lone:
        tracer.numbers.tie(each, torch.tensor(KEPT))
    rest = [each for each in full if not any(each is other for other in lone)]
    result = rest[0].expand(shape)
    for other in rest[1:]:
        tracer.numbers.tie(result, other)
    for each in operands:
        if isinstance(each, Stored | Computed) and not _place_pointwise(tracer, each, result):
            return None
    return result


def _aligned(numbers: Tensor, dims: int) -> Tensor:
    return numbers[(None,) * (dims - numbers.dim())]


def _is_one_for_all(numbers: Tensor, operands: list[Tensor]) -> bool:
    """Whether it is broadcast along a dimension in which another operand has several channels."""
    return any(
        size == 1 and other.shape[dim] > 1 and varies(other, dim)
        for dim, size in enumerate(numbers.shape)
        for other in operands
    )


def _place_pointwise(tracer: Tracer, stored: Stored | Computed, result: Tensor) -> bool:
    """Enters a parameter that is broadcast to the result; False if that is not understood."""
    for dim, size in enumerate(stored.shape):
        position = dim + result.dim() - len(stored.shape)
        if size > 1 and varies(result, position):
            channels = along(result, position)
            if channels is None or isinstance(stored, Computed):
                return False
            tracer.add_place(stored, dim, channels, CARRIES)
    return True


def softmax(tracer: Tracer, X: Tensor, dim: int, *rest: object) -> Tensor:
    """The classes share one sum: what a softmax compares are answers, and they stay."""
    if varies(X, dim):
        tracer.numbers.tie(X, torch.tensor(KEPT))
    return X


def unchanged(tracer: Tracer, X: Tensor, *rest: object, **_: object) -> Tensor:
    """Dropout and changes of type."""
    return X


RULES: dict[object, Callable[..., object]] = {
    **dict.fromkeys((aten.conv1d, aten.conv2d, aten.conv3d), convolution),
    **dict.fromkeys(
        (aten.conv_transpose1d, aten.conv_transpose2d, aten.conv_transpose3d),
        transposed_convolution,
    ),
    aten.linear: linear,
    **dict.fromkeys((aten.batch_norm, aten.instance_norm, aten.prelu), one_value_a_channel),
    **dict.fromkeys(
        (aten.max_pool1d, aten.max_pool2d, aten.max_pool3d, aten.max_pool2d_with_indices,
         aten.avg_pool1d, aten.avg_pool2d, aten.avg_pool3d,
         aten.adaptive_avg_pool1d, aten.adaptive_avg_pool2d, aten.adaptive_avg_pool3d,
         aten.adaptive_max_pool1d, aten.adaptive_max_pool2d, aten.adaptive_max_pool3d,
         aten.upsample_nearest1d, aten.upsample_nearest2d, aten.upsample_nearest3d,
         aten.upsample_linear1d, aten.upsample_bilinear2d, aten.upsample_bicubic2d,
         aten.upsample_trilinear3d),
        same_channels,
    ),
    **dict.fromkeys((aten.pad, aten.constant_pad_nd), pad),
    **dict.fromkeys((aten.mean, aten.sum, aten.amax, aten.amin), reduction),
    **dict.fromkeys((aten.softmax, aten.log_softmax), softmax),
    **dict.fromkeys(
        (aten.dropout, aten.dropout_, aten.feature_dropout, aten.feature_dropout_, aten.to,
         aten.contiguous, aten.detach, aten.clone),
        unchanged,
    ),
    **dict.fromkeys((aten.hardswish, aten.hardswish_), pointwise),
    aten.cat: joined,
    **dict.fromkeys(
        (aten.view, aten.view_as, aten.reshape, aten.flatten, aten.unflatten), reshaped
    ),
    **dict.fromkeys((aten.expand, aten.expand_as), widened),
    **{each: turned(each) for each in (aten.permute, aten.transpose, aten.unsqueeze, aten.squeeze)},
    **{each: part(each, 0) for each in (aten.slice, aten.narrow, aten.select, aten.unbind)},
    **{each: part(each, 1) for each in (aten.split, aten.split_with_sizes)},
    **{each: equal_parts(each) for each in (aten.chunk, aten.tensor_split)},
}  # fmt: skip
MULTIPLY = (convolution, transposed_convolution, linear)
READ_STORED = (*MULTIPLY, one_value_a_channel, pointwise)


def rule_of(operation: object) -> Callable[..., object] | None:
    """The rule of an ATen operation, or None if there is none."""
    if not isinstance(operation, torch._ops.OpOverload):
        return None
    rule = RULES.get(operation.overloadpacket)
    return pointwise if rule is None and torch.Tag.pointwise in operation.tags else rule
