"""Checks of chapter 07: depthwise convolution, its cost, and its arithmetic intensity."""

import torch
import torch.nn.functional as F

from edu_lib.teach.checks.checker import exercise
from edu_lib.teach.checks.compare import as_number, is_close, tensor_fault


@exercise("ch07.depthwise", points=3)
def depthwise(depthwise_conv):
    """depthwise_conv(X, weight) -> each channel of X [C, H, W] convolved with weight [C, k, k]."""
    generator = torch.Generator().manual_seed(7)
    for C, H, W, k in ((1, 5, 5, 3), (3, 6, 8, 3), (4, 7, 5, 5)):
        X = torch.randn(C, H, W, generator=generator)
        weight = torch.randn(C, k, k, generator=generator)
        expected = F.conv2d(X[None], weight[:, None], groups=C)[0]
        answer = depthwise_conv(X.clone(), weight.clone())
        fault = tensor_fault(answer, expected)
        if fault and isinstance(answer, torch.Tensor):
            summed = expected.sum(0)
            if answer.shape == summed.shape and not tensor_fault(answer, summed):
                fault = "you summed over the channels; a depthwise convolution keeps them apart"
            flipped = F.conv2d(X[None], weight.flip(1, 2)[:, None], groups=C)[0]
            if not tensor_fault(answer, flipped):
                fault = "your kernel is turned by 180 degrees; networks do not turn it"
        yield not fault, f"for X [{C}, {H}, {W}] and k = {k}: {fault}."


@exercise("ch07.macs", points=2)
def macs(separable_macs):
    """separable_macs(H, W, C, D, k) -> multiplications of a separable k x k convolution."""
    for H, W, C, D, k in ((1, 1, 1, 1, 1), (56, 56, 64, 128, 3), (7, 5, 16, 8, 5)):
        expected = H * W * C * (k * k + D)
        answer = as_number(separable_macs(H, W, C, D, k))
        hint = f"{H} x {W} outputs, {C} to {D} channels, k = {k}: {expected:,} MACs, not {answer:g}"
        if answer == H * W * C * D * (k * k + 1):
            hint += "; the depthwise part makes C channels, not C times D"
        elif answer == H * W * C * D * k * k:
            hint += "; that is the standard convolution"
        elif answer == H * W * (k * k * D + C * D):
            hint += "; the depthwise part works on the C input channels"
        yield answer == expected, f"{hint}."


@exercise("ch07.intensity", points=2)
def intensity(flop_per_byte):
    """flop_per_byte(macs, inputs, outputs, weights) -> FLOP for each byte moved, float32."""
    for count, inputs, outputs, weights in ((8, 1, 1, 2), (4_718_592, 8192, 8192, 576)):
        expected = 2 * count / (4 * (inputs + outputs + weights))
        answer = flop_per_byte(count, inputs, outputs, weights)
        hint = (
            f"{count:,} MACs over {inputs + outputs + weights:,} numbers: {expected:.3g} FLOP/byte"
        )
        if is_close(answer, expected / 2):
            hint += "; a MAC is two FLOPs"
        elif is_close(answer, 4 * expected):
            hint += "; a float32 number has 4 bytes"
        yield is_close(answer, expected), f"{hint}."
