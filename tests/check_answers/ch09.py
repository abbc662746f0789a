"""Right and wrong answers to the exercises of chapter 09, with what the hint must say."""

import torch


def quantize(X, scale, zero_point, qmax):
    return (torch.round(X / scale) + zero_point).clamp(0, qmax).long()


def channel_scales(weight, bits):
    return weight.abs().flatten(1).amax(dim=1) / (2 ** (bits - 1) - 1)


def fold(weight, bias, gamma, beta, mean, variance, eps):
    gain = gamma / torch.sqrt(variance + eps)
    return weight * gain[:, None, None, None], gain * (bias - mean) + beta


RIGHT = {"ch09.quantize": quantize, "ch09.scales": channel_scales, "ch09.fold": fold}
WRONG = [
    ("ch09.quantize", lambda X, s, z, m: (torch.round(X / s) + z).clamp(min=0).long(), "to qmax"),
    ("ch09.quantize", lambda X, s, z, m: (torch.round(X / s) + z).clamp(max=m).long(), "to 0"),
    ("ch09.quantize", lambda X, s, z, m: ((X / s).long() + z).clamp(0, m), "do not cut"),
    ("ch09.quantize", lambda X, s, z, m: quantize(X, s, z, m).float(), "int64"),
    ("ch09.scales", lambda w, b: w.abs().max() / (2 ** (b - 1) - 1), "each output channel"),
    ("ch09.scales", lambda w, b: w.flatten(1).amax(1) / (2 ** (b - 1) - 1), "magnitudes"),
    ("ch09.scales", lambda w, b: w.abs().flatten(1).amax(1) / (2**b - 1), r"2\^\(b - 1\) - 1"),
    ("ch09.fold", lambda w, b, g, e, m, v, eps: fold(w, b, g, e, m, v, 0), "the weight"),
    (
        "ch09.fold",
        lambda w, b, g, e, m, v, eps: (fold(w, b, g, e, m, v, eps)[0], b),
        "the bias",
    ),
    ("ch09.fold", lambda w, *others: w, "two tensors"),
]
