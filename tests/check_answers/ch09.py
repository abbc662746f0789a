"""Answers to the exercises of chapter 09: right ones, and wrong ones with what the hint says."""

import math

import numpy as np
import torch


def folded(W, b, g, e, m, v, eps):
    gain = g / torch.sqrt(v + eps)
    return (W * gain[:, None, None, None], gain * (b - m) + e)


def folded_einsum(W, b, g, e, m, v, eps):
    gain = g * (v + eps).rsqrt()
    return [torch.einsum("o,oikl->oikl", gain, W), e + gain * b - gain * m]


def folded_by_torch(W, b, g, e, m, v, eps):
    return tuple(torch.nn.utils.fusion.fuse_conv_bn_weights(W, b, m, v, eps, g, e))


def folded_in_place(W, b, g, e, m, v, eps):
    gain = g / torch.sqrt(v + eps)
    return (W.mul_(gain[:, None, None, None]), gain * (b - m) + e)


RIGHT = [
    ("ch09.quantize", "clamp", lambda X, s, z, q: (torch.round(X / s) + z).clamp(0, q).long()),
    (
        "ch09.quantize",
        "to int64",
        lambda X, s, z, q: torch.clip((X / s).round() + z, 0, q).to(torch.int64),
    ),
    (
        "ch09.quantize",
        "numpy inside",
        lambda X, s, z, q: torch.from_numpy(
            np.clip(np.rint(X.numpy() / np.float32(s)) + z, 0, q).astype(np.int64)
        ),
    ),
    ("ch09.scales", "amax", lambda W, b: W.abs().flatten(1).amax(1) / (2 ** (b - 1) - 1)),
    (
        "ch09.scales",
        "a list of channels",
        lambda W, b: torch.stack([w.abs().max() for w in W]) / (2 ** (b - 1) - 1),
    ),
    ("ch09.scales", "norm", lambda W, b: W.flatten(1).norm(p=math.inf, dim=1) / (2**b / 2 - 1)),
    ("ch09.fold", "gain", folded),
    ("ch09.fold", "einsum", folded_einsum),
    ("ch09.fold", "PyTorch's own", folded_by_torch),
]
WRONG = [
    (
        "ch09.quantize",
        "no top",
        lambda X, s, z, q: (torch.round(X / s) + z).clamp(min=0).long(),
        "what lies above the grid ends at qmax: clamp to qmax",
    ),
    (
        "ch09.quantize",
        "no bottom",
        lambda X, s, z, q: (torch.round(X / s) + z).clamp(max=q).long(),
        "what lies below the grid ends at 0: clamp to 0",
    ),
    (
        "ch09.quantize",
        "no clamp",
        lambda X, s, z, q: (torch.round(X / s) + z).long(),
        "clamp to the grid, 0 to qmax",
    ),
    (
        "ch09.quantize",
        "cut",
        lambda X, s, z, q: ((X / s).long() + z).clamp(0, q),
        "round to the nearest, do not cut",
    ),
    (
        "ch09.quantize",
        "floor",
        lambda X, s, z, q: ((X / s).floor() + z).clamp(0, q).long(),
        "round to the nearest, do not cut",
    ),
    (
        "ch09.quantize",
        "floats",
        lambda X, s, z, q: (torch.round(X / s) + z).clamp(0, q),
        ".long() makes one",
    ),
    (
        "ch09.quantize",
        "no zero point",
        lambda X, s, z, q: torch.round(X / s).clamp(0, q).long(),
        "add the zero point",
    ),
    (
        "ch09.quantize",
        "clamp first",
        lambda X, s, z, q: torch.round(X / s).clamp(0, q).long() + z,
        "add the zero point before you clamp",
    ),
    (
        "ch09.quantize",
        "multiplied",
        lambda X, s, z, q: (torch.round(X * s) + z).clamp(0, q).long(),
        "divide by the scale, do not multiply",
    ),
    (
        "ch09.quantize",
        "zero point subtracted",
        lambda X, s, z, q: (torch.round(X / s) - z).clamp(0, q).long(),
        "add the zero point, do not subtract it",
    ),
    (
        "ch09.quantize",
        "numpy array",
        lambda X, s, z, q: (torch.round(X / s) + z).clamp(0, q).long().numpy(),
        "return an int64 tensor of PyTorch, yours is ndarray",
    ),
    (
        "ch09.quantize",
        "in place",
        lambda X, s, z, q: X.div_(s).round_().add_(z).clamp_(0, q).long(),
        "changes its argument",
    ),
    (
        "ch09.scales",
        "one for the layer",
        lambda W, b: W.abs().max() / (2 ** (b - 1) - 1),
        "one scale for each output channel, not one for the layer",
    ),
    (
        "ch09.scales",
        "signed",
        lambda W, b: W.flatten(1).amax(1) / (2 ** (b - 1) - 1),
        "a large negative weight counts too: take magnitudes",
    ),
    (
        "ch09.scales",
        "unsigned grid",
        lambda W, b: W.abs().flatten(1).amax(1) / (2**b - 1),
        "a signed grid of b bits ends at 2^(b - 1) - 1",
    ),
    (
        "ch09.scales",
        "2^(b-1)",
        lambda W, b: W.abs().flatten(1).amax(1) / 2 ** (b - 1),
        "a signed grid of b bits ends at 2^(b - 1) - 1, one less than 2^(b - 1)",
    ),
    (
        "ch09.scales",
        "input channels",
        lambda W, b: W.transpose(0, 1).abs().flatten(1).amax(1) / (2 ** (b - 1) - 1),
        "output channels are the first dimension, not the second",
    ),
    (
        "ch09.scales",
        "not divided",
        lambda W, b: W.abs().flatten(1).amax(1),
        "the scale is the largest magnitude over the largest integer, not over 1",
    ),
    (
        "ch09.scales",
        "dimensions kept",
        lambda W, b: W.abs().amax(tuple(range(1, W.dim())), keepdim=True) / (2 ** (b - 1) - 1),
        "return a tensor of shape [out_channels]",
    ),
    (
        "ch09.scales",
        "in place",
        lambda W, b: W.abs_().flatten(1).amax(1) / (2 ** (b - 1) - 1),
        "changes its argument",
    ),
    (
        "ch09.fold",
        "no eps",
        lambda W, b, g, e, m, v, eps: folded(W, b, g, e, m, v, 0),
        "add eps to the variance",
    ),
    (
        "ch09.fold",
        "no root",
        lambda W, b, g, e, m, v, eps: (W * (g / (v + eps))[:, None, None, None], b),
        "divide by the root of the variance",
    ),
    (
        "ch09.fold",
        "bias kept",
        lambda W, b, g, e, m, v, eps: (folded(W, b, g, e, m, v, eps)[0], b),
        "the batch norm's work on the bias is missing",
    ),
    (
        "ch09.fold",
        "bias of the convolution lost",
        lambda W, b, g, e, m, v, eps: folded(W, 0 * b, g, e, m, v, eps),
        "the convolution's own bias counts: b - mean",
    ),
    (
        "ch09.fold",
        "no beta",
        lambda W, b, g, e, m, v, eps: folded(W, b, g, 0 * e, m, v, eps),
        "beta is added",
    ),
    (
        "ch09.fold",
        "no mean",
        lambda W, b, g, e, m, v, eps: folded(W, b, g, e, 0 * m, v, eps),
        "subtract the mean",
    ),
    (
        "ch09.fold",
        "no gamma",
        lambda W, b, g, e, m, v, eps: folded(W, b, torch.ones_like(g), e, m, v, eps),
        "gamma multiplies too",
    ),
    (
        "ch09.fold",
        "gain on the last dimension",
        lambda W, b, g, e, m, v, eps: (W[:, :, :, :1] * g / (v + eps).sqrt(), b),
        "each output channel is multiplied by its gain, gamma / sqrt(variance + eps)",
    ),
    (
        "ch09.fold",
        "weight alone",
        lambda W, b, g, e, m, v, eps: folded(W, b, g, e, m, v, eps)[0],
        "return 2 things, (weight, bias)",
    ),
    ("ch09.fold", "in place", folded_in_place, "changes its argument"),
]


