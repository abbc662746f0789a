"""Answers to the exercises of chapter 01: right ones, and wrong ones with what the hint says."""

import functools
import math

import numpy as np
import torch
import torch.nn.functional as F


def conv(X, K):
    kh, kw = K.shape
    return torch.stack(
        [
            torch.stack([(X[i : i + kh, j : j + kw] * K).sum() for j in range(X.shape[1] - kw + 1)])
            for i in range(X.shape[0] - kh + 1)
        ]
    )


def conv_inplace(X, K):
    out = conv(X, K)
    X[: out.shape[0], : out.shape[1]] = out
    return out


def conv_kmut(X, K):
    out = conv(X, K)
    K.zero_()
    return out


def conv_np(X, K):
    x, k = (X.numpy(), K.numpy())
    return np.einsum("hwij,ij->hw", np.lib.stride_tricks.sliding_window_view(x, k.shape), k)


def rf(layers, first=False, mult=True, rev=False):
    f, d = (1, 1)
    for k, s in reversed(layers) if rev else layers:
        if first:
            d *= s
        f += (k - 1) * d
        if not first:
            d = d * s if mult else d + s - 1
    return f


def rf_pop(items):
    f, d = (1, 1)
    while items:
        k, s = items.pop(0)
        f += (k - 1) * d
        d *= s
    return f


def step(values, centroids):
    nearest = (values[:, None] - centroids).abs().argmin(1)
    moved = centroids.clone()
    for k in range(len(centroids)):
        if (nearest == k).any():
            moved[k] = values[nearest == k].mean()
    return moved


def field_walk(layers):
    field, step = (1, 1)
    for kernel, stride in layers:
        field += (kernel - 1) * step
        step *= stride
    return field


