"""Checks of chapter 08: a masked step, a round of the lottery, the score of a channel."""

import torch

from classroom.checks.checker import exercise
from classroom.checks.compare import parts, tensor_case


@exercise("ch08.masked_step", points=2, cases=4)
def masked_step(student_step):
    """masked_step(weight, mask, X, y, lr) -> the stored weight [out, in] after one step."""
    generator = torch.Generator().manual_seed(8)
    weight, X = torch.randn(3, 4, generator=generator), torch.randn(6, 4, generator=generator)
    y = torch.randn(6, 3, generator=generator)
    some = torch.rand(3, 4, generator=generator) > 0.5
    for mask, lr in ((some, 0.1), (torch.ones(3, 4, dtype=torch.bool), 0.1), (some, 2.0)):
        error = X @ (weight * mask).T - y
        # d mean(error^2) / d used = 2 error^T X / number of outputs
        by_used = 2 * error.T @ X / error.numel()
        expected = weight - lr * by_used * mask
        unmasked = 2 * (X @ weight.T - y).T @ X / error.numel()
        mistakes = {
            "a pruned weight gets no gradient: it must not move": weight - lr * by_used,
            "the layer uses weight * mask, not weight": weight - lr * unmasked,
            "the layer uses weight * mask: compute the loss with it": weight - lr * unmasked * mask,
            "return the stored weight: the mask stands between it and its use": expected * mask,
            "go against the gradient, not along it": weight + lr * by_used * mask,
            "the loss is the mean of the squares, not their sum": weight
            - lr * by_used * mask * error.numel(),
            "the loss is the mean over all entries of y": weight - 3 * lr * by_used * mask,
            "take the step: weight - lr * gradient": weight,
            "return the weight after the step, not the gradient": by_used * mask,
        }
        asked = f"a step of {lr:g} with {int(mask.sum())} of 12 weights in use"
        why = "weight - lr * gradient, where the loss is computed with weight * mask"
        yield tensor_case(student_step(weight, mask, X, y, lr), expected, asked, why, mistakes)


@exercise("ch08.ticket", points=3, cases=7)
def ticket(next_ticket):
    """next_ticket(first, trained, mask, share) -> (new mask, rewound weight), of one shape."""
    generator = torch.Generator().manual_seed(80)
    first, trained = torch.randn(2, 5, 4, generator=generator)
    whole = torch.ones(5, 4, dtype=torch.bool)
    half = torch.rand(5, 4, generator=generator) > 0.4
    for mask, share in ((whole, 0.2), (half, 0.5), (half, 0.0)):
        given = parts(next_ticket(first, trained, mask, share), "mask", "weight")
        num_gone = round(share * int(mask.sum()))
        expected = _without_smallest(trained.abs(), mask, num_gone)
        mistakes = {
            "True is where a weight stays": ~expected,
            "compare the trained weights, not the first ones": _without_smallest(
                first.abs(), mask, num_gone
            ),
            "compare magnitudes: a large negative weight is large": _without_smallest(
                trained, mask, num_gone
            ),
            "the smallest go, not the largest": _without_smallest(-trained.abs(), mask, num_gone),
            "what was masked before stays masked": _without_smallest(
                trained.abs(), whole, num_gone
            ),
            "share of the weights that still stay, not of all": _without_smallest(
                trained.abs(), mask, min(int(mask.sum()), round(share * mask.numel()))
            ),
            "the mask must shrink": mask,
        }
        asked = f"share {share:g} of {int(mask.sum())} weights"
        why = f"{int(expected.sum())} stay, those of the largest |trained|"
        answer = torch.as_tensor(given[0])
        yield tensor_case(answer.float(), expected.float(), f"the mask, {asked}", why, {
            name: wrong.float() for name, wrong in mistakes.items()})  # fmt: skip
        mistakes = {
            "set the weights back to their first values, do not keep the trained ones": trained
            * expected,
            "pruned weights are 0 in the rewound weight": first,
        }
        why = "first where the new mask is True, 0 elsewhere"
        yield tensor_case(given[1], first * expected, f"the weight, {asked}", why, mistakes)


def _without_smallest(scores, mask, num_gone):
    """The mask without the num_gone lowest scores among those that it keeps."""
    order = scores.masked_fill(~mask, torch.inf).flatten().argsort()
    kept = mask.clone().flatten()
    kept[order[:num_gone]] = False
    return kept.reshape(mask.shape)


@exercise("ch08.taylor", points=2, cases=4)
def taylor(channel_scores):
    """channel_scores(weight, gradient) -> [C], (dL/dz)^2 of a gate on each channel that is read."""
    generator = torch.Generator().manual_seed(89)
    for shape in ((4, 3, 3, 3), (2, 5, 1, 1), (3, 3, 3, 3)):
        weight, gradient = torch.randn(2, *shape, generator=generator)
        product = weight * gradient
        felt = product.sum(dim=(0, 2, 3))
        mistakes = {
            "a channel that is read is the second dimension: one score for each of C": product.sum(
                dim=(1, 2, 3)
            ).square(),
            "square the sum, do not sum the squares": product.square().sum(dim=(0, 2, 3)),
            "square it: a large negative change is felt too": felt,
            "square it, do not take the magnitude": felt.abs(),
            "that is the magnitude of the weights: multiply by the gradient": weight.abs().sum(
                dim=(0, 2, 3)
            ),
            "the gradient alone does not say it: multiply by the weight": gradient.sum(
                dim=(0, 2, 3)
            ).square(),
            "the sum, not the mean": product.mean(dim=(0, 2, 3)).square(),
        }
        why = "the square of the sum of weight * gradient over all that reads the channel"
        asked = f"scores of the {shape[1]} channels that a weight {list(shape)} reads"
        yield tensor_case(
            channel_scores(weight, gradient), felt.square(), asked, why, mistakes, 1e-3
        )
