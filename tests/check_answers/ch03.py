"""Right and wrong answers to the exercises of chapter 03, with what the hint must say."""

import torch
import torch.nn.functional as F

from edu_lib.teach.checks import ch03

assert ch03  # importing it registers the exercises


def conv_cost(in_channels, out_channels, kernel_size, out_size, groups):
    layer = torch.nn.Conv2d(in_channels, out_channels, kernel_size, groups=groups)
    macs = layer.weight.numel() * out_size * out_size
    return layer.weight.numel() + layer.bias.numel(), macs


def max_pool(X, size, stride):
    return X.unfold(2, size, stride).unfold(3, size, stride).amax(dim=(-2, -1))


def padded_pool(X, size, stride):
    return F.max_pool2d(F.pad(X, (0, size, 0, size)), size, stride)[..., :6, :6]


def dropout(X, share, generator):
    return X * (torch.rand(X.shape, generator=generator) >= share) / (1 - share)


def dropped_rows(X, share, generator):
    kept = torch.rand(len(X), 1, generator=generator) >= share
    kept[: round(share * len(X))], kept[round(share * len(X)) :] = False, True
    return X * kept / (1 - share)


def in_place(X, share, generator):
    return X.mul_(torch.rand(X.shape, generator=generator) >= share).div_(1 - share)


def average(gradients, counts):
    total = sum(counts)
    return sum(gradient * count / total for gradient, count in zip(gradients, counts, strict=True))


RIGHT = {
    "ch03.grouped_cost": conv_cost,
    "ch03.max_pool": max_pool,
    "ch03.dropout": dropout,
    "ch03.average_gradients": average,
}
WRONG = [
    ("ch03.grouped_cost", lambda i, o, k, s, g: conv_cost(i, o, k, s, 1), "channels / groups"),
    ("ch03.grouped_cost", lambda i, o, k, s, g: (conv_cost(i, o, k, s, g)[0] - o, 0), "one bias"),
    (
        "ch03.grouped_cost",
        lambda i, o, k, s, g: (conv_cost(i, o, k, s, g)[0], conv_cost(i, o, k, s, g)[0] * s * s),
        "but no bias",
    ),
    ("ch03.grouped_cost", lambda i, o, k, s, g: conv_cost(i, o, k, s, g)[0], "two numbers"),
    ("ch03.max_pool", lambda X, size, stride: F.max_pool2d(X, size), "share a row"),
    ("ch03.max_pool", lambda X, size, stride: F.avg_pool2d(X, size, stride), "side by side"),
    ("ch03.max_pool", padded_pool, "negative|whole windows"),
    ("ch03.max_pool", lambda X, size, stride: max_pool(X.abs_(), size, stride), "."),
    ("ch03.dropout", lambda X, p, g: X * (torch.rand(X.shape, generator=g) >= p), "divide what"),
    ("ch03.dropout", lambda X, p, g: dropout(X, 1 - p, g), "0.25: 75 %"),
    ("ch03.dropout", lambda X, p, g: dropout(X, p, None), "hand it on"),
    ("ch03.dropout", dropped_rows, "by itself"),
    ("ch03.dropout", in_place, "changes X|are 0"),
    ("ch03.average_gradients", lambda gs, ns: sum(gs) / len(gs), "twice"),
    ("ch03.average_gradients", lambda gs, ns: sum(gs), "weigh each"),
    ("ch03.average_gradients", lambda gs, ns: gs[0], "weigh each"),
    (
        "ch03.average_gradients",
        lambda gs, ns: average([g.mul_(1) for g in gs], ns) + gs[0].zero_(),
        "changes the gradients",
    ),
]
