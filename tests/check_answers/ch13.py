"""Answers to the exercises of chapter 13: right ones, and wrong ones with what the hint says."""

import torch
import torch.nn.functional as F
from torch import nn


def fire(i, s, e1, e3):
    return (i + 1) * s + (s + 1) * e1 + (9 * s + 1) * e3


def fire_layers(i, s, e1, e3):
    layers = [nn.Conv2d(i, s, 1), nn.Conv2d(s, e1, 1), nn.Conv2d(s, e3, 3)]
    return sum(each.numel() for layer in layers for each in layer.parameters())


def fire_in_parts(i, s, e1, e3):
    squeeze, expand = s * (i * 1 * 1), s * e1 * 1 + s * e3 * 3 * 3
    return squeeze + expand + sum((s, e1, e3))


def shuffle(X, groups):
    n, c, h, w = X.shape
    return X.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def shuffle_slices(X, groups):
    size = X.shape[1] // groups
    return torch.stack([X[:, g * size + i] for i in range(size) for g in range(groups)], dim=1)


def merged(W3, b3, W1, b1):
    W = W3.clone()
    W[:, :, 1, 1] += W1[:, :, 0, 0] + torch.eye(len(W3))
    return W, b3 + b1


def merged_pad(W3, b3, W1, b1):
    ones = torch.eye(len(W3))[:, :, None, None]
    return [W3 + F.pad(W1 + ones, (1, 1, 1, 1)), b1 + b3]


def merged_by_running(W3, b3, W1, b1):
    """The kernel that answers an impulse as the three branches together do."""
    channels = len(W3)
    impulses = torch.zeros(channels, channels, 5, 5)
    impulses[range(channels), range(channels), 2, 2] = 1
    Y = F.conv2d(impulses, W3, padding=1) + F.conv2d(impulses, W1) + impulses
    return Y[:, :, 1:4, 1:4].flip(2, 3).transpose(0, 1), b3 + b1


def without_identity(W3, b3, W1, b1):
    return W3 + F.pad(W1, (1, 1, 1, 1)), b3 + b1


RIGHT = [
    ("ch13.fire", "formula", fire),
    ("ch13.fire", "layers", fire_layers),
    ("ch13.fire", "weights, then biases", fire_in_parts),
    ("ch13.shuffle", "view", shuffle),
    ("ch13.shuffle", "slices", shuffle_slices),
    ("ch13.shuffle", "library", F.channel_shuffle),
    ("ch13.merge", "middle", merged),
    ("ch13.merge", "pad", merged_pad),
    ("ch13.merge", "an impulse", merged_by_running),
]
WRONG = [
    (
        "ch13.fire",
        "no biases",
        lambda i, s, e1, e3: i * s + s * e1 + 9 * s * e3,
        "each output channel has a bias too",
    ),
    (
        "ch13.fire",
        "no squeeze layer",
        lambda i, s, e1, e3: (s + 1) * e1 + (9 * s + 1) * e3,
        "the squeeze layer has parameters too",
    ),
    (
        "ch13.fire",
        "3x3 as 1x1",
        lambda i, s, e1, e3: (i + 1) * s + (s + 1) * (e1 + e3),
        "a 3x3 window has 9 weights",
    ),
    (
        "ch13.fire",
        "one after another",
        lambda i, s, e1, e3: (i + 1) * s + (s + 1) * e1 + (9 * e1 + 1) * e3,
        "both wide layers read the squeezed map",
    ),
    (
        "ch13.fire",
        "all read the input",
        lambda i, s, e1, e3: (i + 1) * s + (i + 1) * e1 + (9 * i + 1) * e3,
        "the wide layers read the squeezed channels, not all",
    ),
    ("ch13.shuffle", "turned round", lambda X, g: X.roll(1, 1), "do not turn them round"),
    (
        "ch13.shuffle",
        "height and width",
        lambda X, g: X.transpose(2, 3).reshape(X.shape),
        "swap",
    ),
    ("ch13.shuffle", "nothing", lambda X, g: X, "swap the two new dimensions"),
    (
        "ch13.shuffle",
        "the other way",
        lambda X, g: shuffle(X, X.shape[1] // g),
        "groups come first in the split",
    ),
    ("ch13.shuffle", "reversed", lambda X, g: X.flip(1), "do not reverse them"),
    ("ch13.merge", "no identity", without_identity, "the identity is a branch too"),
    (
        "ch13.merge",
        "1x1 everywhere",
        lambda W3, b3, W1, b1: (
            W3 + W1 + F.pad(torch.eye(len(W3))[:, :, None, None], (1, 1, 1, 1)),
            b3 + b1,
        ),
        "stands in the middle",
    ),
    (
        "ch13.merge",
        "one bias",
        lambda W3, b3, W1, b1: (merged(W3, b3, W1, b1)[0], b3),
        "both convolutions have a bias",
    ),
    (
        "ch13.merge",
        "identity in every channel",
        lambda W3, b3, W1, b1: (W3 + F.pad(W1 + 1, (1, 1, 1, 1)), b3 + b1),
        "the identity",
    ),
    ("ch13.merge", "weight alone", lambda *a: merged(*a)[0], "return 2 things"),
]
