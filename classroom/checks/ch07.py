"""Checks of chapter 07: depthwise convolution, its cost, its intensity, the nearest pair."""

import torch
import torch.nn.functional as F

from classroom.checks.checker import exercise
from classroom.checks.compare import WrongForm, number_case, parts, tensor_case


@exercise("ch07.depthwise", points=3, cases=5)
def depthwise(depthwise_conv):
    """depthwise_conv(X, weight) -> each channel of X [C, H, W] convolved with weight [C, k, k]."""
    generator = torch.Generator().manual_seed(7)
    for C, H, W, k in ((1, 5, 5, 3), (3, 6, 8, 3), (4, 7, 5, 5), (2, 4, 9, 1)):
        X = torch.randn(C, H, W, generator=generator)
        weight = torch.randn(C, k, k, generator=generator)
        expected = F.conv2d(X[None], weight[:, None], groups=C)[0]
        turned = F.conv2d(X[None], weight.flip(1, 2)[:, None], groups=C)[0]
        first = F.conv2d(X[None], weight[:1].expand(C, 1, k, k), groups=C)[0]
        mistakes = {
            "do not turn the kernel by 180 degrees: networks do not": turned,
            "you summed over the channels; a depthwise convolution keeps them apart": expected.sum(
                0
            ),
            "the sum over the channels stands in every channel; keep them apart": expected.sum(
                0, keepdim=True
            ).expand_as(expected),
            "each channel has its own kernel, not the first one": first,
            "add the products, do not take their mean": expected / k**2,
            "take the dimension of size 1 away": expected[None],
        }
        asked = f"X [{C}, {H}, {W}] and k = {k}"
        why = "Y[c, i, j] is the sum of X[c, i:i+k, j:j+k] * weight[c]"
        yield tensor_case(depthwise_conv(X, weight), expected, asked, why, mistakes)


@exercise("ch07.macs", points=2, cases=3)
def macs(separable_macs):
    """separable_macs(H, W, C, D, k) -> multiplications of a separable k x k convolution."""
    for H, W, C, D, k in ((2, 3, 5, 7, 3), (56, 56, 64, 128, 3), (7, 5, 16, 8, 5)):
        depthwise, pointwise = H * W * C * k * k, H * W * C * D
        mistakes = {
            "the depthwise part makes C channels, not C times D": depthwise * D + pointwise,
            "that is the standard convolution": depthwise * D,
            "the depthwise part works on the C input channels": H * W * (k * k * D + C * D),
            "that is the depthwise part alone: the pointwise part follows": depthwise,
            "that is the pointwise part alone: the depthwise part comes first": pointwise,
            "a kernel has k * k weights": H * W * C * (k + D),
            "each weight works once an output pixel": C * (k * k + D),
            "a MAC is one multiplication with its addition: count it once": 2
            * (depthwise + pointwise),
        }
        asked = f"MACs of {H} x {W} outputs, {C} to {D} channels, k = {k}"
        why = "k * k a channel for the depthwise part, C a channel for the pointwise part"
        answer = separable_macs(H, W, C, D, k)
        yield number_case(answer, depthwise + pointwise, asked, why, mistakes, 1e-9)


@exercise("ch07.intensity", points=2, cases=3)
def intensity(flop_per_byte):
    """flop_per_byte(macs, inputs, outputs, weights) -> FLOP for each byte moved, float32."""
    for count, inputs, outputs, weights in (
        (12, 1, 2, 6),
        (4_718_592, 8192, 8192, 576),
        (1000, 10, 300, 7000),
    ):
        moved = inputs + outputs + weights
        expected = 2 * count / (4 * moved)
        mistakes = {
            "a MAC is two FLOPs": expected / 2,
            "a float32 number has 4 bytes": 4 * expected,
            "a MAC is two FLOPs, and a float32 number has 4 bytes": 2 * expected,
            "FLOPs a byte, not bytes a FLOP": 1 / expected,
            "the weights move too": 2 * count / (4 * (inputs + outputs)),
            "the outputs move too": 2 * count / (4 * (inputs + weights)),
            "the inputs move too": 2 * count / (4 * (outputs + weights)),
        }
        asked = f"FLOP a byte of {count:,} MACs over {moved:,} numbers"
        why = "a MAC is two FLOPs, a float32 number has 4 bytes"
        answer = flop_per_byte(count, inputs, outputs, weights)
        yield number_case(answer, expected, asked, why, mistakes)


@exercise("ch07.rank_one", points=3, cases=5)
def rank_one(student_rank_one):
    """rank_one(weight [D, C, k, k]) -> (depthwise [C, k, k], pointwise [D, C]), the nearest."""
    generator = torch.Generator().manual_seed(70)
    for D, C, k in ((4, 3, 3), (6, 2, 5)):
        weight = torch.randn(D, C, k, k, generator=generator)
        answer = student_rank_one(weight)
        depthwise, pointwise = parts(answer, "depthwise", "pointwise")
        for name, got, shape in (
            ("depthwise", depthwise, (C, k, k)),
            ("pointwise", pointwise, (D, C)),
        ):
            if not isinstance(got, torch.Tensor) or tuple(got.shape) != shape:
                shown = list(got.shape) if isinstance(got, torch.Tensor) else type(got).__name__
                raise WrongForm(f"{name} has shape {list(shape)}, yours is {shown}.")
        U, S, V = torch.linalg.svd(weight.permute(1, 0, 2, 3).flatten(2), full_matrices=False)
        pair = pointwise[:, :, None, None] * depthwise
        first = U[:, :, 0].T[:, :, None, None] * V[:, 0].reshape(C, k, k)
        last = U[:, :, -1].T[:, :, None, None] * V[:, -1].reshape(C, k, k)
        mistakes = {
            "the singular value is missing: multiply one of the two by it": first,
            "the singular value belongs to the pair once, not twice": first
            * S[:, 0].square()[:, None, None],
            "the largest singular value comes first, not last": last * S[:, -1][:, None, None],
            "one mean kernel for all outputs is not the nearest": weight.mean(
                0, keepdim=True
            ).expand_as(weight),
        }
        expected = first * S[:, 0][:, None, None]
        asked = f"the pair for a weight {list(weight.shape)}"
        why = "for each input channel c: svd of weight[:, c] as a table [D, k * k], its first part"
        yield tensor_case(pair, expected, asked, why, mistakes, 1e-3)
        error, best = float((pair - weight).norm()), float((expected - weight).norm())
        yield error <= best * 1.001, f"the pair is off by {error:.2f}, the nearest by {best:.2f}."
