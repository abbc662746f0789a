"""Intervals of few trainings, and images read off a learning curve."""

import math

import numpy as np
import pytest

from classroom.learning_curve import images_needed, mean_interval

SIZES, ACCURACIES = [100, 1000, 10_000], [80.0, 95.0, 99.0]


def test_interval_of_a_textbook_example():
    # mean 3, s = sqrt(2.5), t(4) = 2.776: 3 -+ 2.776 * sqrt(2.5 / 5)
    mean, low, high = mean_interval([1, 2, 3, 4, 5])
    assert mean == 3
    assert (low, high) == pytest.approx((3 - 1.9629, 3 + 1.9629), abs=1e-3)


def test_interval_covers_the_mean_about_95_times_in_100():
    draws = np.random.default_rng(4).normal(7, 2, size=(2000, 3))
    covered = [low <= 7 <= high for _, low, high in map(mean_interval, draws.tolist())]
    assert 0.93 < np.mean(covered) < 0.97


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 11])
def test_interval_needs_two_to_ten_values(values):
    with pytest.raises(ValueError, match="2 to 10 values"):
        mean_interval(values)


def test_points_of_the_curve_are_given_back():
    for size, accuracy in zip(SIZES, ACCURACIES, strict=True):
        assert images_needed(SIZES, ACCURACIES, accuracy) == pytest.approx(size)


def test_between_points_errors_fall_as_a_power_of_the_images():
    # error = 200 / sqrt(n): one straight line in log and log
    sizes = [100, 400, 10_000]
    accuracies = [100 - 200 / math.sqrt(n) for n in sizes]
    for n in (150, 900, 2500):
        assert images_needed(sizes, accuracies, 100 - 200 / math.sqrt(n)) == pytest.approx(n)


def test_beyond_the_curve():
    assert images_needed(SIZES, ACCURACIES, 99.1) == math.inf
    assert images_needed(SIZES, ACCURACIES, 50.0) == pytest.approx(100)


@pytest.mark.parametrize(
    ("sizes", "accuracies", "wanted", "message"),
    [
        ([100], [80.0], 80, "as many sizes"),
        ([100, 200], [80.0], 80, "as many sizes"),
        ([200, 100], [80.0, 90.0], 80, "must rise"),
        ([100, 200], [90.0, 80.0], 80, "must rise"),
        ([0, 200], [80.0, 90.0], 80, "must rise"),
        ([100, 200], [80.0, 90.0], 100, "below 100"),
    ],
)
def test_no_curve_is_refused(sizes, accuracies, wanted, message):
    with pytest.raises(ValueError, match=message):
        images_needed(sizes, accuracies, wanted)
