"""Checks of chapter 11: temperature, the loss of soft targets, the bias of a class, attention."""

import torch

from classroom.checks.checker import exercise
from classroom.checks.compare import WrongForm, as_number, number_case, tensor_case


def _logits(num_images: int, num_classes: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(num_images, num_classes, generator=generator)


@exercise("ch11.soften", points=2, cases=5)
def soften(answer):
    """answer(logits [N, C], temperature) -> probabilities [N, C]."""
    logits = _logits(6, 10, 2015)
    cases = [
        (logits, 1.0, "temperature 1 is the ordinary softmax"),
        (logits, 4.0, "divide the logits by the temperature before the softmax"),
        (logits, 0.5, "a temperature below 1 sharpens"),
        (logits[:2, :3] + 500, 2.0, "logits near 500 must not overflow: use torch.softmax"),
    ]
    for images, T, hint in cases:
        expected = torch.softmax(images / T, dim=1)
        mistakes = {
            "the classes of one image add up to 1: dim=1": torch.softmax(images / T, dim=0),
            "divide by the temperature, do not multiply": torch.softmax(images * T, dim=1),
            "divide the logits by the temperature, before the softmax": torch.softmax(images, 1)
            / T,
            "divide the logits by the temperature": torch.softmax(images, dim=1),
            "return probabilities, not their logarithms": torch.log_softmax(images / T, dim=1),
            "each class alone adds up to nothing: softmax, not sigmoid": torch.sigmoid(images / T),
        }
        yield tensor_case(answer(images, T), expected, f"T = {T}", hint, mistakes, 1e-5)


@exercise("ch11.soft_target_loss", points=3, cases=8)
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
    for z, v, T, why in cases:
        given = answer(z, v, T)
        if isinstance(given, torch.Tensor) and given.dim() == 1 and len(given) > 1:
            raise WrongForm("return one number for the whole batch: the mean over the images.")
        plain = float(_divergence(z, v, T))
        mistakes = {
            "that is KL(student, teacher): the teacher comes first": T**2 * _divergence(v, z, T),
            "multiply by T squared": plain,
            "multiply by T squared, not by T": T * plain,
            "sum over classes: F.kl_div's `mean` divides by them too": T**2 * plain / z.shape[1],
            "the mean over images, not their sum": T**2 * plain * len(z),
            "divide the logits by T": T**2 * _divergence(z, v, 1.0),
            "that is the cross-entropy: the teacher's own entropy is too much": T**2
            * (plain + _entropy(v, T)),
            "the divergence is at least 0: mind the sign": -(T**2) * plain,
        }
        asked = f"T = {T}, {len(z)} images, {z.shape[1]} classes"
        # T^2 mean_n sum_i p_i (log p_i - log q_i); float32 leaves little of a loss of 0
        if z is v:
            yield abs(as_number(given)) < 1e-4, f"{asked}: {why}, not {as_number(given):.4g}."
        else:
            yield number_case(given, T**2 * plain, asked, why, mistakes, 1e-4)
    yield from _gradient_cases(answer, student, teacher)


def _gradient_cases(answer, student, teacher):
    """A loss without the right gradient trains nothing."""
    z = student.clone().requires_grad_()
    loss = answer(z, teacher, 4.0)
    flows = isinstance(loss, torch.Tensor) and loss.requires_grad
    yield flows, "no gradient reaches the student: return a tensor, and detach nothing of it."
    if flows:
        given = torch.autograd.grad(loss.sum(), z)[0]
        # d/dz = T (q - p) / N
        right = 4.0 * (torch.softmax(z / 4, 1) - torch.softmax(teacher / 4, 1)) / len(z)
        why = "it is T (q - p) / N: keep to torch operations on the student's logits"
        yield tensor_case(given, right.detach(), "the gradient at T = 4", why)


def _divergence(z, v, T):
    """mean_n sum_i p_i (log p_i - log q_i), p of the teacher v, q of the student z."""
    log_p, log_q = torch.log_softmax(v / T, dim=1), torch.log_softmax(z / T, dim=1)
    return float((log_p.exp() * (log_p - log_q)).sum(dim=1).mean())


def _entropy(v, T):
    log_p = torch.log_softmax(v / T, dim=1)
    return float(-(log_p.exp() * log_p).sum(dim=1).mean())


@exercise("ch11.class_shift", points=3, cases=6)
def class_shift(answer):
    """answer(logits [N, C], digit, share) -> the shift of that logit."""
    logits = _logits(400, 10, 7)
    logits[:, 3] -= 4.0
    cases = [
        (logits, 3, 0.1, "a class that the student hardly names"),
        (logits, 5, 0.02, "a class that it names too often: the shift is negative"),
        (logits[:, :4], 3, 0.25, "four classes"),
        (logits[:50], 3, 0.5, "every second image is of this class"),
        (torch.zeros(3, 2), 1, 0.9, "all logits 0, two classes: log 9"),
    ]
    for images, digit, share, name in cases:
        shift = as_number(answer(images, digit, share))
        means = {sign: _mean_probability(images, digit, sign * shift) for sign in (1, -1)}
        hint = "a larger shift makes it larger"
        if shift == 0:
            hint = "a shift of 0 changes nothing"
        elif abs(means[-1] - share) < 2e-3:
            hint = "mind the sign: the shift is added to the logit"
        yield (
            abs(means[1] - share) < 2e-3,
            f"{name}: with your shift of {shift:.2f} the mean probability of class {digit} is"
            f" {means[1]:.3f}, it should be {share}; {hint}.",
        )


def _mean_probability(logits, digit, shift):
    moved = logits.clone()
    moved[:, digit] += shift
    return float(torch.softmax(moved, dim=1)[:, digit].mean())


@exercise("ch11.attention_map", points=2, cases=5)
def attention_map(answer):
    """answer(features [N, C, H, W]) -> maps [N, H, W], each of length 1."""
    generator = torch.Generator().manual_seed(4)
    features = torch.randn(3, 8, 5, 7, generator=generator)
    cases = [
        (features, "the sum over the channels of the squares, then divide by its length"),
        (10 * features, "ten times larger features look at the same places"),
        (-features, "a strong negative value is attention too: square it"),
        (features[:1, :2], "one image, two channels: divide each image's map by its own length"),
    ]
    for images, hint in cases:
        Q = images.square().sum(dim=1)
        length = Q.square().sum(dim=(1, 2), keepdim=True).sqrt()
        absolute, plain = images.abs().sum(dim=1), images.sum(dim=1)
        mistakes = {
            "divide each map by its length": Q,
            "divide by the length, the root of the sum of squares, not by the sum": Q
            / Q.sum(dim=(1, 2), keepdim=True),
            "divide by the length, not by the largest": Q / Q.amax(dim=(1, 2), keepdim=True),
            "divide by the root of the sum of squares": Q / length**2,
            "each image has its own length, not one for the batch": Q / Q.norm(),
            "a map has one length, not one a row": Q / Q.norm(dim=2, keepdim=True),
            "sum the squares, not the magnitudes": absolute
            / absolute.norm(dim=(1, 2), keepdim=True),
            "sum the squares, not the values": plain / plain.norm(dim=(1, 2), keepdim=True),
            "square each channel before the sum": plain.square()
            / plain.square().norm(dim=(1, 2), keepdim=True),
            "return maps [N, H, W]: the channels are gone": (Q / length)[:, None],
        }
        yield tensor_case(answer(images), Q / length, "the maps", hint, mistakes, 1e-5)


@exercise("ch11.mixed_loss", points=2, cases=6)
def mixed_loss(answer):
    """answer(student_logits, teacher_logits, y, temperature, alpha) -> scalar."""
    student, teacher = _logits(7, 10, 11), _logits(7, 10, 12)
    y = torch.arange(7)
    for T, alpha in ((1.0, 0.5), (4.0, 0.9), (4.0, 0.0), (2.0, 1.0), (8.0, 0.3)):
        log_q, log_p = (torch.log_softmax(each / T, dim=1) for each in (student, teacher))
        divergence = float((log_p.exp() * (log_p - log_q)).sum(dim=1).mean())
        hard = float(torch.nn.functional.cross_entropy(student, y))
        warm = float(torch.nn.functional.cross_entropy(student / T, y))
        soft = T**2 * divergence
        expected = alpha * soft + (1 - alpha) * hard
        mistakes = {
            "alpha belongs to the soft targets, 1 - alpha to the labels": (1 - alpha) * soft
            + alpha * hard,
            "the soft part is multiplied by T squared": alpha * divergence + (1 - alpha) * hard,
            "T squared belongs to the soft part alone": T**2
            * (alpha * divergence + (1 - alpha) * hard),
            "the labels' part is computed at temperature 1": alpha * soft + (1 - alpha) * warm,
            "weigh the two by alpha and 1 - alpha": soft + hard,
            "the labels' part is weighed by 1 - alpha": alpha * soft + hard,
            "the labels' part is missing": alpha * soft,
        }
        asked = f"T = {T:g}, alpha = {alpha:g}"
        why = "alpha * T^2 * KL(teacher, student) + (1 - alpha) * cross-entropy with the labels"
        yield number_case(
            answer(student, teacher, y, T, alpha), expected, asked, why, mistakes, 1e-4
        )
