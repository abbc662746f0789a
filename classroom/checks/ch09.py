"""Checks of chapter 09: integers of a grid, scales of channels, a folded batch norm."""

import torch
import torch.nn.functional as F

from classroom.checks.checker import exercise
from classroom.checks.compare import WrongForm, parts, tensor_case


@exercise("ch09.quantize", points=3, cases=4)
def quantize(student_quantize):
    """quantize(X, scale, zero_point, qmax) -> int64 of X's shape, from 0 to qmax."""
    X = torch.tensor([[0.3, 7.0], [-1.0, -9.0]])
    answer = student_quantize(X, 0.5, 2, 7)
    if not isinstance(answer, torch.Tensor):
        raise WrongForm(f"return an int64 tensor of PyTorch, yours is {type(answer).__name__}.")
    yield (
        answer.dtype == torch.int64,
        f"return an int64 tensor, yours is {answer.dtype}; .long() makes one.",
    )
    asked = "[0.3, 7; -1, -9] with scale 0.5, zero point 2, qmax 7"
    yield _quantized(answer, X, (0.5, 2, 7), asked)
    generator = torch.Generator().manual_seed(9)
    X = torch.randn(50, generator=generator)
    answer = student_quantize(X, 0.03, 128, 255)
    yield _quantized(answer, X, (0.03, 128, 255), "50 random numbers, scale 0.03, zero point 128")


def _quantized(answer, X, grid, asked):
    scale, zero, qmax = grid
    steps = torch.round(X / scale)
    mistakes = {
        "what lies above the grid ends at qmax: clamp to qmax": (steps + zero).clamp(min=0),
        "what lies below the grid ends at 0: clamp to 0": (steps + zero).clamp(max=qmax),
        "clamp to the grid, 0 to qmax": steps + zero,
        "add the zero point": steps.clamp(0, qmax),
        "add the zero point before you clamp": steps.clamp(0, qmax) + zero,
        "add the zero point, do not subtract it": (steps - zero).clamp(0, qmax),
        "round to the nearest, do not cut": ((X / scale).long() + zero).clamp(0, qmax),
        "round to the nearest, not down": ((X / scale).floor() + zero).clamp(0, qmax),
        "divide by the scale, do not multiply": ((X * scale).round() + zero).clamp(0, qmax),
        "divide by the scale before you round": ((X.round() / scale).round() + zero).clamp(0, qmax),
    }
    expected = (steps + zero).clamp(0, qmax)
    why = "round(X / scale) + zero_point, held between 0 and qmax"
    return tensor_case(answer, expected, asked, why, mistakes, tolerance=0)


@exercise("ch09.scales", points=2, cases=5)
def scales(channel_scales):
    """channel_scales(weight, bits) -> [out_channels], largest magnitude over largest integer."""
    generator = torch.Generator().manual_seed(9)
    for shape, bits in (((3, 2, 3, 3), 8), ((4, 5), 4), ((2, 1, 5, 5), 2), ((3, 3, 1, 1), 8)):
        weight = torch.randn(shape, generator=generator)
        largest = 2 ** (bits - 1) - 1
        expected = weight.abs().flatten(1).amax(dim=1) / largest
        mistakes = {
            "a large negative weight counts too: take magnitudes": weight.flatten(1).amax(1)
            / largest,
            "a signed grid of b bits ends at 2^(b - 1) - 1": expected * largest / (2**bits - 1),
            "a signed grid of b bits ends at 2^(b - 1) - 1, one less than 2^(b - 1)": expected
            * largest
            / 2 ** (bits - 1),
            "one scale for each output channel, not one for the layer": weight.abs().max()
            / largest,
            "the scale is the largest magnitude over the largest integer, not over 1": expected
            * largest,
            "output channels are the first dimension, not the second": weight.transpose(0, 1)
            .abs()
            .flatten(1)
            .amax(dim=1)
            / largest,
            "return a tensor of shape [out_channels]": expected.reshape(
                -1, *[1] * (weight.dim() - 1)
            ),
        }
        asked, why = f"weight {list(shape)} with {bits} bits", "largest |w| over largest integer"
        yield tensor_case(channel_scales(weight, bits), expected, asked, why, mistakes, 1e-6)


