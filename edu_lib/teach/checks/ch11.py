"""Checks of chapter 11: temperature, the loss of soft targets, the bias of a class, attention."""

import torch

from edu_lib.teach.checks.checker import exercise
from edu_lib.teach.checks.compare import as_number, tensor_fault


def _logits(num_images: int, num_classes: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(num_images, num_classes, generator=generator)


@exercise("ch11.soften", points=2)
def soften(answer):
    """answer(logits [N, C], temperature) -> probabilities [N, C]."""
    logits = _logits(6, 10, 2015)
    before = logits.clone()
    cases = [
        (logits, 1.0, "temperature 1 is the ordinary softmax"),
        (logits, 4.0, "divide the logits by the temperature before the softmax"),
        (logits, 0.5, "a temperature below 1 sharpens"),
        (logits[:2, :3] + 500, 2.0, "logits near 500 must not overflow: use torch.softmax"),
    ]
    for images, temperature, hint in cases:
        fault = tensor_fault(
            answer(images, temperature), torch.softmax(images / temperature, dim=1), 1e-5
        )
        yield not fault, f"T = {temperature}: {fault}; {hint}; each row adds up to 1."
    yield torch.equal(logits, before), "your function changes the logits: write to a new tensor."


@exercise("ch11.soft_target_loss", points=3)
def soft_target_loss(answer):
    """answer(student_logits, teacher_logits, temperature) -> scalar."""
    student, teacher = _logits(5, 10, 1), _logits(5, 10, 2)
    cases = [
        (student, teacher, 1.0, "KL(teacher, student), summed over classes, the mean over images"),
        (student[:1], teacher[:1], 1.0, "with one image the mean changes nothing"),
        (student, teacher, 4.0, "divide both by T, and multiply the divergence by T squared"),
        (student[:, :3], teacher[:, :3], 20.0, "three classes"),
        (student, student, 4.0, "equal logits: the loss is 0"),
    ]
    for z, v, temperature, hint in cases:
        p = torch.softmax(v / temperature, dim=1)
        q = torch.softmax(z / temperature, dim=1)
        # T^2 mean_n sum_i p_i (log p_i - log q_i)
        right = temperature**2 * (p * (p / q).log()).sum(dim=1).mean()
        given = answer(z, v, temperature)
        if isinstance(given, torch.Tensor) and given.dim() == 1 and len(given) > 1:
            yield False, "return one number for the whole batch: the mean over the images."
            return
        fault = abs(as_number(given) - float(right))
        yield (
            fault <= 1e-4 * max(1.0, float(right)),
            f"T = {temperature}, {len(z)} images: {float(right):.4f} is right, yours gives"
            f" {as_number(given):.4f}; {hint}.",
        )


@exercise("ch11.class_shift", points=3)
def class_shift(answer):
    """answer(logits [N, C], digit, share) -> the shift of that logit."""
    logits = _logits(400, 10, 7)
    logits[:, 3] -= 4.0
    before = logits.clone()
    cases = [
        (logits, 3, 0.1, "a class that the student hardly names"),
        (logits, 5, 0.02, "a class that it names too often: the shift is negative"),
        (logits[:, :4], 3, 0.25, "four classes"),
        (logits[:50], 3, 0.5, "every second image is of this class"),
    ]
    for images, digit, share, name in cases:
        shift = as_number(answer(images, digit, share))
        moved = images.clone()
        moved[:, digit] += shift
        mean = float(torch.softmax(moved, dim=1)[:, digit].mean())
        yield (
            abs(mean - share) < 2e-3,
            f"{name}: with your shift of {shift:.2f} the mean probability of class {digit} is"
            f" {mean:.3f}, it should be {share}; a larger shift makes it larger.",
        )
    yield torch.equal(logits, before), "your function changes the logits: write to a copy."


@exercise("ch11.attention_map", points=2)
def attention_map(answer):
    """answer(features [N, C, H, W]) -> maps [N, H, W], each of length 1."""
    generator = torch.Generator().manual_seed(4)
    features = torch.randn(3, 8, 5, 7, generator=generator)
    before = features.clone()
    cases = [
        (features, "the sum over the channels of the squares, then divide by its length"),
        (10 * features, "ten times larger features look at the same places"),
        (-features, "a strong negative value is attention too: square it"),
        (features[:1, :2], "one image, two channels: divide each image's map by its own length"),
    ]
    for images, hint in cases:
        Q = images.square().sum(dim=1)
        right = Q / Q.square().sum(dim=(1, 2), keepdim=True).sqrt()
        fault = tensor_fault(answer(images), right, 1e-5)
        yield not fault, f"{fault}; {hint}."
    unchanged = torch.equal(features, before)
    yield unchanged, "your function changes the features: write to a new tensor."
