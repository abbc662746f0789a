"""How accuracy grows with the number of training images, and what that is worth. Chapter 04."""

import math
from collections.abc import Sequence

import numpy as np

# Student's t for a two-sided 95 % interval, by degrees of freedom (number of values - 1)
T_95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high): the mean of a few values and its 95 % interval.

    For means of repeated trainings, whose spread is unknown: Student's t, 2 to 10 values.
    Raises ValueError for another number of values. Source: "Student" 1908, "The probable error of
    a mean". Taught in chapter 04.
    """
    if len(values) - 1 not in T_95:
        raise ValueError(f"an interval is computed from 2 to 10 values, got {len(values)}")
    mean = float(np.mean(values))
    # half width = t * s / sqrt(n), s with n - 1 in the denominator
    half = T_95[len(values) - 1] * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def images_needed(sizes: Sequence[int], accuracies: Sequence[float], wanted: float) -> float:
    """How many training images reach an accuracy, read off a measured curve.

    sizes: numbers of images, rising. accuracies: percent reached with each, rising. wanted: in
    percent. Between two points the curve is a straight line of log(error) over log(images), as
    learning curves nearly are. Returns math.inf for more than the last point reaches, and the first
    size for less than the first point reaches.
    Raises ValueError unless both lists rise, have the same length of 2 or more, and all accuracies
    and `wanted` lie below 100. Taught in chapter 04.
    """
    if len(sizes) != len(accuracies) or len(sizes) < 2:
        raise ValueError(f"a curve has as many sizes as accuracies, got {sizes} and {accuracies}")
    if np.any(np.diff(sizes) <= 0) or np.any(np.diff(accuracies) <= 0) or sizes[0] <= 0:
        raise ValueError(f"sizes and accuracies must rise, got {sizes} and {accuracies}")
    if max([*accuracies, wanted]) >= 100:
        raise ValueError("accuracies are percent below 100: the logarithm of no error is infinite")
    if wanted > accuracies[-1]:
        return math.inf
    # np.interp wants rising x: minus the log of the error rises with the accuracy
    log_errors = [-math.log(100 - accuracy) for accuracy in accuracies]
    return math.exp(np.interp(-math.log(100 - wanted), log_errors, np.log(sizes)))
