"""Answers to the exercises of chapter 15: right ones, and wrong ones with what the hint says."""

import math
from statistics import fmean, geometric_mean, harmonic_mean, median, stdev, variance

import numpy as np


def judge(target, measured, scatter):
    if measured + scatter <= target:
        return "reproduced"
    return "undecided" if measured - scatter <= target else "not reproduced"


def judge_by_ends(target, measured, scatter):
    ends = {end <= target for end in (measured - scatter, measured + scatter)}
    if len(ends) == 2:
        return "undecided"
    return "reproduced" if ends.pop() else "not reproduced"


def judge_by_distance(target, measured, scatter):
    distance = measured - target
    if -scatter < distance <= scatter and scatter:
        return "undecided"
    return "reproduced" if distance <= 0 else "not reproduced"


def two_errors(values, n=None, spare=1, times=2.0):
    mean = sum(values) / len(values)
    squares = sum((value - mean) ** 2 for value in values)
    return times * math.sqrt(squares / (len(values) - spare)) / math.sqrt(n or len(values))


RIGHT = [
    ("ch15.mean", "root", lambda g: math.prod(g) ** (1 / len(g))),
    ("ch15.mean", "logarithms", lambda g: np.exp(np.mean(np.log(g)))),
    ("ch15.mean", "statistics", geometric_mean),
    ("ch15.scatter", "by hand", two_errors),
    ("ch15.scatter", "statistics", lambda v: 2 * stdev(v) / len(v) ** 0.5),
    ("ch15.scatter", "numpy", lambda v: 2 * np.std(v, ddof=1) / np.sqrt(len(v))),
    ("ch15.verdict", "ends", judge_by_ends),
    ("ch15.verdict", "in order", judge),
    ("ch15.verdict", "distance", judge_by_distance),
]
WRONG = [
    ("ch15.mean", "arithmetic", fmean, "gains multiply: no arithmetic mean"),
    ("ch15.mean", "harmonic", harmonic_mean, "gains multiply: no harmonic mean"),
    ("ch15.mean", "product", math.prod, "take the n-th root of the product"),
    (
        "ch15.mean",
        "square root",
        lambda g: math.prod(g) ** 0.5,
        "the n-th root, not the square root",
    ),
    (
        "ch15.mean",
        "without exp",
        lambda g: fmean(map(math.log, g)),
        "divide the sum of logarithms by their number, then exp",
    ),
    ("ch15.mean", "median", median, "gains multiply: no arithmetic mean"),
    (
        "ch15.scatter",
        "divided by n",
        lambda v: two_errors(v, spare=0),
        "a sample's sum of squares is divided by n - 1, not by n",
    ),
    ("ch15.scatter", "one", lambda v: two_errors(v, times=1), "two standard errors, not one"),
    ("ch15.scatter", "deviation", stdev, "that is the standard deviation"),
    ("ch15.scatter", "by n", lambda v: 2 * stdev(v) / len(v), "divide by the root of n, not by n"),
    ("ch15.scatter", "variance", variance, "take the root: that is a variance"),
    ("ch15.scatter", "span", lambda v: max(v) - min(v), "not the span from least to largest"),
    (
        "ch15.verdict",
        "without scatter",
        lambda t, m, s: "reproduced" if m <= t else "not reproduced",
        "73 to 77 has 74 inside",
    ),
    (
        "ch15.verdict",
        "higher is better",
        lambda t, m, s: "reproduced" if m - s >= t else "not reproduced",
        "70 is below the target of 74",
    ),
    (
        "ch15.verdict",
        "the lower end alone",
        lambda t, m, s: "reproduced" if m - s <= t else "not reproduced",
        "73 to 77 has 74 inside",
    ),
    (
        "ch15.verdict",
        "the target is not reached",
        lambda t, m, s: judge(t - 1e-6, m, s),
        "the target itself is reached",
    ),
    (
        "ch15.verdict",
        "an end at the target is outside",
        lambda t, m, s: "not reproduced" if s and m - s >= t else judge(t, m, s),
        "74 to 78 begins at the target, which counts as reached",
    ),
    ("ch15.verdict", "a bool", lambda t, m, s: m <= t, "return one of reproduced"),
    (
        "ch15.verdict",
        "undecided wherever something scatters",
        lambda t, m, s: "undecided" if s else judge(t, m, s),
        "77 to 81 lies above 74 as a whole",
    ),
]