def mapped(X, kernel, bias, reduce=torch.sum):
    K = kernel.shape[-1]
    y = torch.zeros(X.shape[1] - K + 1, X.shape[2] - K + 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = reduce(X[:, i : i + K, j : j + K] * kernel) + bias
    return y


def apart(X, kernel):
    return F.conv2d(X[None], kernel[:, None], groups=len(X))[0]


def cost_of_layer(i, o, k, h, w, g):
    weights = torch.nn.Conv2d(i, o, k, groups=g, bias=False).weight.numel()
    return weights, weights * h * w


RIGHT = [
    ("ch01.one_map", "loops", mapped),
    ("ch01.one_map", "conv2d", lambda X, k, b: F.conv2d(X[None], k[None], torch.tensor([b]))[0, 0]),
    ("ch01.one_map", "a sum of channels", lambda X, k, b: apart(X, k).sum(dim=0) + b),
    ("ch01.convolve", "conv2d", lambda X, K: F.conv2d(X[None, None], K[None, None])[0, 0]),
    (
        "ch01.convolve",
        "unfold einsum",
        lambda X, K: torch.einsum(
            "hwij,ij->hw", X.unfold(0, K.shape[0], 1).unfold(1, K.shape[1], 1), K
        ),
    ),
    ("ch01.convolve", "double", lambda X, K: conv(X.double(), K.double())),
    ("ch01.convolve", "numpy inside, tensor out", lambda X, K: torch.from_numpy(conv_np(X, K))),
    (
        "ch01.output_size",
        "ceil form is right",
        lambda n, k, s, p: math.ceil((n + 2 * p - k + 1) / s),
    ),
    ("ch01.output_size", "floor", lambda n, k, s, p: math.floor((n + 2 * p - k) / s) + 1),
    (
        "ch01.output_size",
        "conv shape",
        lambda n, k, s, p: F.conv2d(
            torch.zeros(1, 1, n, n), torch.zeros(1, 1, k, k), stride=s, padding=p
        ).shape[-1],
    ),
    ("ch01.conv_cost", "asks the layer", cost_of_layer),
    (
        "ch01.conv_cost",
        "list",
        lambda i, o, k, h, ww, g: [o * i * k * k // g, o * i * k * k * h * ww // g],
    ),
    (
        "ch01.conv_cost",
        "float division",
        lambda i, o, k, h, ww, g: (o * i / g * k**2, o * i / g * k**2 * h * ww),
    ),
    (
        "ch01.conv_cost",
        "numpy array",
        lambda i, o, k, h, ww, g: np.array([o * i * k * k // g, o * i * k * k * h * ww // g]),
    ),
    (
        "ch01.conv_cost",
        "tensor",
        lambda i, o, k, h, ww, g: torch.tensor([o * i * k * k // g, o * i * k * k * h * ww // g]),
    ),
    (
        "ch01.receptive_field",
        "backwards recursion",
        lambda items: functools.reduce(lambda f, ks: (f - 1) * ks[1] + ks[0], reversed(items), 1),
    ),
    (
        "ch01.receptive_field",
        "numpy",
        lambda items: (
            1
            + int(
                (
                    np.array([k - 1 for k, s in items])
                    * np.cumprod([1, *[s for k, s in items][:-1]])
                ).sum()
            )
        ),
    ),
    ("ch01.receptive_field", "forwards", field_walk),
]
WRONG = [
    (
        "ch01.one_map",
        "one map a channel",
        lambda X, k, b: apart(X, k) + b,
        "the channels are summed too: one map, not one a channel",
    ),
    (
        "ch01.one_map",
        "a bias for each channel",
        lambda X, k, b: (apart(X, k) + b).sum(dim=0),
        "add the bias once an output, not once a channel",
    ),
    ("ch01.one_map", "no bias", lambda X, k, b: mapped(X, k, 0), "the bias is missing"),
    (
        "ch01.one_map",
        "the first channel",
        lambda X, k, b: apart(X, k)[0] + b,
        "all channels count, not the first alone",
    ),
    (
        "ch01.one_map",
        "mean of the channels",
        lambda X, k, b: apart(X, k).mean(dim=0) + b,
        "add the channels up, do not take their mean",
    ),
    (
        "ch01.one_map",
        "as a layer gives it",
        lambda X, k, b: F.conv2d(X[None], k[None])[0] + b,
        "take the dimension of size 1 away",
    ),
    ("ch01.convolve", "flipped", lambda X, K: conv(X, K.flip(0, 1)), "do not flip the kernel"),
    (
        "ch01.convolve",
        "mean for sum",
        lambda X, K: conv(X, K) / K.numel(),
        "add the products, do not take their mean",
    ),
    (
        "ch01.convolve",
        "off by one size",
        lambda X, K: conv(X, K)[:-1, :-1],
        "output[i, j] is the sum of X[i:i+K_h, j:j+K_w] * kernel",
    ),
    (
        "ch01.convolve",
        "transposed kernel",
        lambda X, K: conv(X, K.T),
        "output[i, j] is the sum of X[i:i+K_h, j:j+K_w] * kernel",
    ),
    (
        "ch01.convolve",
        "swapped loops",
        lambda X, K: conv(X, K).T,
        "rows and columns have changed places",
    ),
    (
        "ch01.convolve",
        "square only",
        lambda X, K: conv(X, K) if X.shape[0] == X.shape[1] else conv(X[:, : X.shape[0]], K),
        "output[i, j] is the sum of X[i:i+K_h, j:j+K_w] * kernel",
    ),
    (
        "ch01.convolve",
        "max for sum",
        lambda X, K: torch.stack(
            [
                torch.stack(
                    [
                        (X[i : i + K.shape[0], j : j + K.shape[1]] * K).max()
                        for j in range(X.shape[1] - K.shape[1] + 1)
                    ]
                )
                for i in range(X.shape[0] - K.shape[0] + 1)
            ]
        ),
        "add the products, do not take the largest",
    ),
    (
        "ch01.convolve",
        "same padding",
        lambda X, K: F.conv2d(X[None, None], K[None, None], padding="same")[0, 0],
        "output[i, j] is the sum of X[i:i+K_h, j:j+K_w] * kernel",
    ),
    (
        "ch01.convolve",
        "batch dims left",
        lambda X, K: F.conv2d(X[None, None], K[None, None]),
        "take the two dimensions of size 1 away",
    ),
    (
        "ch01.convolve",
        "int output",
        lambda X, K: conv(X, K).int(),
        "keep the fractions: yours are cut to whole numbers",
    ),
    ("ch01.convolve", "mutates X", conv_inplace, "changes its argument"),
    ("ch01.convolve", "mutates kernel", conv_kmut, "changes its argument"),
    (
        "ch01.output_size",
        "padding once",
        lambda n, k, s, p: (n + p - k) // s + 1,
        "padding adds pixels on both sides",
    ),
    (
        "ch01.output_size",
        "no plus one",
        lambda n, k, s, p: (n + 2 * p - k) // s,
        "steps lie between the places: one place more than steps",
    ),
    (
        "ch01.output_size",
        "float",
        lambda n, k, s, p: (n + 2 * p - k) / s + 1,
        "a part of a step is no place: round down",
    ),
    (
        "ch01.output_size",
        "round",
        lambda n, k, s, p: round((n + 2 * p - k) / s) + 1,
        "round down: a part of a step is no place",
    ),
    (
        "ch01.output_size",
        "ceil",
        lambda n, k, s, p: math.ceil((n + 2 * p - k) / s) + 1,
        "round down: a part of a step is no place",
    ),
    (
        "ch01.output_size",
        "plus one before division",
        lambda n, k, s, p: (n + 2 * p - k + 1) // s,
        "steps lie between the places: one place more than steps",
    ),
    (
        "ch01.output_size",
        "no kernel",
        lambda n, k, s, p: n // s,
        "a kernel of 5 fits 28 times on 32 pixels",
    ),
    (
        "ch01.output_size",
        "bool-ish wrong parens",
        lambda n, k, s, p: n + 2 * p - k // s + 1,
        "a stride of 2 halves the size",
    ),
    (
        "ch01.conv_cost",
        "bias counted",
        lambda i, o, k, h, ww, g: (o * (i // g) * k * k + o, o * (i // g) * k * k * h * ww),
        "leave the biases out",
    ),
    (
        "ch01.conv_cost",
        "MACs with the bias",
        lambda i, o, k, h, ww, g: (o * (i // g) * k * k, (o * (i // g) * k * k + o) * h * ww),
        "leave the biases out",
    ),
    (
        "ch01.conv_cost",
        "one side of the output",
        lambda i, o, k, h, ww, g: (o * (i // g) * k * k, o * (i // g) * k * k * h),
        "each weight works once an output pixel",
    ),
    (
        "ch01.conv_cost",
        "groups ignored",
        lambda i, o, k, h, ww, g: (o * i * k * k, o * i * k * k * h * ww),
        "with groups each kernel sees C_in / groups channels",
    ),
    (
        "ch01.conv_cost",
        "groups squared",
        lambda i, o, k, h, ww, g: (o // g * (i // g) * k * k, o // g * (i // g) * k * k * h * ww),
        "only C_in is divided by groups",
    ),
    (
        "ch01.conv_cost",
        "h squared",
        lambda i, o, k, h, ww, g: (o * (i // g) * k * k, o * (i // g) * k * k * h * h),
        "height times width, not height twice",
    ),
    (
        "ch01.conv_cost",
        "swapped order",
        lambda i, o, k, h, ww, g: (o * (i // g) * k * k * h * ww, o * (i // g) * k * k),
        "return the weights first, then the MACs",
    ),
    (
        "ch01.conv_cost",
        "macs doubled",
        lambda i, o, k, h, ww, g: (o * (i // g) * k * k, 2 * o * (i // g) * k * k * h * ww),
        "a MAC is one multiplication with its addition: count it once",
    ),
    (
        "ch01.conv_cost",
        "K not squared",
        lambda i, o, k, h, ww, g: (o * (i // g) * k, o * (i // g) * k * h * ww),
        "a kernel has K * K weights a channel",
    ),
    (
        "ch01.conv_cost",
        "one number",
        lambda i, o, k, h, ww, g: o * (i // g) * k * k,
        "return 2 things, (weights, MACs)",
    ),
    (
        "ch01.receptive_field",
        "stride before",
        lambda items: rf(items, first=True),
        "after a stride of 2 a step is 2 input pixels wide",
    ),
    (
        "ch01.receptive_field",
        "add strides",
        lambda items: rf(items, mult=False),
        "strides multiply: two of 2 make steps of 4 pixels",
    ),
    (
        "ch01.receptive_field",
        "reverse order",
        lambda items: rf(items, rev=True),
        "after a stride of 2 a step is 2 input pixels wide",
    ),
    (
        "ch01.receptive_field",
        "K not K-1",
        lambda items: 1 + sum((k for k, s in items)),
        "a kernel of K adds K - 1 pixels, not K",
    ),
    (
        "ch01.receptive_field",
        "start 0",
        lambda items: rf(items) - 1,
        "the field of no layer at all is 1 pixel, not 0",
    ),
    (
        "ch01.receptive_field",
        "last stride only",
        lambda items: (
            1 + sum(((k - 1) * (items[i - 1][1] if i else 1) for i, (k, s) in enumerate(items)))
        ),
        "strides multiply: two of 2 make steps of 4 pixels",
    ),
    ("ch01.receptive_field", "pops the input", rf_pop, "changes its argument"),
    (
        "ch01.receptive_field",
        "max kernel",
        lambda items: max((k for k, s in items)),
        "the layers after the first add to the field",
    ),
]
