"""Checks of chapter 12: multi-task learning."""

import math

import torch

from classroom.checks.checker import exercise
from classroom.checks.compare import number_case, tensor_case


@exercise("ch12.iou", points=2, cases=7)
def iou(intersection_over_union):
    """intersection_over_union(predicted, true, class_id) -> percent, for label images [H, W]."""
    true = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1]])
    predicted = torch.tensor([[0, 1, 1, 1], [0, 0, 1, 0]])
    three = torch.tensor([[0, 2, 1, 2], [2, 2, 1, 1]])
    label_12 = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]])
    guess_12 = torch.tensor([[0, 1, 1, 1], [0, 1, 1, 0], [0, 0, 0, 1]])
    cases = [
        (guess_12, label_12, 1),
        (predicted, true, 0),
        (true, true, 1),
        (torch.zeros(2, 4, dtype=torch.int64), true, 1),
        (three, true, 1),
        (three, true.roll(1, 1), 0),
    ]
    for guess, label, class_id in cases:
        a, b = guess == class_id, label == class_id
        both, either = int((a & b).sum()), int((a | b).sum())
        why = f"{both} pixels are the class in both, {either} in at least one"
        some, agree = (guess > 0) | (label > 0), (guess == label) & (label > 0)
        mistakes = {
            "look at class_id alone, not at all classes above 0": 100
            * float(agree.sum())
            / int(some.sum()),
            "in percent, 0 to 100": both / either,
            "divide by the pixels that are the class in at least one of the two": 100
            * both
            / int(b.sum()),
            "divide by those in at least one, not by the predicted ones": 100
            * both
            / max(1, int(a.sum())),
            "a pixel of both counts once in `at least one`": 100 * both / int(a.sum() + b.sum()),
            "that is Dice: count the pixels of both once": 200 * both / int(a.sum() + b.sum()),
            "compare this class alone, not all pixels": 100
            * float((guess == label).float().mean()),
            "divide by the pixels of the class, not by all": 100 * both / guess.numel(),
        }
        asked = f"percent for class {class_id}"
        answer = intersection_over_union(guess, label, class_id)
        yield number_case(answer, 100 * both / either, asked, why, mistakes)


@exercise("ch12.sharing", points=2, cases=5)
def sharing(speedup_of_sharing):
    """speedup_of_sharing(encoder_ms, decoder_ms, head_ms, num_tasks) -> how many times faster."""
    cases = [
        ((10.0, 5.0, 1.0, 3), "three networks of 10 + 5 + 1 ms take 48 ms, the shared one 18 ms"),
        ((10.0, 5.0, 1.0, 1), "one task shares nothing"),
        ((0.0, 0.0, 2.0, 4), "heads alone share nothing"),
        ((7.0, 2.0, 0.0, 5), "without heads five tasks share everything"),
        ((8.0, 3.0, 4.0, 2), "each task keeps its own head"),
    ]
    for (encoder, decoder, head, tasks), why in cases:
        single, shared = encoder + decoder + head, encoder + decoder + tasks * head
        mistakes = {
            "each task keeps its own head": tasks,
            "all single networks run, not one": single / shared,
            "the single networks over the shared one, not the other way": shared / (tasks * single),
            "how many times faster: divide, do not subtract": tasks * single - shared,
        }
        if encoder + tasks * (decoder + head):
            mistakes["the decoder is shared too"] = (
                tasks * single / (encoder + tasks * (decoder + head))
            )
        asked = f"encoder {encoder:g}, decoder {decoder:g}, head {head:g} ms, {tasks} tasks"
        answer = speedup_of_sharing(encoder, decoder, head, tasks)
        yield number_case(answer, tasks * single / shared, asked, why, mistakes)