@exercise("ch09.fold", points=3, cases=7)
def fold(student_fold):
    """fold(weight, bias, gamma, beta, mean, variance, eps) -> weight and bias that do it all."""
    generator = torch.Generator().manual_seed(9)
    weight = torch.randn(4, 3, 3, 3, generator=generator)
    bias, gamma, beta, mean = torch.randn(4, 4, generator=generator)
    variance = torch.rand(4, generator=generator) + 0.01
    X = torch.randn(2, 3, 6, 6, generator=generator)
    for eps in (0.5, 1e-5):
        answer = student_fold(weight, bias, gamma, beta, mean, variance, eps)
        new_weight, new_bias = parts(answer, "weight", "bias")
        gain = gamma / (variance + eps).sqrt()
        mistakes = {
            "add eps to the variance": weight * (gamma / variance.sqrt())[:, None, None, None],
            "divide by the root of the variance": weight
            * (gamma / (variance + eps))[:, None, None, None],
            "eps stands under the root": weight
            * (gamma / (variance.sqrt() + eps))[:, None, None, None],
            "gamma multiplies too": weight * (variance + eps).rsqrt()[:, None, None, None],
            "the batch norm's work is missing": weight,
        }
        why = "each output channel is multiplied by its gain, gamma / sqrt(variance + eps)"
        wanted = weight * gain[:, None, None, None]
        yield tensor_case(new_weight, wanted, f"the weight, eps {eps:g}", why, mistakes)
        mistakes = {
            "the convolution's own bias counts: b - mean": beta - gain * mean,
            "the gain multiplies b - mean": beta + bias - mean,
            "the gain multiplies the bias and the mean": beta + gain * bias - mean,
            "the mean is subtracted": beta + gain * (bias + mean),
            "beta is added": gain * (bias - mean),
            "the batch norm's work on the bias is missing": bias,
            "subtract the mean": gain * bias + beta,
        }
        why = "b' = gain * (b - mean) + beta"
        wanted = beta + gain * (bias - mean)
        yield tensor_case(new_bias, wanted, f"the bias, eps {eps:g}", why, mistakes)
        whole = F.batch_norm(F.conv2d(X, weight, bias), mean, variance, gamma, beta, eps=eps)
        folded = F.conv2d(X, new_weight, new_bias)
        why = "the convolution alone gives what both gave"
        yield tensor_case(folded, whole, "the outputs", why, tolerance=1e-3)


@exercise("ch09.ste", points=2, cases=5)
def straight_through(round_ste):
    """round_ste(X) -> round(X), with a gradient as if it were X."""
    for values, slope in (([0.2, 1.7, -2.4], 1.0), ([[0.5, -0.6], [3.0, 9.9]], 2.5)):
        X = torch.tensor(values, requires_grad=True)
        answer = round_ste(X)
        why = "forward it rounds: X + (torch.round(X) - X).detach()"
        mistakes = {"forward it must round": X, "round to the nearest, do not cut": X.trunc(),
                    "round to the nearest, not down": X.floor()}  # fmt: skip
        yield tensor_case(answer, X.detach().round(), f"round_ste({values})", why, mistakes, 1e-6)
        if not answer.requires_grad:
            raise WrongForm("the gradient is cut: detach the rounding error alone, not X itself.")
        (gradient,) = torch.autograd.grad(slope * answer.sum(), X)
        mistakes = {
            "a plain rounding has gradient 0: hide its error from autograd with .detach()": 0 * X,
            "the gradient goes straight through: 1, not 2": 2 * slope * torch.ones_like(X),
            "the gradient goes straight through with its sign": -slope * torch.ones_like(X),
        }
        expected = slope * torch.ones_like(X)
        why = "the gradient of round_ste(X) by X is 1 everywhere"
        yield tensor_case(gradient, expected, "the gradient", why, mistakes, 1e-6)


@exercise("ch09.int_linear", points=4, cases=4)
def int_linear(student_linear):
    """int_linear(qx, zx, qw, bias32, m0, shift) -> int64 [N, out], from 0 to 255."""
    generator = torch.Generator().manual_seed(90)
    for zx, shift in ((0, 30), (7, 31), (128, 28)):
        qx = torch.randint(0, 256, (5, 40), generator=generator)
        qw = torch.randint(-127, 128, (6, 40), generator=generator)
        bias32 = torch.randint(-9000, 9000, (6,), generator=generator)
        m0 = torch.randint(2**23, 2**24, (6,), generator=generator)
        answer = student_linear(qx, zx, qw, bias32, m0, shift)
        if isinstance(answer, torch.Tensor) and answer.is_floating_point():
            raise WrongForm(f"return integers, yours are {answer.dtype}: a chip without floats.")
        total = (qx - zx) @ qw.T + bias32
        half = 1 << (shift - 1)
        expected = ((total * m0 + half) >> shift).clamp(0, 255)
        mistakes = {
            "subtract the zero point from the inputs": (
                ((qx @ qw.T + bias32) * m0 + half) >> shift
            ).clamp(0, 255),
            "add the bias to the sums, before the multiplication": (
                (((total - bias32) * m0 + half) >> shift) + bias32
            ).clamp(0, 255),
            "the bias is missing": (((total - bias32) * m0 + half) >> shift).clamp(0, 255),
            "a shift alone cuts: add half of 2^shift first": ((total * m0) >> shift).clamp(0, 255),
            "the outputs are bytes: clamp to 0 and 255": (total * m0 + half) >> shift,
            "the largest byte is 255": ((total * m0 + half) >> shift).clamp(0, 127),
            "sums are no bytes yet: multiply by m0 and shift": total,
            "shift back after the multiplication": (total * m0).clamp(0, 255),
        }
        why = "((qx - zx) qw^T + bias32) * m0, plus half, shifted by shift, held in 0 to 255"
        asked = f"inputs [5, 40] with zero point {zx}, shift {shift}"
        yield tensor_case(_whole(answer), expected.double(), asked, why, {
            name: wrong.double() for name, wrong in mistakes.items()}, tolerance=0)  # fmt: skip


def _whole(answer):
    return answer.double() if isinstance(answer, torch.Tensor) else answer
