"""Answers to the exercises of chapter 04: right ones, and wrong ones with what the hint says."""

import math

import numpy as np
import torch


def m(c):
    return c[:, None, None, None]


def mir_in(X, c):
    X[c] = X[c].flip(-1)
    return X


def mir_clone(X, c):
    Y = X.clone()
    Y[c] = Y[c].flip(3)
    return Y


def need(s, a, wnt, lx=math.log, ly=lambda v: math.log(100 - v), inv=math.exp):
    if wnt > a[-1]:
        return math.inf
    for i in range(len(s) - 1):
        if wnt <= a[i + 1]:
            t = (ly(a[i]) - ly(wnt)) / (ly(a[i]) - ly(a[i + 1]))
            return inv(lx(s[i]) + t * (lx(s[i + 1]) - lx(s[i])))


def need_fails_top(s, a, x):
    if x > a[-1]:
        return math.inf
    for i in range(len(s) - 1):
        if a[i] <= x < a[i + 1]:
            return need(s, a, x)
    return None


RIGHT = [
    (
        "ch04.mirror",
        "loop",
        lambda X, c: torch.stack([x.flip(-1) if k else x for x, k in zip(X, c, strict=True)]),
    ),
    ("ch04.mirror", "clone index", mir_clone),
    (
        "ch04.mirror",
        "numpy",
        lambda X, c: torch.from_numpy(np.where(m(c).numpy(), X.numpy()[..., ::-1], X.numpy())),
    ),
    (
        "ch04.images_needed",
        "np.interp",
        lambda s, a, x: (
            float(np.exp(np.interp(-np.log(100 - x), -np.log(100 - np.array(a)), np.log(s))))
            if x <= a[-1]
            else np.inf
        ),
    ),
    ("ch04.images_needed", "need", need),
    (
        "ch04.images_needed",
        "torch inf out",
        lambda s, a, x: torch.tensor(need(s, a, x), dtype=torch.float64),
    ),
    (
        "ch04.budget",
        "floor float",
        lambda m_, mi, wg, items=1: math.floor(m_ * 60 / (wg * mi * items)),
    ),
    ("ch04.budget", "np.floor", lambda m_, mi, wg, items=1: np.floor(60 * m_ / wg / mi / items)),
    (
        "ch04.budget",
        "whole numbers",
        lambda money, minutes, wage, labels=1: int(60 * money / (wage * minutes * labels)),
    ),
    (
        "ch04.mirror",
        "indices",
        lambda X, chosen: X.index_put((chosen.nonzero()[:, 0],), X[chosen].flip(-1)),
    ),
]
WRONG = [
    ("ch04.mirror", "all", lambda X, c: X.flip(-1), "images that are not chosen stay as they are"),
    (
        "ch04.mirror",
        "upside down",
        lambda X, c: torch.where(m(c), X.flip(-2), X),
        "top and bottom stay where they are: flip the last dimension",
    ),
    (
        "ch04.mirror",
        "both axes",
        lambda X, c: torch.where(m(c), X.flip(-2, -1), X),
        "only left and right change places, top and bottom do not",
    ),
    (
        "ch04.mirror",
        "channel flip",
        lambda X, c: torch.where(m(c), X.flip(1), X),
        "the channels stay in their order: flip the last dimension",
    ),
    (
        "ch04.mirror",
        "inverted choice",
        lambda X, c: torch.where(m(~c), X.flip(-1), X),
        "images that are not chosen stay as they are",
    ),
    (
        "ch04.mirror",
        "any",
        lambda X, c: X.flip(-1) if c.any() else X.clone(),
        "images that are not chosen stay as they are",
    ),
    (
        "ch04.mirror",
        "only the chosen come back",
        lambda X, c: X[c].flip(-1),
        "return all images, not the chosen alone",
    ),
    ("ch04.mirror", "in place", mir_in, "changes its argument"),
    (
        "ch04.mirror",
        "rotates",
        lambda X, c: torch.stack(
            [x.rot90(2, (1, 2)) if k else x for x, k in zip(X, c, strict=True)]
        ),
        "only left and right change places, top and bottom do not",
    ),
    (
        "ch04.mirror",
        "roll by one",
        lambda X, c: torch.where(m(c), X.roll(1, -1), X),
        "all are chosen: left and right change places",
    ),
    (
        "ch04.mirror",
        "hard-coded N=2 loop",
        lambda X, c: torch.stack([X[i].flip(-1) if c[i] else X[i] for i in range(2)]),
        "nothing is chosen, so nothing changes",
    ),
    (
        "ch04.mirror",
        "batch flipped too",
        lambda X, c: (
            torch.where(m(c), X.flip(0, -1), X) if c.all() else torch.where(m(c), X.flip(-1), X)
        ),
        "the images stay in their order: flip the last dimension",
    ),
    (
        "ch04.images_needed",
        "log accuracy",
        lambda s, a, x: need(s, a, x, ly=math.log),
        "take logarithms of the error, 100 - accuracy",
    ),
    (
        "ch04.images_needed",
        "linear error",
        lambda s, a, x: need(s, a, x, ly=lambda v: 100 - v),
        "the line is straight in the logarithm of the error",
    ),
    (
        "ch04.images_needed",
        "linear size",
        lambda s, a, x: need(s, a, x, lx=lambda v: v, inv=lambda v: v),
        "the line is straight in the logarithm of the images too",
    ),
    (
        "ch04.images_needed",
        "first two points only",
        lambda s, a, x: (
            math.inf
            if x > a[-1]
            else need(s[:2], [*a[:1], a[1]], min(x, a[1]))
            if x <= a[1]
            else s[0]
            * (s[1] / s[0])
            ** (
                (math.log(100 - a[0]) - math.log(100 - x))
                / (math.log(100 - a[0]) - math.log(100 - a[1]))
            )
        ),
        "use the two points on both sides of it",
    ),
    (
        "ch04.images_needed",
        "first and last point only",
        lambda s, a, x: math.inf if x > a[-1] else need([s[0], s[-1]], [a[0], a[-1]], x),
        "the curve reaches it at a measured point",
    ),
    (
        "ch04.images_needed",
        "nearest point",
        lambda s, a, x: (
            math.inf if x > a[-1] else s[min(range(len(a)), key=lambda i: abs(a[i] - x))]
        ),
        "read between the points, not at the next one",
    ),
    (
        "ch04.images_needed",
        "next measured point",
        lambda s, a, x: next((n for n, acc in zip(s, a, strict=True) if acc >= x), math.inf),
        "read between the points, not at the next one",
    ),
    (
        "ch04.images_needed",
        "extrapolates",
        lambda s, a, x: (
            need(s, a, x)
            if x <= a[-1]
            else s[-2]
            * (s[-1] / s[-2])
            ** (
                (math.log(100 - a[-2]) - math.log(100 - x))
                / (math.log(100 - a[-2]) - math.log(100 - a[-1]))
            )
        ),
        "no point of the curve reaches it, so return math.inf",
    ),
    (
        "ch04.images_needed",
        "None beyond",
        lambda s, a, x: None if x > a[-1] else need(s, a, x),
        "no point of the curve reaches it, so return math.inf",
    ),
    (
        "ch04.images_needed",
        "rounded to int",
        lambda s, a, x: math.inf if x > a[-1] else round(need(s, a, x)),
        "do not round",
    ),
    (
        "ch04.images_needed",
        "wanted == last accuracy gives None",
        need_fails_top,
        "the last point reaches it",
    ),
    (
        "ch04.images_needed",
        "wanted == last accuracy gives inf (>=)",
        lambda s, a, x: math.inf if x >= a[-1] else need(s, a, x),
        "the last point reaches it: that is enough",
    ),
    (
        "ch04.budget",
        "not floored",
        lambda m_, mi, wg, items=1: m_ / wg * 60 / (mi * items),
        "a part of an image is no image: round down",
    ),
    (
        "ch04.budget",
        "round",
        lambda m_, mi, wg, items=1: round(m_ / wg * 60 / (mi * items)),
        "round down: the money does not reach for one more",
    ),
    (
        "ch04.budget",
        "ceil",
        lambda m_, mi, wg, items=1: math.ceil(m_ / wg * 60 / (mi * items)),
        "round down: the money does not reach for one more",
    ),
    (
        "ch04.budget",
        "labels ignored",
        lambda m_, mi, wg, items=1: int(m_ / wg * 60 // mi),
        "each image is labelled labels_per_image times",
    ),
    (
        "ch04.budget",
        "labels multiplied",
        lambda m_, mi, wg, items=1: int(m_ / wg * 60 // mi * items),
        "more labels an image make fewer images, not more",
    ),
    (
        "ch04.budget",
        "minutes as hours",
        lambda m_, mi, wg, items=1: int(m_ / wg // (mi * items)),
        "minutes_per_image are minutes, 60 an hour",
    ),
    (
        "ch04.budget",
        "hours floored first",
        lambda m_, mi, wg, items=1: int(m_ // wg * 60 // (mi * items)),
        "6.67 hours are 400 minutes: do not cut the hours",
    ),
    (
        "ch04.budget",
        "at least one image",
        lambda m_, mi, wg, items=1: max(1, int(m_ / wg * 60 // (mi * items))),
        "round down: the money does not reach for one more",
    ),
    (
        "ch04.budget",
        "minutes an image floored to whole hours",
        lambda m_, mi, wg, items=1: int(m_ / wg // max(1, mi * items // 60)),
        "60 hours, and 1.5 hours an image",
    ),
]
