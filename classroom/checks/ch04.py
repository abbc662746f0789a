"""Checks of chapter 04: the data bill."""

import math

import torch

from classroom.checks.checker import exercise
from classroom.checks.compare import number_case, tensor_case
from classroom.learning_curve import images_needed as reference


@exercise("ch04.mirror", points=2, cases=5)
def mirror(mirror_some):
    """mirror_some(X, chosen) -> X [N, C, H, W], mirrored where chosen [N] is True."""
    X = torch.arange(3 * 3 * 2 * 4, dtype=torch.float32).reshape(3, 3, 2, 4)
    cases = [
        ([False, False, False], "nothing is chosen, so nothing changes"),
        ([True, True, True], "all are chosen: left and right change places"),
        ([False, True, False], "only the second image is chosen"),
        ([True, False, True], "the first and the third image are chosen"),
    ]
    for choice, why in cases:
        chosen = torch.tensor(choice)
        where = chosen[:, None, None, None]
        expected = torch.where(where, X.flip(-1), X)
        mistakes = {
            "top and bottom stay where they are: flip the last dimension": torch.where(
                where, X.flip(-2), X
            ),
            "only left and right change places, top and bottom do not": torch.where(
                where, X.flip(-2, -1), X
            ),
            "the channels stay in their order: flip the last dimension": torch.where(
                where, X.flip(1), X
            ),
            "the images stay in their order: flip the last dimension": X.flip(0, -1),
            "images that are not chosen stay as they are": X.flip(-1),
            "mirror those that are chosen, not the others": torch.where(where, X, X.flip(-1)),
            "return all images, not the chosen alone": X[chosen].flip(-1),
        }
        answer = mirror_some(X, chosen)
        yield tensor_case(answer, expected, f"chosen = {choice}", why, mistakes)


@exercise("ch04.images_needed", points=3, cases=8)
def images_needed(needed):
    """needed(sizes, accuracies, wanted) -> images, on straight lines of log error, log images."""
    sizes, accuracies = [100, 1000, 10_000], [80.0, 95.0, 99.0]
    nearest = "use the two points on both sides of it"
    cases = [
        (95.0, "the curve reaches it at a measured point"),
        # half the error of 80 %: log 2 of the log 4 on the way from 20 % to 5 %
        (90.0, "half the error of 80 %: half of the way in log error, and in log images"),
        (97.0, nearest),
        (92.0, nearest),
        (99.0, "the last point reaches it"),
        (80.0, "the first point reaches it"),
    ]
    for wanted, why in cases:
        right = reference(sizes, accuracies, wanted)
        mistakes = {"the last point reaches it: that is enough": math.inf}
        if wanted == 90.0:
            mistakes["take logarithms of the error, 100 - accuracy"] = 100 * 10 ** (
                math.log(90 / 80) / math.log(95 / 80)
            )
            mistakes["the line is straight in the logarithm of the error"] = 100 * 10 ** (2 / 3)
            mistakes["the line is straight in the logarithm of the images too"] = 550
            mistakes["read between the points, not at the next one"] = 1000
        asked = f"images for {wanted:g} %"
        yield number_case(needed(sizes, accuracies, wanted), right, asked, why, mistakes, 1e-4)
    why = "no point of the curve reaches it, so return math.inf"
    yield number_case(needed(sizes, accuracies, 99.5), math.inf, "images for 99.5 %", why)


@exercise("ch04.budget", points=2, cases=5)
def budget(images_for_budget):
    """images_for_budget(money, minutes_per_image, wage_per_hour, labels_per_image) -> images."""
    cases = [
        ((900, 90, 15, 1), "60 hours, and 1.5 hours an image"),
        ((900, 90, 15, 3), "three people label each image, so it takes 4.5 hours"),
        ((100, 7, 20, 1), "42.9 images are 42 whole ones"),
        ((100, 7, 15, 1), "6.67 hours are 400 minutes: do not cut the hours"),
        ((10, 90, 15, 1), "10 do not pay for one image of 22.50"),
    ]
    for arguments, why in cases:
        money, minutes, wage, labels = arguments
        images = money / wage * 60 / (minutes * labels)
        mistakes = {
            "a part of an image is no image: round down": images,
            "round down: the money does not reach for one more": math.floor(images) + 1,
            "each image is labelled labels_per_image times": math.floor(images * labels),
            "more labels an image make fewer images, not more": math.floor(images * labels)
            * labels,
            "minutes_per_image are minutes, 60 an hour": math.floor(images / 60),
        }
        asked = "money {}, {} minutes an image, {} an hour, labels: {}".format(*arguments)
        yield number_case(images_for_budget(*arguments), math.floor(images), asked, why, mistakes)
