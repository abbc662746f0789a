"""Answers to the exercises of chapter 05: right ones, and wrong ones with what the hint says."""

import math
import statistics
import time

import numpy as np
import torch


def T(f):

    def t(d, n):
        d.launch()
        return f(d, n)

    return t


def rd(d, n, before=True, after=True, once=False):
    out = []
    for _ in range(n):
        if before:
            d.synchronize()
        s = d.now_ms
        d.launch()
        if after:
            d.synchronize()
        out.append(d.now_ms - s)
    return out


def whole(d, n):
    d.launch()
    d.synchronize()
    s = d.now_ms
    for _ in range(n):
        d.launch()
    d.synchronize()
    return (d.now_ms - s) / n


def total_not_divided(d, n):
    d.launch()
    d.synchronize()
    s = d.now_ms
    for _ in range(n):
        d.launch()
    d.synchronize()
    return d.now_ms - s


def roof(f, n, p, b):
    c, mm = (f / (p * 1000000.0), n / (b * 1000000.0))
    return (max(c, mm), "compute" if c >= mm else "memory")


def roof_if(flops, num_bytes, peak, speed):
    compute, memory = (flops / peak / 1000000.0, num_bytes / speed / 1000000.0)
    if compute > memory:
        return (compute, "compute")
    return (memory, "memory")


