"""Checks of chapter 04: the data bill."""

import math

import torch

from edu_lib.measure.learning_curve import images_needed as reference
from edu_lib.teach.checks.checker import exercise
from edu_lib.teach.checks.compare import is_close, tensor_fault


@exercise("ch04.mirror", points=2)
def mirror(mirror_some):
    """mirror_some(X, chosen) -> X [N, C, H, W], mirrored where chosen [N] is True."""
    X = torch.arange(2 * 3 * 2 * 4, dtype=torch.float32).reshape(2, 3, 2, 4)
    X_before = X.clone()
    cases = [
        ([False, False], "nothing is chosen, so nothing changes"),
        ([True, True], "both are chosen: left and right change places, top and bottom do not"),
        ([False, True], "only the second image is chosen"),
    ]
    for chosen, why in cases:
        expected = torch.stack(
            [
                torch.flip(image, dims=[2]) if flip else image
                for image, flip in zip(X_before, chosen, strict=True)
            ]
        )
        fault = tensor_fault(mirror_some(X, torch.tensor(chosen)), expected)
        yield not fault, f"chosen = {chosen}: {fault}; {why}."
        yield torch.equal(X, X_before), "your function changes X: write to a new tensor."


@exercise("ch04.images_needed", points=3)
def images_needed(needed):
    """needed(sizes, accuracies, wanted) -> images, on straight lines of log error, log images."""
    sizes, accuracies = [100, 1000, 10_000], [80.0, 95.0, 99.0]
    answer = needed(sizes, accuracies, 95.0)
    yield is_close(answer, 1000), f"the curve reaches 95 % with 1,000 images, not {answer}."
    answer = needed(sizes, accuracies, 90.0)
    # half the error of 80 %: log 2 of the log 4 on the way from 20 % to 5 %
    yield (
        is_close(answer, 100 * math.sqrt(10), 1e-4),
        f"90 % has half the error of 80 %, and 95 % a quarter: that is half of the way in log"
        f" error, so half of the way from 100 to 1,000 in log images: 316, yours gives {answer}.",
    )
    answer = needed(sizes, accuracies, 97.0)
    yield (
        is_close(answer, reference(sizes, accuracies, 97.0), 1e-4),
        f"97 % lies between 1,000 and 10,000 images, at {reference(sizes, accuracies, 97.0):.0f},"
        f" yours gives {answer}; use the two points on both sides of it.",
    )
    answer = needed(sizes, accuracies, 99.5)
    yield (
        answer == math.inf,
        f"no point of the curve reaches 99.5 %: return math.inf, not {answer}.",
    )


@exercise("ch04.budget", points=2)
def budget(images_for_budget):
    """images_for_budget(money, minutes_per_image, wage_per_hour, labels_per_image) -> images."""
    answer = images_for_budget(900, 90, 15, 1)
    yield (
        is_close(answer, 40),
        f"900 at 15 an hour are 60 hours, and 1.5 hours an image make 40 images, not {answer}.",
    )
    answer = images_for_budget(900, 90, 15, 3)
    yield (
        is_close(answer, 13),
        f"three people label each image: 4.5 hours an image make 13 whole images, not {answer}.",
    )
    answer = images_for_budget(100, 7, 20, 1)
    yield (
        is_close(answer, 42),
        f"5 hours of 7 minutes an image make 42.9: 42 whole images, not {answer}.",
    )
    answer = images_for_budget(10, 90, 15, 1)
    yield is_close(answer, 0), f"10 do not pay for one image of 22.50: 0 images, not {answer}."
