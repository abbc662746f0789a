"""Answers to the exercises of chapter 12: right ones, and wrong ones with what the hint says."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def iou(p, t, c):
    both = ((p == c) & (t == c)).sum()
    return 100 * both / ((p == c) | (t == c)).sum()


def iou_sets(p, t, c):
    a = {i for i, x in enumerate(p.flatten().tolist()) if x == c}
    b = {i for i, x in enumerate(t.flatten().tolist()) if x == c}
    return 100 * len(a & b) / len(a | b)


def iou_counts(p, t, c):
    a, b = ((p == c).float(), (t == c).float())
    both = (a * b).sum()
    return float(100 * both / (a.sum() + b.sum() - both))


def best_by_search(loss):
    low, high = (-20.0, 20.0)
    for _ in range(200):
        a, b = (low + (high - low) / 3, high - (high - low) / 3)
        if math.exp(-a) * loss + a / 2 < math.exp(-b) * loss + b / 2:
            high = b
        else:
            low = a
    return low


RIGHT = [
    ("ch12.iou", "masks", iou),
    ("ch12.iou", "sets", iou_sets),
    ("ch12.iou", "counts", iou_counts),
    ("ch12.sharing", "formula", lambda e, d, h, n: n * (e + d + h) / (e + d + n * h)),
    ("ch12.sharing", "sums", lambda e, d, h, n: sum([e + d + h] * n) / sum([e, d, *[h] * n])),
    (
        "ch12.sharing",
        "numpy",
        lambda e, d, h, n: np.float64(n * (e + d + h)) / (e + d + h + (n - 1) * h),
    ),
    ("ch12.cosine", "flatten", lambda a, b: a.flatten() @ b.flatten() / (a.norm() * b.norm())),
    (
        "ch12.cosine",
        "sum",
        lambda a, b: float((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt()),
    ),
    (
        "ch12.cosine",
        "cosine_similarity",
        lambda a, b: F.cosine_similarity(a.reshape(1, -1), b.reshape(1, -1)).item(),
    ),
    ("ch12.uncertainty", "log", lambda loss: math.log(2 * loss)),
    ("ch12.uncertainty", "numpy", lambda loss: np.log(2) + np.log(loss)),
    ("ch12.uncertainty", "search", best_by_search),
]
WRONG = [
    (
        "ch12.iou",
        "share of the class found",
        lambda p, t, c: 100 * (p == t)[t == c].float().mean(),
        "divide by the pixels that are the class in at least one of the two",
    ),
    (
        "ch12.iou",
        "accuracy of all pixels",
        lambda p, t, c: 100 * (p == t).float().mean(),
        "compare this class alone, not all pixels",
    ),
    ("ch12.iou", "0 to 1", lambda p, t, c: iou(p, t, c) / 100, "in percent, 0 to 100"),
    (
        "ch12.iou",
        "Dice",
        lambda p, t, c: 200 * ((p == c) & (t == c)).sum() / ((p == c).sum() + (t == c).sum()),
        "that is Dice: count the pixels of both once",
    ),
    (
        "ch12.iou",
        "class 1 always",
        lambda p, t, c: iou(p, t, 1),
        "0 pixels are the class in both, 5 in at least one",
    ),
    (
        "ch12.iou",
        "over the predicted",
        lambda p, t, c: 100 * ((p == c) & (t == c)).sum() / (p == c).sum(),
        "divide by those in at least one, not by the predicted ones",
    ),
    (
        "ch12.iou",
        "union counted twice",
        lambda p, t, c: 100 * ((p == c) & (t == c)).sum() / ((p == c).sum() + (t == c).sum()),
        "a pixel of both counts once in `at least one`",
    ),
    (
        "ch12.iou",
        "over all pixels",
        lambda p, t, c: 100 * ((p == c) & (t == c)).sum() / p.numel(),
        "divide by the pixels of the class, not by all",
    ),
    (
        "ch12.iou",
        "nonzero pixels",
        lambda p, t, c: 100 * ((p == t) & (t > 0)).sum() / ((p > 0) | (t > 0)).sum(),
        "look at class_id alone, not at all classes above 0",
    ),
    ("ch12.sharing", "as many as tasks", lambda e, d, h, n: n, "each task keeps its own head"),
    (
        "ch12.sharing",
        "one head",
        lambda e, d, h, n: n * (e + d + h) / (e + d + h),
        "each task keeps its own head",
    ),
    (
        "ch12.sharing",
        "inverted",
        lambda e, d, h, n: (e + d + n * h) / (n * (e + d + h)),
        "the single networks over the shared one, not the other way",
    ),
    (
        "ch12.sharing",
        "a decoder each",
        lambda e, d, h, n: n * (e + d + h) / max(1e-09, e + n * (d + h)),
        "the decoder is shared too",
    ),
    (
        "ch12.sharing",
        "one single network",
        lambda e, d, h, n: (e + d + h) / (e + d + n * h),
        "all single networks run, not one",
    ),
    (
        "ch12.sharing",
        "saved ms",
        lambda e, d, h, n: n * (e + d + h) - (e + d + n * h),
        "how many times faster: divide, do not subtract",
    ),
    (
        "ch12.sharing",
        "rounded",
        lambda e, d, h, n: round(n * (e + d + h) / (e + d + n * h), 2),
        "do not round",
    ),
    ("ch12.cosine", "dot product", lambda a, b: (a * b).sum(), "divide by both lengths"),
    (
        "ch12.cosine",
        "not flattened",
        lambda a, b: F.cosine_similarity(a, b, dim=0),
        "a weight matrix is one long vector",
    ),
    (
        "ch12.cosine",
        "one length",
        lambda a, b: (a * b).sum() / a.norm(),
        "divide by both lengths, not by one",
    ),
    (
        "ch12.cosine",
        "other length",
        lambda a, b: (a * b).sum() / b.norm(),
        "divide by the second length too",
    ),
    (
        "ch12.cosine",
        "squared lengths",
        lambda a, b: (a * b).sum() / (a.norm() * b.norm()) ** 2,
        "divide by the lengths, not by their squares",
    ),
    (
        "ch12.cosine",
        "magnitude",
        lambda a, b: ((a * b).sum() / (a.norm() * b.norm())).abs(),
        "opposite directions are negative: no magnitude",
    ),
    (
        "ch12.cosine",
        "angle",
        lambda a, b: torch.acos(((a * b).sum() / (a.norm() * b.norm())).clamp(-1, 1)),
        "that is the angle: return its cosine",
    ),
    (
        "ch12.cosine",
        "mean of rows",
        lambda a, b: F.cosine_similarity(
            a.reshape(len(a), -1), b.reshape(len(b), -1), dim=1
        ).mean(),
        "opposite directions have -1 whatever their lengths: divide by both",
    ),
    (
        "ch12.uncertainty",
        "log of the loss",
        lambda loss: math.log(loss),
        "the second term is s / 2: its derivative is 1/2",
    ),
    (
        "ch12.uncertainty",
        "half",
        lambda loss: math.log(loss / 2),
        "mind the 2 of s / 2: it multiplies the loss",
    ),
    (
        "ch12.uncertainty",
        "sign",
        lambda loss: -math.log(2 * loss),
        "mind the sign: exp(-s) falls with s",
    ),
    (
        "ch12.uncertainty",
        "variance",
        lambda loss: 2 * loss,
        "that is exp(s), the variance: return its logarithm",
    ),
    (
        "ch12.uncertainty",
        "log10",
        lambda loss: math.log10(2 * loss),
        "a logarithm of base e, as exp has",
    ),
    (
        "ch12.uncertainty",
        "log2",
        lambda loss: math.log2(2 * loss),
        "a logarithm of base e, as exp has, not of base 2",
    ),
    ("ch12.uncertainty", "precision", lambda loss: 0.5 / loss, "that is exp(-s): return s"),
]


# Gradient surgery of two tasks


def surgery(g1, g2):
    dot = g1 @ g2
    if dot >= 0:
        return g1 + g2
    return g1 - dot / (g2 @ g2) * g2 + g2 - dot / (g1 @ g1) * g1


def surgery_clamped(g1, g2):
    dot = (g1 * g2).sum().clamp(max=0)
    return g1 + g2 - dot * (g2 / g2.square().sum() + g1 / g1.square().sum())


def surgery_numpy(g1, g2):
    a, b = g1.double().numpy(), g2.double().numpy()
    dot = min(float(a @ b), 0.0)
    return torch.from_numpy(a - dot / (b @ b) * b + b - dot / (a @ a) * a)


def surgery_in_turn(g1, g2):
    if g1 @ g2 < 0:
        g1 = g1 - (g1 @ g2) / (g2 @ g2) * g2
        g2 = g2 - (g1 @ g2) / (g1 @ g1).clamp(min=1e-12) * g1
    return g1 + g2


def surgery_always(g1, g2):
    dot = g1 @ g2
    return g1 - dot / (g2 @ g2) * g2 + g2 - dot / (g1 @ g1) * g1


def surgery_first(g1, g2):
    return g1 + g2 - (g1 @ g2).clamp(max=0) / (g2 @ g2) * g2


def surgery_second(g1, g2):
    return g1 + g2 - (g1 @ g2).clamp(max=0) / (g1 @ g1) * g1


def surgery_one_length(g1, g2):
    dot = (g1 @ g2).clamp(max=0)
    return g1 + g2 - dot / g2.norm() * g2 - dot / g1.norm() * g1


RIGHT += [
    ("ch12.pcgrad", "two branches", surgery),
    ("ch12.pcgrad", "clamped", surgery_clamped),
    ("ch12.pcgrad", "numpy", surgery_numpy),
]
WRONG += [
    ("ch12.pcgrad", "plain sum", lambda a, b: a + b, "the plain sum is not enough"),
    ("ch12.pcgrad", "always", surgery_always, "only where the dot product is negative"),
    ("ch12.pcgrad", "in turn", surgery_in_turn, "on the original of the first"),
    ("ch12.pcgrad", "first alone", surgery_first, "project the second gradient too"),
    ("ch12.pcgrad", "second alone", surgery_second, "project the first gradient too"),
    ("ch12.pcgrad", "mean", lambda a, b: surgery(a, b) / 2, "do not take their mean"),
    ("ch12.pcgrad", "length", surgery_one_length, "divide by the squared length"),
]
