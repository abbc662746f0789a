"""Answers to the exercises of chapter 03: right ones, and wrong ones with what the hint says."""

import numpy as np
import torch
import torch.nn.functional as F


def pool_loop(X, size, stride, red=torch.amax, off=0, rows=None):
    N, C, H, W = X.shape
    h, ww = ((H - size) // stride + 1 + off, (W - size) // stride + 1 + off)
    Y = torch.zeros(N, C, h, ww)
    for i in range(h):
        for j in range(ww):
            Y[:, :, i, j] = red(
                X[:, :, i * stride : i * stride + size, j * stride : j * stride + size], (2, 3)
            )
    return Y


def pool_zero(X, s, t):
    Y = torch.zeros(X.shape[0], X.shape[1], (X.shape[2] - s) // t + 1, (X.shape[3] - s) // t + 1)
    for i in range(Y.shape[2]):
        for j in range(Y.shape[3]):
            for a in range(s):
                for b in range(s):
                    Y[:, :, i, j] = torch.maximum(Y[:, :, i, j], X[:, :, i * t + a, j * t + b])
    return Y


def rnd(X, g):
    return torch.rand(X.shape, generator=g)


def drop_checker(X, p, g):
    k = torch.arange(X.numel()).reshape(X.shape) % 4 >= 4 * p
    return X * k / (1 - p)


def avg_inplace(gs, ns):
    total = gs[0]
    total *= ns[0]
    for g, n in zip(gs[1:], ns[1:], strict=True):
        total += g * n
    return total / sum(ns)


def avg_pop(gs, ns):
    out = 0
    N = sum(ns)
    while gs:
        out = out + gs.pop() * ns.pop() / N
    return out


def avg(gs, ns):
    return sum((g * n for g, n in zip(gs, ns, strict=True))) / sum(ns)


def towers(X, weight, groups, order=lambda maps: torch.cat(maps, 1)):
    inputs, outputs = X.shape[1] // groups, len(weight) // groups
    maps = []
    for g in range(groups):
        part = X[:, g * inputs : (g + 1) * inputs]
        maps.append(F.conv2d(part, weight[g * outputs : (g + 1) * outputs]))
    return order(maps)


def towers_as_one(X, weight, groups):
    outputs, inputs = len(weight) // groups, X.shape[1] // groups
    whole = torch.zeros(len(weight), X.shape[1], *weight.shape[2:])
    for g in range(groups):
        rows, columns = slice(g * outputs, (g + 1) * outputs), slice(g * inputs, (g + 1) * inputs)
        whole[rows, columns] = weight[rows]
    return F.conv2d(X, whole)


def towers_unfold(X, weight, groups):
    windows = X.unfold(2, weight.shape[2], 1).unfold(3, weight.shape[3], 1)
    windows = windows.unflatten(1, (groups, -1))
    kernels = weight.unflatten(0, (groups, -1))
    return torch.einsum("ngchwij,gocij->ngohw", windows, kernels).flatten(1, 2)


RIGHT = [
    ("ch03.grouped_conv", "slices", towers),
    ("ch03.grouped_conv", "zeros between the towers", towers_as_one),
    ("ch03.grouped_conv", "einsum", towers_unfold),
    ("ch03.max_pool", "loops", pool_loop),
    ("ch03.max_pool", "nn", lambda X, s, t: torch.nn.MaxPool2d(s, t)(X)),
    (
        "ch03.max_pool",
        "numpy",
        lambda X, s, t: torch.from_numpy(
            np.lib.stride_tricks.sliding_window_view(X.numpy(), (s, s), axis=(2, 3))[
                :, :, ::t, ::t
            ].max((-1, -2))
        ),
    ),
    (
        "ch03.dropout",
        "bernoulli",
        lambda X, p, g: X * torch.bernoulli(torch.full(X.shape, 1 - p), generator=g) / (1 - p),
    ),
    (
        "ch03.dropout",
        "where",
        lambda X, p, g: torch.where(rnd(X, g) < p, torch.zeros(()), X / (1 - p)),
    ),
    (
        "ch03.dropout",
        "permutation exact share",
        lambda X, p, g: (
            X * (torch.randperm(X.numel(), generator=g) >= p * X.numel()).reshape(X.shape) / (1 - p)
        ),
    ),
    ("ch03.dropout", "masked clone", lambda X, p, g: (X / (1 - p)).masked_fill(rnd(X, g) < p, 0.0)),
    (
        "ch03.dropout",
        "rand_like then >",
        lambda X, p, g: X * (rnd(X, g) > p).float() * (1 / (1 - p)),
    ),
    (
        "ch03.average_gradients",
        "stack einsum",
        lambda gs, ns: torch.einsum("n...,n->...", torch.stack(gs), torch.tensor(ns) / sum(ns)),
    ),
    (
        "ch03.average_gradients",
        "numpy average",
        lambda gs, ns: torch.from_numpy(np.average([g.numpy() for g in gs], axis=0, weights=ns)),
    ),
    ("ch03.average_gradients", "avg", avg),
]
WRONG = [
    (
        "ch03.grouped_conv",
        "every groups-th channel",
        lambda X, w, g: torch.cat([F.conv2d(X[:, i::g], k) for i, k in enumerate(w.chunk(g))], 1),
        "a tower reads neighbouring channels, not every groups-th one",
    ),
    (
        "ch03.grouped_conv",
        "added",
        lambda X, w, g: towers(X, w, g, sum),
        "the towers' maps stand side by side, they are not added",
    ),
    (
        "ch03.grouped_conv",
        "first channels for all",
        lambda X, w, g: F.conv2d(X[:, : w.shape[1]], w),
        "every tower reads channels of its own",
    ),
    (
        "ch03.grouped_conv",
        "shuffled",
        lambda X, w, g: towers(X, w, g, lambda maps: torch.stack(maps, 2).flatten(1, 2)),
        "a tower's maps stay side by side, yours are shuffled",
    ),
    (
        "ch03.grouped_conv",
        "reversed",
        lambda X, w, g: towers(X, w, g, lambda maps: torch.cat(maps[::-1], 1)),
        "the towers' maps are in the opposite order",
    ),
    (
        "ch03.grouped_conv",
        "first kernels for all",
        lambda X, w, g: torch.cat([F.conv2d(x, w.chunk(g)[0]) for x in X.chunk(g, 1)], 1),
        "each tower has kernels of its own",
    ),
    (
        "ch03.grouped_conv",
        "first tower alone",
        lambda X, w, g: towers(X, w, g, lambda maps: maps[0]),
        "the maps of all towers are wanted, not those of the first",
    ),
    (
        "ch03.grouped_conv",
        "stacked along the images",
        lambda X, w, g: towers(X, w, g, lambda maps: torch.cat(maps, 0)),
        "the result has shape",
    ),
    ("ch03.grouped_conv", "groups ignored", lambda X, w, g: F.conv2d(X, w), "raised RuntimeError"),
    (
        "ch03.max_pool",
        "mean",
        lambda X, s, t: pool_loop(X, s, t, torch.mean),
        "take the maximum, not the mean",
    ),
    (
        "ch03.max_pool",
        "stride=size",
        lambda X, s, t: F.max_pool2d(X, s),
        "windows begin `stride` apart, not `size`",
    ),
    (
        "ch03.max_pool",
        "ceil mode",
        lambda X, s, t: F.max_pool2d(X, s, t, ceil_mode=True),
        "only whole windows count",
    ),
    (
        "ch03.max_pool",
        "one less",
        lambda X, s, t: pool_loop(X, s, t, off=-1),
        "the last window is missing",
    ),
    (
        "ch03.max_pool",
        "square from H",
        lambda X, s, t: pool_loop(X[..., : X.shape[2]], s, t),
        "window (i, j) begins at pixel (i * stride, j * stride), and only whole windows count",
    ),
    ("ch03.max_pool", "starts at zero", pool_zero, "a maximum may be below 0: do not begin at 0"),
    (
        "ch03.max_pool",
        "max over channels",
        lambda X, s, t: F.max_pool2d(X, s, t).amax(1, keepdim=True),
        "each channel has its own maximum",
    ),
    (
        "ch03.max_pool",
        "returns (values, indices)",
        lambda X, s, t: F.max_pool2d(X, s, t, return_indices=True),
        "window (i, j) begins at pixel (i * stride, j * stride), and only whole windows count",
    ),
    (
        "ch03.max_pool",
        "mutates (relu_)",
        lambda X, s, t: (lambda Y: (X.relu_(), Y)[1])(F.max_pool2d(X, s, t)),
        "changes its argument",
    ),
    (
        "ch03.dropout",
        "no rescale",
        lambda X, p, g: X * (rnd(X, g) >= p),
        "divide what stays by 1 - share, so that the mean stays too",
    ),
    (
        "ch03.dropout",
        "divide by p",
        lambda X, p, g: X * (rnd(X, g) >= p) / p,
        "divide by 1 - share, which stays, not by share, which goes",
    ),
    (
        "ch03.dropout",
        "keep p",
        lambda X, p, g: X * (rnd(X, g) < p) / (1 - p),
        "torch.rand is below 0.25 in 25 % of cases",
    ),
    (
        "ch03.dropout",
        "ignores generator",
        lambda X, p, g: X * (torch.rand(X.shape) >= p) / (1 - p),
        "the same generator must drop the same values: hand it on to torch.rand",
    ),
    (
        "ch03.dropout",
        "per row",
        lambda X, p, g: X * (torch.rand(len(X), 1, generator=g) >= p) / (1 - p),
        "each value is dropped by itself: draw one number a value, not one a row or colum",
    ),
    (
        "ch03.dropout",
        "per column",
        lambda X, p, g: X * (torch.rand(1, X.shape[1], generator=g) >= p) / (1 - p),
        "each value is dropped by itself: draw one number a value, not one a row or colum",
    ),
    (
        "ch03.dropout",
        "hard 2x",
        lambda X, p, g: X * (rnd(X, g) >= p) * 2,
        "it is 1/2 only at a share of 0.5",
    ),
    (
        "ch03.dropout",
        "in place",
        lambda X, p, g: X.mul_(rnd(X, g) >= p).div_(1 - p),
        "changes its argument",
    ),
    (
        "ch03.dropout",
        "replaces values by constants (ignores X)",
        lambda X, p, g: (rnd(X, g) >= p).float() / (1 - p),
        "what stays are the values of X, not ones",
    ),
    (
        "ch03.dropout",
        "returns mask/(1-p) only for 2d",
        lambda X, p, g: X * (torch.rand(X.shape[0], X.shape[1], generator=g) >= p) / (1 - p),
        "raised RuntimeError",
    ),
    (
        "ch03.dropout",
        "seeds itself manual_seed",
        lambda X, p, g: (
            X * (torch.rand(X.shape, generator=torch.Generator().manual_seed(0)) >= p) / (1 - p)
        ),
        "two generators dropped the same values: draw from the generator that comes in",
    ),
    (
        "ch03.dropout",
        "randint 2 decimals",
        lambda X, p, g: X * torch.randint(0, 2, X.shape, generator=g) / (1 - p),
        "torch.rand is below 0.25 in 25 % of cases",
    ),
    (
        "ch03.dropout",
        "randn < p",
        lambda X, p, g: X * (torch.randn(X.shape, generator=g) >= p) / (1 - p),
        "torch.rand is below 0.5 in 50 % of cases",
    ),
    (
        "ch03.dropout",
        "rescales by measured kept share",
        lambda X, p, g: (lambda k: X * k / k.float().mean())(rnd(X, g) >= p),
        "divide what stays of X by 1 - share",
    ),
    (
        "ch03.dropout",
        "regular pattern, no randomness",
        drop_checker,
        "each value is dropped by itself: draw one number a value, not one a row or colum",
    ),
    (
        "ch03.average_gradients",
        "plain mean",
        lambda gs, ns: sum(gs) / len(gs),
        "a mean over more images counts more",
    ),
    (
        "ch03.average_gradients",
        "sum",
        lambda gs, ns: sum(gs),
        "that is the sum: divide by the number of images of all processes",
    ),
    (
        "ch03.average_gradients",
        "weighted, not divided",
        lambda gs, ns: sum((g * n for g, n in zip(gs, ns, strict=True))),
        "divide by the number of all images",
    ),
    (
        "ch03.average_gradients",
        "divides by counts",
        lambda gs, ns: sum((g / n for g, n in zip(gs, ns, strict=True))),
        "do not round the shares",
    ),
    (
        "ch03.average_gradients",
        "divided by number of processes",
        lambda gs, ns: sum((g * n for g, n in zip(gs, ns, strict=True))) / len(ns),
        "divide by the number of all images, not of processes",
    ),
    ("ch03.average_gradients", "in place", avg_inplace, "changes its argument"),
    ("ch03.average_gradients", "pops its lists", avg_pop, "changes its argument"),
    (
        "ch03.average_gradients",
        "one number",
        lambda gs, ns: avg(gs, ns).mean(),
        "return a gradient of the weight's shape, not one number",
    ),
    (
        "ch03.average_gradients",
        "integer share",
        lambda gs, ns: sum((g * (n // sum(ns)) for g, n in zip(gs, ns, strict=True))),
        "do not round the shares",
    ),
    (
        "ch03.average_gradients",
        "round share 2",
        lambda gs, ns: sum((g * round(n / sum(ns), 2) for g, n in zip(gs, ns, strict=True))),
        "do not round the shares",
    ),
]
