"""Right and wrong answers to the exercises of chapter 04, with what the hint must say."""

import math

import torch

from edu_lib.measure.learning_curve import images_needed
from edu_lib.teach.checks import ch04

assert ch04  # importing it registers the exercises


def mirror_some(X, chosen):
    return torch.where(chosen[:, None, None, None], X.flip(-1), X)


def mirror_in_place(X, chosen):
    X[chosen] = X[chosen].flip(-1)
    return X


def needed_linear(sizes, accuracies, wanted):
    """Straight lines of accuracy over images, without logarithms."""
    if wanted > accuracies[-1]:
        return math.inf
    for i in range(len(sizes) - 1):
        if wanted <= accuracies[i + 1]:
            share = (wanted - accuracies[i]) / (accuracies[i + 1] - accuracies[i])
            return sizes[i] + share * (sizes[i + 1] - sizes[i])


def budget(money, minutes, wage, labels):
    return int(money / wage * 60 // (minutes * labels))


def rounded_up(money, minutes, wage, labels):
    return math.ceil(money / wage * 60 / (minutes * labels) - 0.5)


RIGHT = {
    "ch04.mirror": mirror_some,
    "ch04.images_needed": images_needed,
    "ch04.budget": budget,
}
WRONG = [
    ("ch04.mirror", lambda X, chosen: X.flip(-1), "nothing is chosen"),
    ("ch04.mirror", lambda X, chosen: torch.where(chosen[:, None, None, None], X.flip(-2), X),
     "left and right"),
    ("ch04.mirror", mirror_in_place, "changes X|nothing changes|left and right"),
    ("ch04.images_needed", needed_linear, "log images: 316"),
    ("ch04.images_needed", lambda sizes, accuracies, wanted: 1000, "316"),
    ("ch04.images_needed",
     lambda *curve: min(images_needed(*curve), 10_000), "math.inf"),
    ("ch04.budget", lambda money, minutes, wage, labels: money / wage * 60 / minutes, "three"),
    ("ch04.budget", lambda *given: budget(*given) + 1, "40 images"),
    ("ch04.budget", rounded_up, "42 whole"),
]  # fmt: skip