# The straight-through estimator, and a layer of integers


class Through(torch.autograd.Function):
    @staticmethod
    def forward(context, X):
        return X.round()

    @staticmethod
    def backward(context, gradient):
        return gradient


def layer(qx, zx, qw, bias32, m0, shift, half=None, low=0, high=255):
    total = (qx - zx) @ qw.T + bias32
    half = 1 << (shift - 1) if half is None else half
    return ((total * m0 + half) >> shift).clamp(low, high)


def layer_loops(qx, zx, qw, bias32, m0, shift):
    rows = []
    for x in qx.tolist():
        row = []
        for w, b, m in zip(qw.tolist(), bias32.tolist(), m0.tolist(), strict=True):
            total = sum((p - zx) * q for p, q in zip(x, w, strict=True)) + b
            row.append(min(255, max(0, (total * m + 2 ** (shift - 1)) // 2**shift)))
        rows.append(row)
    return torch.tensor(rows)


def layer_folded(qx, zx, qw, bias32, m0, shift):
    total = qx @ qw.T + (bias32 - zx * qw.sum(dim=1))
    return torch.div(total * m0 + 2 ** (shift - 1), 2**shift, rounding_mode="floor").clamp(0, 255)


RIGHT += [
    ("ch09.ste", "detach", lambda X: X + (X.round() - X).detach()),
    ("ch09.ste", "function", Through.apply),
    ("ch09.ste", "subtracted", lambda X: X - (X - torch.round(X)).detach()),
    ("ch09.int_linear", "matrix", layer),
    ("ch09.int_linear", "loops", layer_loops),
    ("ch09.int_linear", "zero point in the bias", layer_folded),
]
WRONG += [
    ("ch09.ste", "plain", torch.round, "a plain rounding has gradient 0"),
    ("ch09.ste", "identity", lambda X: X * 1, "forward it must round"),
    ("ch09.ste", "cut", lambda X: X.detach().round(), "the gradient is cut"),
    ("ch09.ste", "twice", lambda X: 2 * X + (X.round() - 2 * X).detach(), "1, not 2"),
    ("ch09.ste", "down", lambda X: X + (X.floor() - X).detach(), "not down"),
    ("ch09.ste", "sign", lambda X: (X.round() + X).detach() - X, "with its sign"),
    (
        "ch09.int_linear",
        "zero point forgotten",
        lambda qx, zx, *a: layer(qx, 0, *a),
        "subtract the zero point from the inputs",
    ),
    ("ch09.int_linear", "cut", lambda *a: layer(*a, half=0), "a shift alone cuts"),
    (
        "ch09.int_linear",
        "no clamp",
        lambda *a: layer(*a, low=-(2**40), high=2**40),
        "clamp to 0 and 255",
    ),
    (
        "ch09.int_linear",
        "127",
        lambda *a: layer(*a, high=127),
        "the largest byte is 255",
    ),
    (
        "ch09.int_linear",
        "sums",
        lambda qx, zx, qw, b, m0, s: (qx - zx) @ qw.T + b,
        "multiply by m0 and shift",
    ),
    (
        "ch09.int_linear",
        "no bias",
        lambda qx, zx, qw, b, m0, s: layer(qx, zx, qw, 0 * b, m0, s),
        "the bias is missing",
    ),
    (
        "ch09.int_linear",
        "floats",
        lambda qx, zx, qw, b, m0, s: (((qx - zx) @ qw.T + b) * (m0 / 2**s)).round().clamp(0, 255),
        "return integers",
    ),
]
