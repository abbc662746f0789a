"""Answers to the exercises of chapter 07: right ones, and wrong ones with what the hint says."""

import numpy as np
import torch
import torch.nn.functional as F


def depthwise_loops(X, W):
    C, H, width = X.shape
    k = W.shape[-1]
    Y = torch.zeros(C, H - k + 1, width - k + 1)
    for c in range(C):
        for i in range(H - k + 1):
            for j in range(width - k + 1):
                Y[c, i, j] = (X[c, i : i + k, j : j + k] * W[c]).sum()
    return Y


def depthwise_unfold(X, W):
    k = W.shape[-1]
    return torch.einsum("chwij,cij->chw", X.unfold(1, k, 1).unfold(2, k, 1), W)


def depthwise_in_place(X, W):
    Y = depthwise_unfold(X, W)
    X.zero_()
    return Y


RIGHT = [
    ("ch07.depthwise", "loops", depthwise_loops),
    ("ch07.depthwise", "unfold", depthwise_unfold),
    (
        "ch07.depthwise",
        "grouped conv2d",
        lambda X, W: F.conv2d(X[None], W[:, None], groups=len(X))[0],
    ),
    (
        "ch07.depthwise",
        "one conv2d a channel",
        lambda X, W: torch.stack(
            [F.conv2d(x[None, None], w[None, None])[0, 0] for x, w in zip(X, W, strict=True)]
        ),
    ),
    ("ch07.macs", "factored", lambda H, W, C, D, k: H * W * C * (k * k + D)),
    ("ch07.macs", "power", lambda H, W, C, D, k: H * W * (C * k**2 + C * D)),
    ("ch07.macs", "numpy", lambda H, W, C, D, k: np.prod([H, W, C]) * (k**2 + D)),
    ("ch07.intensity", "formula", lambda m, i, o, w: 2 * m / (4 * (i + o + w))),
    ("ch07.intensity", "halves", lambda m, i, o, w: m / 2 / (i + o + w)),
    (
        "ch07.intensity",
        "tensor",
        lambda m, i, o, w: torch.tensor(m / 2, dtype=torch.float64) / (i + o + w),
    ),
]
WRONG = [
    (
        "ch07.depthwise",
        "summed over channels",
        lambda X, W: F.conv2d(X[None], W[None])[0, 0],
        "a depthwise convolution keeps them apart",
    ),
    (
        "ch07.depthwise",
        "kernel turned",
        lambda X, W: depthwise_unfold(X, W.flip(1, 2)),
        "do not turn the kernel by 180 degrees: networks do not",
    ),
    (
        "ch07.depthwise",
        "first kernel for all",
        lambda X, W: depthwise_unfold(X, W[:1].expand_as(W)),
        "each channel has its own kernel, not the first one",
    ),
    (
        "ch07.depthwise",
        "sum in every channel",
        lambda X, W: F.conv2d(X[None], W[None])[0].expand(len(X), -1, -1),
        "keep them apart",
    ),
    (
        "ch07.depthwise",
        "mean for sum",
        lambda X, W: depthwise_unfold(X, W) / W[0].numel(),
        "add the products, do not take their mean",
    ),
    (
        "ch07.depthwise",
        "padded",
        lambda X, W: F.conv2d(X[None], W[:, None], groups=len(X), padding="same")[0],
        "Y[c, i, j] is the sum of X[c, i:i+k, j:j+k] * weight[c]",
    ),
    (
        "ch07.depthwise",
        "batch left",
        lambda X, W: F.conv2d(X[None], W[:, None], groups=len(X)),
        "take the dimension of size 1 away",
    ),
    (
        "ch07.depthwise",
        "input back",
        lambda X, W: X,
        "Y[c, i, j] is the sum of X[c, i:i+k, j:j+k] * weight[c]",
    ),
    ("ch07.depthwise", "in place", depthwise_in_place, "changes its argument"),
    (
        "ch07.macs",
        "C times D maps",
        lambda H, W, C, D, k: H * W * C * D * (k * k + 1),
        "the depthwise part makes C channels, not C times D",
    ),
    (
        "ch07.macs",
        "standard",
        lambda H, W, C, D, k: H * W * C * D * k * k,
        "that is the standard convolution",
    ),
    (
        "ch07.macs",
        "depthwise on D",
        lambda H, W, C, D, k: H * W * (k * k * D + C * D),
        "the depthwise part works on the C input channels",
    ),
    (
        "ch07.macs",
        "no pointwise",
        lambda H, W, C, D, k: H * W * C * k * k,
        "that is the depthwise part alone: the pointwise part follows",
    ),
    (
        "ch07.macs",
        "no depthwise",
        lambda H, W, C, D, k: H * W * C * D,
        "that is the pointwise part alone: the depthwise part comes first",
    ),
    (
        "ch07.macs",
        "weights only",
        lambda H, W, C, D, k: C * k * k + C * D,
        "each weight works once an output pixel",
    ),
    (
        "ch07.macs",
        "k not squared",
        lambda H, W, C, D, k: H * W * C * (k + D),
        "a kernel has k * k weights",
    ),
    (
        "ch07.macs",
        "doubled",
        lambda H, W, C, D, k: 2 * H * W * C * (k * k + D),
        "a MAC is one multiplication with its addition: count it once",
    ),
    (
        "ch07.intensity",
        "mac is one flop",
        lambda m, i, o, w: m / (4 * (i + o + w)),
        "a MAC is two FLOPs",
    ),
    (
        "ch07.intensity",
        "a byte a number",
        lambda m, i, o, w: 2 * m / (i + o + w),
        "a float32 number has 4 bytes",
    ),
    (
        "ch07.intensity",
        "macs a number",
        lambda m, i, o, w: m / (i + o + w),
        "a MAC is two FLOPs, and a float32 number has 4 bytes",
    ),
    (
        "ch07.intensity",
        "no weights",
        lambda m, i, o, w: 2 * m / (4 * (i + o)),
        "the weights move too",
    ),
    (
        "ch07.intensity",
        "no outputs",
        lambda m, i, o, w: 2 * m / (4 * (i + w)),
        "the outputs move too",
    ),
    (
        "ch07.intensity",
        "inverted",
        lambda m, i, o, w: 4 * (i + o + w) / (2 * m),
        "FLOPs a byte, not bytes a FLOP",
    ),
    ("ch07.intensity", "whole", lambda m, i, o, w: 2 * m // (4 * (i + o + w)), "do not round"),
]


# The nearest pair of a standard convolution


def pair_loop(weight):
    depthwise, pointwise = [], []
    for c in range(weight.shape[1]):
        U, S, Vh = torch.linalg.svd(weight[:, c].flatten(1), full_matrices=False)
        depthwise.append(Vh[0].reshape(weight.shape[2:]))
        pointwise.append(S[0] * U[:, 0])
    return torch.stack(depthwise), torch.stack(pointwise, dim=1)


def pair_batch(weight):
    D, C, k, _ = weight.shape
    U, S, Vh = torch.linalg.svd(weight.transpose(0, 1).reshape(C, D, k * k), full_matrices=False)
    root = S[:, :1].sqrt()
    return (root * Vh[:, 0]).reshape(C, k, k), (root * U[:, :, 0]).T


def pair_power(weight):
    """The first singular pair by power iteration, as it was computed by hand once."""
    table = weight.transpose(0, 1).flatten(2)
    v = torch.ones(len(table), table.shape[2])
    for _ in range(500):
        u = torch.einsum("cdk,ck->cd", table, v)
        v = torch.einsum("cdk,cd->ck", table, u / u.norm(dim=1, keepdim=True))
        v = v / v.norm(dim=1, keepdim=True)
    return v.reshape(-1, *weight.shape[2:]), torch.einsum("cdk,ck->cd", table, v).T


def pair_scaled(power):
    def answer(weight):
        depthwise, pointwise = pair_loop(weight)
        size = pointwise.norm(dim=0)
        return depthwise, pointwise / size * size**power

    return answer


def pair_last(weight):
    depthwise, pointwise = [], []
    for c in range(weight.shape[1]):
        U, S, Vh = torch.linalg.svd(weight[:, c].flatten(1), full_matrices=False)
        depthwise.append(Vh[-1].reshape(weight.shape[2:]))
        pointwise.append(S[-1] * U[:, -1])
    return torch.stack(depthwise), torch.stack(pointwise, dim=1)


RIGHT += [
    ("ch07.rank_one", "loop", pair_loop),
    ("ch07.rank_one", "batch", pair_batch),
    ("ch07.rank_one", "power iteration", pair_power),
]
WRONG += [
    ("ch07.rank_one", "no value", pair_scaled(0), "the singular value is missing"),
    ("ch07.rank_one", "value twice", pair_scaled(2), "once, not twice"),
    ("ch07.rank_one", "last part", pair_last, "the largest singular value comes first"),
    (
        "ch07.rank_one",
        "mean kernel",
        lambda W: (W.mean(dim=0), torch.ones(W.shape[:2])),
        "one mean kernel for all outputs",
    ),
    (
        "ch07.rank_one",
        "turned",
        lambda W: (pair_loop(W)[0], pair_loop(W)[1].T),
        "pointwise has shape [4, 3]",
    ),
    ("ch07.rank_one", "one thing", lambda W: pair_loop(W)[0], "return 2 things"),
]