@exercise("ch12.cosine", points=2, cases=6)
def cosine(gradient_cosine):
    """gradient_cosine(a, b) -> cosine of the angle of two gradients of any one shape."""
    a, b = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 2.0, 0.0])
    grid = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    generator = torch.Generator().manual_seed(12)
    deep = torch.randn(2, 4, 3, 3, 3, generator=generator)
    cases = [
        (a, b, "at a right angle the cosine is 0"),
        (2 * a, -3 * a, "opposite directions have -1 whatever their lengths: divide by both"),
        (grid, torch.tensor([[1.0, 0.0], [0.0, 0.0]]), "a weight matrix is one long vector"),
        (grid, torch.tensor([[1.0, 2.0], [2.0, 2.0]]), "flatten first: it is one long vector"),
        (deep[0], deep[1], "a kernel of four dimensions is one long vector"),
    ]
    for one, other, why in cases:
        x, y = one.flatten().double(), other.flatten().double()
        dot, lengths = float(x @ y), float(x.norm() * y.norm())
        mistakes = {
            "divide by both lengths": dot,
            "divide by both lengths, not by one": dot / float(x.norm()),
            "divide by the second length too": dot / float(y.norm()),
            "divide by the lengths, not by their squares": dot / lengths**2,
            "opposite directions are negative: no magnitude": abs(dot) / lengths,
            "that is the angle: return its cosine": math.acos(dot / lengths),
        }
        asked = f"the cosine of two gradients of shape {list(one.shape)}"
        answer = gradient_cosine(one, other)
        yield number_case(answer, dot / lengths, asked, why, mistakes, 1e-5)


@exercise("ch12.uncertainty", points=3, cases=3)
def uncertainty(best_log_variance):
    """best_log_variance(loss) -> the s that makes exp(-s) * loss + s / 2 smallest."""
    for loss in (0.7, 2.0, 0.01):
        mistakes = {
            "the second term is s / 2: its derivative is 1/2": math.log(loss),
            "mind the 2 of s / 2: it multiplies the loss": math.log(loss / 2),
            "mind the sign: exp(-s) falls with s": -math.log(2 * loss),
            "that is exp(s), the variance: return its logarithm": 2 * loss,
            "that is exp(-s): return s": 0.5 / loss,
            "a logarithm of base e, as exp has": math.log10(2 * loss),
            "a logarithm of base e, as exp has, not of base 2": math.log2(2 * loss),
        }
        why = "set the derivative -exp(-s) * loss + 1/2 to zero and solve for s"
        answer = best_log_variance(loss)
        yield number_case(
            answer, math.log(2 * loss), f"s for a loss of {loss}", why, mistakes, 1e-4
        )


@exercise("ch12.pcgrad", points=3, cases=6)
def pcgrad(student_pcgrad):
    """pcgrad(g1, g2) -> the sum of two gradients [P], each freed of what is against the other."""
    generator = torch.Generator().manual_seed(12)
    a = torch.randn(6, generator=generator)
    cases = [
        (a, torch.randn(6, generator=generator) - a, "a conflict of longer gradients"),
        (torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 1.0]), "the two point apart"),
        (torch.tensor([2.0, 1.0]), torch.tensor([1.0, 1.0]), "no conflict: the plain sum"),
        (torch.tensor([1.0, 0.0]), torch.tensor([0.0, 3.0]), "at a right angle: the plain sum"),
        (a, -2 * a, "opposite gradients leave nothing"),
    ]
    for one, other, what in cases:
        dot = one @ other
        expected, plain = one + other, one + other
        onto_other, onto_one = dot / (other @ other) * other, dot / (one @ one) * one
        if dot < 0:
            expected = plain - onto_other - onto_one
        mistakes = {
            "project where the dot product is negative: the plain sum is not enough": plain,
            "project only where the dot product is negative": plain - onto_other - onto_one,
            "project the second gradient too, on the original of the first": plain - onto_other,
            "project the first gradient too": plain - onto_one,
            "add the two, do not take their mean": expected / 2,
            "divide by the squared length of the gradient you project onto": plain
            - dot / other.norm() * other
            - dot / one.norm() * one,
            "each loses its part along the other: divide by the other's squared length": plain
            - dot / (one @ one) * other
            - dot / (other @ other) * one,
            "take the part away, do not add it": plain + onto_other + onto_one,
        }
        why = "g1 - (g1 . g2) / |g2|^2 g2 where the dot product is negative, g2 alike, then the sum"
        yield tensor_case(student_pcgrad(one, other), expected, what, why, mistakes, 1e-5)
