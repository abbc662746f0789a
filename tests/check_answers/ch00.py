"""Answers to the exercises of chapter 00: right ones, and wrong ones with what the hint says."""

import numpy as np
import torch


def line(stages, overlapped):
    if overlapped:
        slowest = 0
        for stage in stages:
            if stage > slowest:
                slowest = stage
    else:
        slowest = sum(stages)
    return [1000 / slowest, sum(stages)]


def simulated(stages, overlapped, frames=40):
    pace = max(stages)
    free = [0.0] * len(stages)
    ends = []
    for frame in range(frames):
        time = frame * pace if overlapped else (ends[-1] if ends else 0.0)
        taken = time
        for i, stage in enumerate(stages):
            time = max(time, free[i]) + stage
            free[i] = time
        ends.append(time)
    return 1000 / (ends[-1] - ends[-2]), ends[-1] - taken


RIGHT = [
    ("ch00.frame_budget", "numpy", lambda f: np.float64(1000) / f),
    ("ch00.frame_budget", "tensor f32", lambda f: torch.tensor(1000.0) / f),
    ("ch00.frame_budget", "np f32", lambda f: np.float32(1000) / np.float32(f)),
    ("ch00.fits", "numpy", lambda t, f: 100 * (np.array(t) <= 1000 / f).mean()),
    ("ch00.fits", "torch", lambda t, f: 100 * (torch.tensor(t) <= 1000 / f).float().mean()),
    ("ch00.fits", "loop", lambda t, f: sum(100 / len(t) for x in t if x * f <= 1000)),
    ("ch00.pipeline", "loop", line),
    ("ch00.pipeline", "simulated", simulated),
    (
        "ch00.pipeline",
        "tensors",
        lambda s, o: (1000 / (torch.tensor(s).max() if o else sum(s)), torch.tensor(s).sum()),
    ),
]
WRONG = [
    (
        "ch00.frame_budget",
        "seconds",
        lambda f: 1 / f,
        "that is in seconds, and a second has 1000 ms",
    ),
    ("ch00.frame_budget", "int division", lambda f: 1000 // f, "do not round"),
    ("ch00.frame_budget", "rounded 2", lambda f: round(1000 / f, 2), "do not round"),
    (
        "ch00.frame_budget",
        "hard-coded 33.33",
        lambda f: 33.33,
        "use frames_per_second, not 30 in every case",
    ),
    (
        "ch00.frame_budget",
        "fps/1000",
        lambda f: f / 1000,
        "divide the second by the frames, not the frames by the second",
    ),
    (
        "ch00.frame_budget",
        "print only",
        lambda f: print(1000 / f),
        "one frame per second leaves a whole second",
    ),
    (
        "ch00.frame_budget",
        "string with unit",
        lambda f: f"{1000 / f} ms",
        "one frame per second leaves a whole second",
    ),
    (
        "ch00.frame_budget",
        "string number",
        lambda f: str(1000 / f),
        "one frame per second leaves a whole second",
    ),
    (
        "ch00.fits",
        "share not percent",
        lambda t, f: sum(x <= 1000 / f for x in t) / len(t),
        "the share runs from 0 to 100",
    ),
    (
        "ch00.fits",
        "strict",
        lambda t, f: 100 * sum(x < 1000 / f for x in t) / len(t),
        "at 25 fps a frame of exactly 40 ms still fits",
    ),
    (
        "ch00.fits",
        "count",
        lambda t, f: sum(x <= 1000 / f for x in t),
        "return a share in percent, not a count",
    ),
    (
        "ch00.fits",
        "missed instead",
        lambda t, f: 100 * sum(x > 1000 / f for x in t) / len(t),
        "count the frames that fit, not those that miss",
    ),
    (
        "ch00.fits",
        "hard 33.3",
        lambda t, f: 100 * sum(x <= 33.3 for x in t) / len(t),
        "at 25 fps a frame of exactly 40 ms still fits",
    ),
    (
        "ch00.fits",
        "int percent",
        lambda t, f: 100 * sum(x <= 1000 / f for x in t) // len(t),
        "do not round",
    ),
    (
        "ch00.fits",
        "mean time fits",
        lambda t, f: 100.0 if sum(t) / len(t) <= 1000 / f else 0.0,
        "three of four fit into 33.3 ms, which are 75 percent",
    ),
    (
        "ch00.fits",
        "divide by 4",
        lambda t, f: 100 * sum(x <= 1000 / f for x in t) / 4,
        "at 25 fps a frame of exactly 40 ms still fits",
    ),
    (
        "ch00.fits",
        "round budget",
        lambda t, f: 100 * sum(x <= round(1000 / f) for x in t) / len(t),
        "do not round it",
    ),
    (
        "ch00.fits",
        "int budget",
        lambda t, f: 100 * sum(x <= 1000 // f for x in t) / len(t),
        "do not round it",
    ),
    (
        "ch00.fits",
        "sorts input",
        lambda t, f: (t.sort(), 100 * sum(x <= 1000 / f for x in t) / len(t))[1],
        "changes its argument",
    ),
    (
        "ch00.pipeline",
        "overlap ignored",
        lambda s, o: (1000 / sum(s), sum(s)),
        "the slowest sets the pace",
    ),
    (
        "ch00.pipeline",
        "always overlapped",
        lambda s, o: (1000 / max(s), sum(s)),
        "without overlap a frame takes all stages together",
    ),
    (
        "ch00.pipeline",
        "fastest stage",
        lambda s, o: (1000 / (min(s) if o else sum(s)), sum(s)),
        "a frame leaves whenever the slowest stage is done, not the fastest",
    ),
    (
        "ch00.pipeline",
        "way as long as the slowest stage",
        lambda s, o: (1000 / (max(s) if o else sum(s)), max(s) if o else sum(s)),
        "overlap shortens no frame's own way",
    ),
    (
        "ch00.pipeline",
        "every stage waits for the slowest",
        lambda s, o: (1000 / (max(s) if o else sum(s)), len(s) * max(s) if o else sum(s)),
        "no frame waits in this line: add the stages",
    ),
    (
        "ch00.pipeline",
        "milliseconds a frame",
        lambda s, o: (max(s) if o else sum(s), sum(s)),
        "return frames a second, not a frame's milliseconds",
    ),
    (
        "ch00.pipeline",
        "mean stage",
        lambda s, o: (1000 * len(s) / sum(s) if o else 1000 / sum(s), sum(s)),
        "the slowest stage sets the pace, not the mean",
    ),
    ("ch00.pipeline", "one number", lambda s, o: 1000 / sum(s), "return 2 things"),
]
