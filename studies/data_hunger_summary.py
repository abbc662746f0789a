"""Figures out of the trainings of studies.data_hunger: means, gains, how far data stretches."""

import math
from statistics import mean

from classroom.learning_curve import images_needed, mean_interval


def summary(runs: list[dict]) -> dict:
    """Accuracies of the seeds with their mean and 95 % interval, and the mean on moved images."""
    accuracies = [one["accuracy"] for one in runs]
    average, low, high = mean_interval(accuracies)
    moved = mean(one["moved"] for one in runs)
    return {"accuracies": accuracies, "mean": average, "low": low, "high": high, "moved": moved}


def gain(plain: list[dict], other: list[dict]) -> dict:
    """Points won, seed by seed on the same images, with the interval of the mean."""
    points = [b["accuracy"] - a["accuracy"] for a, b in zip(plain, other, strict=False)]
    average, low, high = mean_interval(points)
    return {"mean": average, "low": low, "high": high}


def stretch(plain: dict[int, list], augmented: dict[int, list]) -> dict:
    """How many times more plain images would reach what augmentation reached, for each size.

    None: more than 60,000 plain images would be needed; the lowest and the highest seed beside it.
    """
    sizes = list(plain)
    curve = [mean(one["accuracy"] for one in plain[size]) for size in sizes]
    factors = {}
    for size, runs in augmented.items():
        accuracies = [one["accuracy"] for one in runs]
        three = (mean(accuracies), min(accuracies), max(accuracies))
        needed = [images_needed(sizes, curve, accuracy) / size for accuracy in three]
        needed = [None if math.isinf(factor) else factor for factor in needed]
        factors[size] = dict(zip(("factor", "low", "high"), needed, strict=True))
    return factors