RIGHT = [
    ("ch05.timer", "np.median", T(lambda d, n: np.median(rd(d, n)))),
    ("ch05.timer", "extra reading dropped", lambda d, n: statistics.median(rd(d, n + 1)[1:])),
    ("ch05.timer", "torch median odd", T(lambda d, n: torch.tensor(rd(d, 2 * n + 1)).median())),
    (
        "ch05.timer",
        "ten warm-ups",
        lambda d, n: ([d.launch() for _ in range(10)], statistics.median(rd(d, n)))[1],
    ),
    ("ch05.intensity", "np", lambda a, b, c, n: np.float64(2 * a * n) / (b + c * n)),
    ("ch05.intensity", "per image", lambda a, b, c, n: 2 * a / (b / n + c)),
    ("ch05.roofline", "list", lambda f, n, p, b: list(roof(f, n, p, b))),
    (
        "ch05.roofline",
        "max of tuples",
        lambda f, n, p, b: max((f / p / 1000000.0, "compute"), (n / b / 1000000.0, "memory")),
    ),
    (
        "ch05.crossover",
        "floor + 1 (naive float)",
        lambda c, f, g: None if g >= c else math.floor(f / (c - g)) + 1,
    ),
    (
        "ch05.crossover",
        "next over range",
        lambda c, f, g: next((b for b in range(1, 10**5) if f + b * g < b * c), None),
    ),
    ("ch05.crossover", "int(f/(c-g)) + 1", lambda c, f, g: int(f / (c - g)) + 1 if c > g else None),
    (
        "ch05.crossover",
        "f // (c-g) + 1 as int",
        lambda c, f, g: int(f // (c - g)) + 1 if c > g else None,
    ),
    (
        "ch05.intensity",
        "formula",
        lambda macs, weights, image, batch: 2 * macs * batch / (weights + image * batch),
    ),
    ("ch05.roofline", "if", roof_if),
]
WRONG = [
    (
        "ch05.timer",
        "no sync after",
        T(lambda d, n: statistics.median(rd(d, n, after=False))),
        "that is the launch alone: synchronize before you stop the clock",
    ),
    (
        "ch05.timer",
        "no sync before first (warm-up launch unsynced, n=1)",
        T(lambda d, n: statistics.median(rd(d, n, before=False))),
        "synchronize before you start the clock too",
    ),
    (
        "ch05.timer",
        "no warm-up",
        lambda d, n: statistics.median(rd(d, n)),
        "launch once before you measure",
    ),
    (
        "ch05.timer",
        "mean",
        T(lambda d, n: statistics.mean(rd(d, n))),
        "time each piece by itself, `repeats` times, and return the median",
    ),
    (
        "ch05.timer",
        "minimum",
        T(lambda d, n: min(rd(d, n))),
        "the shortest reading is not the median",
    ),
    (
        "ch05.timer",
        "max",
        T(lambda d, n: max(rd(d, n))),
        "take the median of `repeats` readings, not the longest and not one alone",
    ),
    ("ch05.timer", "whole loop / n", whole, "one launch and one synchronize a reading"),
    (
        "ch05.timer",
        "whole loop",
        total_not_divided,
        "that is all pieces together: return the median of one",
    ),
    (
        "ch05.timer",
        "reads kernel_ms",
        lambda d, n: d.launch_ms + d.kernel_ms,
        "raised AttributeError",
    ),
    (
        "ch05.timer",
        "hard-coded 5.01",
        lambda d, n: 5.01,
        "one launch and one synchronize a reading",
    ),
    (
        "ch05.timer",
        "real clock",
        T(
            lambda d, n: (
                lambda t0: (d.launch(), d.synchronize(), 1000.0 * (time.perf_counter() - t0))[2]
            )(time.perf_counter())
        ),
        "one launch and one synchronize a reading",
    ),
    (
        "ch05.timer",
        "ignores repeats: one reading",
        T(lambda d, n: rd(d, 1)[0]),
        "take the median of `repeats` readings, not the longest and not one alone",
    ),
    (
        "ch05.timer",
        "drops the first reading, needs n>1",
        lambda d, n: statistics.median(rd(d, n)[1:]),
        "raised StatisticsError",
    ),
    (
        "ch05.timer",
        "seconds",
        T(lambda d, n: statistics.median(rd(d, n)) / 1000),
        "that is in seconds: the clock counts milliseconds",
    ),
    (
        "ch05.intensity",
        "mac=1 flop",
        lambda a, b, c, n: a * n / (b + c * n),
        "one MAC is two FLOPs",
    ),
    (
        "ch05.intensity",
        "weights times batch",
        lambda a, b, c, n: 2 * a * n / (b * n + c * n),
        "the work grows with the batch too",
    ),
    (
        "ch05.intensity",
        "no batch",
        lambda a, b, c, n: 2 * a / (b + c),
        "the work grows with the batch too",
    ),
    (
        "ch05.intensity",
        "image bytes once",
        lambda a, b, c, n: 2 * a * n / (b + c),
        "the bytes of the images grow with the batch",
    ),
    (
        "ch05.intensity",
        "work once",
        lambda a, b, c, n: 2 * a / (b + c * n),
        "the work grows with the batch too",
    ),
    ("ch05.intensity", "int division", lambda a, b, c, n: 2 * a * n // (b + c * n), "do not round"),
    (
        "ch05.intensity",
        "inverted",
        lambda a, b, c, n: (b + c * n) / (2 * a * n),
        "FLOPs a byte, not bytes a FLOP",
    ),
    (
        "ch05.roofline",
        "sum",
        lambda f, n, p, b: (f / (p * 1000000.0) + n / (b * 1000000.0), roof(f, n, p, b)[1]),
        "both happen at once: the longer one decides, not their sum",
    ),
    (
        "ch05.roofline",
        "min",
        lambda f, n, p, b: (min(f / (p * 1000000.0), n / (b * 1000000.0)), roof(f, n, p, b)[1]),
        "the longer one decides, not the shorter",
    ),
    (
        "ch05.roofline",
        "seconds",
        lambda f, n, p, b: (roof(f, n, p, b)[0] / 1000, roof(f, n, p, b)[1]),
        "that is in seconds, and a second has 1000 ms",
    ),
    (
        "ch05.roofline",
        "label swapped",
        lambda f, n, p, b: (
            roof(f, n, p, b)[0],
            {"compute": "memory", "memory": "compute"}[roof(f, n, p, b)[1]],
        ),
        "the longer of 10 ms of compute and 0.05 ms of memory limits",
    ),
    (
        "ch05.roofline",
        "Compute capital",
        lambda f, n, p, b: (roof(f, n, p, b)[0], roof(f, n, p, b)[1].title()),
        "the longer of 10 ms of compute and 0.05 ms of memory limits",
    ),
    (
        "ch05.roofline",
        "order swapped",
        lambda f, n, p, b: roof(f, n, p, b)[::-1],
        "return the milliseconds first, then what limits",
    ),
    (
        "ch05.roofline",
        "GB = 2^30",
        lambda f, n, p, b: roof(f, n, p, b * 1.073741824),
        "a GB is 1e9 bytes here",
    ),
    (
        "ch05.roofline",
        "flops doubled",
        lambda f, n, p, b: roof(2 * f, n, p, b),
        "flops counts FLOPs already: do not double them",
    ),
    (
        "ch05.roofline",
        "compares raw flops > bytes",
        lambda f, n, p, b: (roof(f, n, p, b)[0], "compute" if f > n else "memory"),
        "the longer of 20 ms of compute and 40 ms of memory limits",
    ),
    (
        "ch05.roofline",
        "compares intensity with 10 fixed",
        lambda f, n, p, b: (roof(f, n, p, b)[0], "compute" if f / n > 10 else "memory"),
        "the longer of 40 ms of compute and 20 ms of memory limits",
    ),
    (
        "ch05.crossover",
        "ceil",
        lambda c, f, g: None if g >= c else math.ceil(f / (c - g)),
        "at batch 10 both take 10 ms: equal is not faster",
    ),
    (
        "ch05.crossover",
        "float",
        lambda c, f, g: None if g >= c else f / (c - g),
        "a batch is a whole number (int)",
    ),
    (
        "ch05.crossover",
        "inf",
        lambda c, f, g: math.inf if g >= c else math.floor(f / (c - g)) + 1,
        "CPU 1 ms an image, GPU 5 ms and 1 an image: the GPU never wins, so return None, ",
    ),
    (
        "ch05.crossover",
        "no guard",
        lambda c, f, g: math.floor(f / (c - g)) + 1,
        "raised ZeroDivisionError",
    ),
    (
        "ch05.crossover",
        ">= loop",
        lambda c, f, g: None if g >= c else next(b for b in range(1, 10**6) if f + b * g <= b * c),
        "at batch 10 both take 10 ms: equal is not faster",
    ),
    (
        "ch05.crossover",
        "start at 0",
        lambda c, f, g: (
            None if g >= c else next(b for b in range(0, 10**6) if f + b * g < b * c or f == 0)
        ),
        "without a fixed cost the faster device wins from the first image",
    ),
    (
        "ch05.crossover",
        "-1",
        lambda c, f, g: -1 if g >= c else math.floor(f / (c - g)) + 1,
        "CPU 1 ms an image, GPU 5 ms and 1 an image: the GPU never wins, so return None, ",
    ),
    (
        "ch05.crossover",
        "searches only to 100 then None",
        lambda c, f, g: next((b for b in range(1, 101) if f + b * g < b * c), None),
        "a GPU may need a large batch: do not stop searching early",
    ),
]
