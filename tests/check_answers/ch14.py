"""Answers to the exercises of chapter 14: right ones, and wrong ones with what the hint says."""

import math

import numpy as np


def beaten(one, others):
    return any(o[0] <= one[0] and o[1] >= one[1] and o != one for o in others)


def front(networks):
    return [i for i, one in enumerate(networks) if not beaten(one, networks)]


def front_by_sorting(networks):
    order = sorted(range(len(networks)), key=lambda i: (networks[i][0], -networks[i][1]))
    kept, best = [], -math.inf
    for i in order:
        if networks[i][1] > best or (kept and networks[i] == networks[kept[-1]]):
            kept.append(i)
            best = networks[i][1]
    return sorted(kept)


def front_numpy(networks):
    table = np.array(networks)
    ms, quality = table[:, 0], table[:, 1]
    beats = (ms[:, None] <= ms) & (quality[:, None] >= quality)
    beats &= (ms[:, None] < ms) | (quality[:, None] > quality)
    return np.flatnonzero(~beats.any(axis=0))


def left(earlier, now, seconds):
    closing = (earlier - now) / seconds
    return now / closing if closing > 0 else math.inf


def left_early(earlier, now, seconds):
    if now >= earlier:
        return float("inf")
    return now * seconds / (earlier - now)


def by(rule):
    return lambda networks: [
        i
        for i, one in enumerate(networks)
        if not any(rule(o, one) for o in networks if o is not one)
    ]


def closing_of(earlier, now, seconds):
    return (earlier - now) / seconds or math.nan


def unless_free(rule):
    return lambda earlier, now, s: math.inf if now >= earlier else rule(earlier, now, s)


RIGHT = [
    ("ch14.share", "prod", lambda alone, together: together / math.prod(alone)),
    ("ch14.share", "numpy", lambda alone, together: together / np.prod(alone)),
    ("ch14.share", "logs", lambda alone, t: math.exp(math.log(t) - sum(map(math.log, alone)))),
    ("ch14.front", "pairs", front),
    ("ch14.front", "sorting", front_by_sorting),
    ("ch14.front", "numpy", front_numpy),
    ("ch14.metres", "seconds", lambda ms, fps, kmh: kmh / 3.6 * (1 / fps + ms / 1000)),
    ("ch14.metres", "ms", lambda ms, fps, kmh: kmh / 3600 * (1000 / fps + ms)),
    (
        "ch14.metres",
        "numpy",
        lambda ms, fps, kmh: np.float64(kmh) / 3.6 * np.sum([1 / fps, ms / 1e3]),
    ),
    ("ch14.collision", "speed", left),
    ("ch14.collision", "early return", left_early),
    ("ch14.collision", "numpy", lambda e, n, s: np.float64(left(e, n, s))),
]
WRONG = [
    ("ch14.share", "sum", lambda alone, t: t / sum(alone), "gains multiply, they do not add up"),
    (
        "ch14.share",
        "inverted",
        lambda alone, t: math.prod(alone) / t,
        "the joint gain over the product",
    ),
    (
        "ch14.share",
        "difference",
        lambda alone, t: math.prod(alone) - t,
        "divide by the product, do not",
    ),
    ("ch14.share", "largest", lambda alone, t: t / max(alone), "not by the largest gain"),
    ("ch14.share", "two alone", lambda alone, t: t / (alone[0] * alone[1]), "multiply all gains"),
    ("ch14.share", "percent", lambda alone, t: 100 * t / math.prod(alone), "no percent"),
    ("ch14.share", "cut", lambda alone, t: min(1.0, t / math.prod(alone)), "above 1 is right"),
    (
        "ch14.front",
        "less quality",
        by(lambda a, b: a[0] <= b[0] and a[1] <= b[1] and a != b),
        "more quality is better",
    ),
    (
        "ch14.front",
        "strict",
        by(lambda a, b: a[0] < b[0] and a[1] > b[1]),
        "as fast and worse is beaten",
    ),
    (
        "ch14.front",
        "either",
        by(lambda a, b: a[0] < b[0] or a[1] > b[1]),
        "only by one that is at least as good in both",
    ),
    (
        "ch14.front",
        "twins",
        by(lambda a, b: a[0] <= b[0] and a[1] >= b[1]),
        "two that are the same do not beat each other",
    ),
    ("ch14.front", "fastest", by(lambda a, b: a[0] < b[0]), "look at the quality too"),
    ("ch14.front", "best", by(lambda a, b: a[1] > b[1]), "look at the milliseconds too"),
    ("ch14.front", "the pairs", lambda n: [n[i] for i in front(n)], "not the pairs"),
    ("ch14.front", "backwards", lambda n: front(n)[::-1], "from the first to the last"),
    ("ch14.metres", "network alone", lambda ms, fps, kmh: kmh / 3.6 * ms / 1000, "add a period"),
    (
        "ch14.metres",
        "half",
        lambda ms, fps, kmh: kmh / 3.6 * (0.5 / fps + ms / 1000),
        "a whole period",
    ),
    ("ch14.metres", "km/h", lambda ms, fps, kmh: kmh * (1 / fps + ms / 1000), "divide by 3.6"),
    (
        "ch14.metres",
        "times 3.6",
        lambda ms, fps, kmh: kmh * 3.6 * (1 / fps + ms / 1000),
        "divide by 3.6, do not multiply",
    ),
    (
        "ch14.metres",
        "ms as s",
        lambda ms, fps, kmh: kmh / 3.6 * (1000 / fps + ms),
        "divide by 1000",
    ),
    (
        "ch14.metres",
        "longer",
        lambda ms, fps, kmh: kmh / 3.6 * max(1 / fps, ms / 1000),
        "the network's time counts too",
    ),
    (
        "ch14.metres",
        "frame alone",
        lambda ms, fps, kmh: kmh / 3.6 / fps,
        "the network's time counts too",
    ),
    (
        "ch14.collision",
        "metres of earlier",
        unless_free(lambda e, n, s: e / closing_of(e, n, s)),
        "metres left now, not those of earlier",
    ),
    (
        "ch14.collision",
        "inverted",
        unless_free(lambda e, n, s: closing_of(e, n, s) / n),
        "divide the metres by the closing speed",
    ),
    (
        "ch14.collision",
        "speed times",
        unless_free(lambda e, n, s: n / ((e - n) * s)),
        "a speed is metres over seconds",
    ),
    (
        "ch14.collision",
        "no seconds",
        lambda e, n, s: math.inf if n >= e else n / (e - n) + 0 * s,
        "a speed needs the seconds",
    ),
    (
        "ch14.collision",
        "sign",
        unless_free(lambda e, n, s: -n / closing_of(e, n, s)),
        "gives a positive time",
    ),
    (
        "ch14.collision",
        "never infinite",
        lambda e, n, s: n / closing_of(e, n, s),
        "return math.inf",
    ),
    ("ch14.collision", "zero", lambda e, n, s: left(e, n, s) if e > n else 0.0, "return math.inf"),
]
