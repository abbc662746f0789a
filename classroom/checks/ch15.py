"""Checks of chapter 15: judging claims."""

import math

from classroom.checks.checker import exercise
from classroom.checks.compare import WrongForm, number_case
from classroom.checks.guard import describe

VERDICTS = ("reproduced", "not reproduced", "undecided")


@exercise("ch15.mean", points=2, cases=6)
def mean(mean_gain):
    """mean_gain(gains) -> the geometric mean of how many times faster each network became."""
    cases = [
        ([4.0, 1.0], "twice a factor of 2 makes 4, as 4 and 1 do together"),
        ([2.0, 0.5], "twice as fast and half as fast cancel"),
        ([3.0], "one network is its own mean"),
        ([1.5, 2.5, 8.0], "three gains: take the third root"),
        ([0.5, 0.5, 0.25, 2.0], "gains below 1 are losses, and count"),
    ]
    for gains, why in cases:
        expected = math.prod(gains) ** (1 / len(gains))
        mistakes = {
            "gains multiply: no arithmetic mean": sum(gains) / len(gains),
            "gains multiply: no harmonic mean": len(gains) / sum(1 / gain for gain in gains),
            "take the n-th root of the product": math.prod(gains),
            "the n-th root, not the square root": math.prod(gains) ** 0.5,
            "divide the sum of logarithms by their number, then exp": math.log(expected),
            "that is the median: take the geometric mean": sorted(gains)[len(gains) // 2],
        }
        yield number_case(mean_gain(list(gains)), expected, f"gains {gains}", why, mistakes)


@exercise("ch15.scatter", points=3, cases=5)
def scatter(two_standard_errors):
    """two_standard_errors(values) -> 2 s / sqrt(n), s the standard deviation of a sample of n."""
    cases = [
        ([198.0, 206.0, 191.0], "three seeds: s is 7.51, divide by the root of 3"),
        ([85.8, 85.7, 86.1, 85.6, 85.5], "five seeds: divide the sum of squares by n - 1 = 4"),
        ([1.0, 1.0, 1.0, 1.0], "nothing scatters"),
        ([-0.3, 0.1, 0.4, -0.2, 0.5], "negative changes scatter like positive ones"),
    ]
    for values, why in cases:
        n, mean = len(values), math.fsum(values) / len(values)
        squares = math.fsum((value - mean) ** 2 for value in values)
        s = (squares / (n - 1)) ** 0.5
        mistakes = {
            "a sample's sum of squares is divided by n - 1, not by n": 2 * (squares / n / n) ** 0.5,
            "two standard errors, not one": s / n**0.5,
            "that is the standard deviation: divide by the root of n": s,
            "divide by the root of n: twice the deviation is not it": 2 * s,
            "divide by the root of n, not by n": 2 * s / n,
            "take the root: that is a variance": squares / (n - 1),
            "not the span from least to largest": max(values) - min(values),
        }
        asked = f"the values {values}"
        answer = two_standard_errors(list(values))
        yield number_case(answer, 2 * s / n**0.5, asked, why, mistakes)


@exercise("ch15.verdict", points=3, cases=9)
def verdict(judge):
    """judge(target, measured, scatter) -> one of VERDICTS, where lower is better."""
    cases = [
        (74.0, 70.0, 0.0, "reproduced", "70 is below the target of 74"),
        (74.0, 74.0, 0.0, "reproduced", "the target itself is reached"),
        (74.0, 79.0, 0.0, "not reproduced", "79 is above 74, and nothing scatters"),
        (74.0, 79.0, 2.0, "not reproduced", "77 to 81 lies above 74 as a whole"),
        (74.0, 75.0, 2.0, "undecided", "73 to 77 has 74 inside"),
        (74.0, 76.0, 2.0, "undecided", "74 to 78 begins at the target, which counts as reached"),
        (74.0, 73.0, 2.0, "undecided", "71 to 75 has 74 inside, though 73 is better"),
        (74.0, 70.0, 2.0, "reproduced", "68 to 72 lies below 74 as a whole"),
        (74.0, 72.0, 2.0, "reproduced", "70 to 74 ends at the target, which counts as reached"),
    ]
    for target, measured, scatter, expected, why in cases:
        answer = judge(target, measured, scatter)
        if not isinstance(answer, str) or answer not in VERDICTS:
            raise WrongForm(f"return one of {', '.join(VERDICTS)}, not {describe(answer)}.")
        asked = f"target {target:g}, measured {measured:g}, scatter {scatter:g}"
        yield answer == expected, f"{asked}: {why}, so {expected}, not {answer}."
