"""Checks of chapter 09: integers of a grid, scales of channels, a folded batch norm."""

import torch
import torch.nn.functional as F

from edu_lib.teach.checks.checker import exercise
from edu_lib.teach.checks.compare import tensor_fault


@exercise("ch09.quantize", points=3)
def quantize(student_quantize):
    """quantize(X, scale, zero_point, qmax) -> int64 of X's shape, from 0 to qmax."""
    X = torch.tensor([[0.3, 7.0], [-1.0, -9.0]])
    answer = student_quantize(X.clone(), 0.5, 2, 7)
    kind = getattr(answer, "dtype", type(answer).__name__)
    yield kind == torch.int64, f"return an int64 tensor, yours is {kind}; .long() makes one."
    if not isinstance(answer, torch.Tensor):
        return
    expected = torch.tensor([[3, 7], [0, 0]])
    fault = tensor_fault(answer, expected, tolerance=0)
    if not fault:
        yield True, ""
    else:
        hint = f"[0.3, 7; -1, -9] with scale 0.5, zero point 2, qmax 7 gives {expected.tolist()}"
        if answer.shape == X.shape and int(answer.max()) > 7:
            hint += "; 7 lies outside the grid: clamp to qmax"
        elif answer.shape == X.shape and int(answer.min()) < 0:
            hint += "; -9 lies outside the grid: clamp to 0"
        elif answer.shape == X.shape and int(answer[0, 0]) == 2:
            hint += "; 0.3 / 0.5 is nearer to 1 than to 0: round, do not cut"
        yield False, f"{hint}, yours gives {answer.tolist()}."
    generator = torch.Generator().manual_seed(9)
    X = torch.randn(50, generator=generator)
    expected = (torch.round(X / 0.03) + 128).clamp(0, 255).long()
    fault = tensor_fault(student_quantize(X.clone(), 0.03, 128, 255), expected, tolerance=0)
    yield not fault, f"for 50 random numbers with scale 0.03 and zero point 128: {fault}."


@exercise("ch09.scales", points=2)
def scales(channel_scales):
    """channel_scales(weight, bits) -> [out_channels], largest magnitude over largest integer."""
    generator = torch.Generator().manual_seed(9)
    for shape, bits in (((3, 2, 3, 3), 8), ((4, 5), 4), ((2, 1, 5, 5), 2)):
        weight = torch.randn(shape, generator=generator)
        expected = weight.abs().flatten(1).amax(dim=1) / (2 ** (bits - 1) - 1)
        answer = channel_scales(weight.clone(), bits)
        fault = tensor_fault(answer, expected, tolerance=1e-6)
        if fault and isinstance(answer, torch.Tensor) and answer.shape == expected.shape:
            signed = weight.flatten(1).amax(dim=1) / (2 ** (bits - 1) - 1)
            if not tensor_fault(answer, signed, tolerance=1e-6):
                fault = "a large negative weight counts too: take magnitudes"
            if not tensor_fault(answer, expected * (2 ** (bits - 1) - 1) / (2**bits - 1)):
                fault = "a signed grid of b bits ends at 2^(b - 1) - 1"
        elif isinstance(answer, torch.Tensor) and answer.numel() == 1:
            fault = "one scale for each output channel, not one for the layer"
        yield not fault, f"weight {list(shape)} with {bits} bits: {fault}."


@exercise("ch09.fold", points=3)
def fold(student_fold):
    """fold(weight, bias, gamma, beta, mean, variance, eps) -> weight and bias that do it all."""
    generator = torch.Generator().manual_seed(9)
    weight = torch.randn(4, 3, 3, 3, generator=generator)
    bias, gamma, beta, mean = torch.randn(4, 4, generator=generator)
    variance = torch.rand(4, generator=generator) + 0.01
    X = torch.randn(2, 3, 6, 6, generator=generator)
    for eps in (1e-5, 0.5):
        expected = F.batch_norm(F.conv2d(X, weight, bias), mean, variance, gamma, beta, eps=eps)
        given = [each.clone() for each in (weight, bias, gamma, beta, mean, variance)]
        answer = student_fold(*given, eps)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            yield False, "return two tensors, the new weight and the new bias."
            return
        new_weight, new_bias = answer
        gain = gamma / (variance + eps).sqrt()
        fault = tensor_fault(new_weight, weight * gain[:, None, None, None])
        if fault:
            yield False, f"the weight: {fault}; each output channel is multiplied by its gain."
            continue
        fault = tensor_fault(new_bias, beta + gain * (bias - mean))
        if fault:
            yield False, f"the bias: {fault}; b' = gain * (b - mean) + beta."
            continue
        fault = tensor_fault(F.conv2d(X, new_weight, new_bias), expected, tolerance=1e-3)
        yield not fault, f"convolution and batch norm give something else: {fault}."
