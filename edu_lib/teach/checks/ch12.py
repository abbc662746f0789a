"""Checks of chapter 12: multi-task learning."""

import math

import torch

from edu_lib.teach.checks.checker import exercise
from edu_lib.teach.checks.compare import is_close


@exercise("ch12.iou", points=2)
def iou(intersection_over_union):
    """intersection_over_union(predicted, true, class_id) -> percent, for label images [H, W]."""
    true = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1]])
    predicted = torch.tensor([[0, 1, 1, 1], [0, 0, 1, 0]])
    answer = intersection_over_union(predicted, true, 1)
    yield (
        is_close(answer, 60),
        f"3 pixels are class 1 in both, 5 in at least one: 60 percent, yours gives {answer}.",
    )
    answer = intersection_over_union(predicted, true, 0)
    yield is_close(answer, 60), f"class 0 has 3 pixels in both, 5 in one: 60 percent, not {answer}."
    answer = intersection_over_union(true, true, 1)
    yield is_close(answer, 100), f"a perfect answer has 100 percent, yours gives {answer}."
    answer = intersection_over_union(torch.zeros(2, 4, dtype=torch.int64), true, 1)
    yield (
        is_close(answer, 0),
        f"a class never predicted has 0 percent, yours gives {answer};"
        " divide by the pixels that are the class in at least one of the two.",
    )


@exercise("ch12.sharing", points=2)
def sharing(speedup_of_sharing):
    """speedup_of_sharing(encoder_ms, decoder_ms, head_ms, num_tasks) -> how many times faster."""
    answer = speedup_of_sharing(10.0, 5.0, 1.0, 3)
    yield (
        is_close(answer, 48 / 18),
        f"three networks of 10 + 5 + 1 ms take 48 ms, one with three heads 18 ms: 2.67,"
        f" not {answer}; each task keeps its own head.",
    )
    answer = speedup_of_sharing(10.0, 5.0, 1.0, 1)
    yield is_close(answer, 1), f"one task shares nothing: 1.0, yours gives {answer}."
    answer = speedup_of_sharing(0.0, 0.0, 2.0, 4)
    yield is_close(answer, 1), f"heads alone share nothing: 1.0, yours gives {answer}."
    answer = speedup_of_sharing(7.0, 2.0, 0.0, 5)
    yield is_close(answer, 5), f"without heads five tasks share everything: 5.0, not {answer}."


@exercise("ch12.cosine", points=2)
def cosine(gradient_cosine):
    """gradient_cosine(a, b) -> cosine of the angle of two gradients of any one shape."""
    a, b = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 2.0, 0.0])
    answer = gradient_cosine(a, b)
    yield is_close(answer, 0), f"at a right angle the cosine is 0, yours gives {answer}."
    answer = gradient_cosine(a, -3 * a)
    yield (
        is_close(answer, -1),
        f"opposite directions have -1 whatever their lengths, yours gives {answer};"
        " divide by both lengths.",
    )
    grid = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    answer = gradient_cosine(grid, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    yield (
        is_close(answer, 0.6),
        f"gradients of weight matrices count as one long vector: 0.6, yours gives {answer}.",
    )


@exercise("ch12.uncertainty", points=3)
def uncertainty(best_log_variance):
    """best_log_variance(loss) -> the s that makes exp(-s) * loss + s / 2 smallest."""
    for loss in (0.5, 2.0, 0.01):
        answer = best_log_variance(loss)
        expected = math.log(2 * loss)
        yield (
            is_close(answer, expected, relative=1e-4),
            f"for a loss of {loss} the best s is {expected:.4f}, yours gives {answer};"
            " set the derivative -exp(-s) * loss + 1/2 to zero and solve for s.",
        )
