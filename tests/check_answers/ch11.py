"""Right and wrong answers to the exercises of chapter 11, with what the hint must say."""

import torch
import torch.nn.functional as F

from edu_lib.teach.checks import ch11

assert ch11  # importing it registers the exercises


def soften(logits, temperature):
    return F.log_softmax(logits / temperature, dim=1).exp()


def divergence(z, v, temperature, reduction="batchmean"):
    log_q, p = F.log_softmax(z / temperature, dim=1), F.softmax(v / temperature, dim=1)
    return F.kl_div(log_q, p, reduction=reduction)


def soft_loss(z, v, temperature):
    return temperature**2 * divergence(z, v, temperature)


def class_shift(logits, digit, share):
    low, high = -50.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        moved = logits.clone()
        moved[:, digit] += middle
        rare = moved.softmax(dim=1)[:, digit].mean() < share
        low, high = (middle, high) if rare else (low, middle)
    return middle


def one_step(logits, digit, share):
    return torch.log(share / logits.softmax(dim=1)[:, digit].mean())


def counted_shift(logits, digit, share):
    others = logits.clone()
    others[:, digit] = -torch.inf
    margins = others.amax(dim=1) - logits[:, digit]
    return margins.quantile(share)


def attention(features):
    return F.normalize(features.pow(2).sum(dim=1).flatten(1), dim=1).view(
        len(features), *features.shape[2:]
    )


RIGHT = {
    "ch11.soften": soften,
    "ch11.soft_target_loss": soft_loss,
    "ch11.class_shift": class_shift,
    "ch11.attention_map": attention,
}
WRONG = [
    ("ch11.soften", lambda z, T: torch.softmax(z, dim=1) / T, "divide the logits"),
    ("ch11.soften", lambda z, T: torch.softmax(z * T, dim=1), "T = 4"),
    ("ch11.soften", lambda z, T: torch.softmax(z / T, dim=0), "adds up to 1"),
    ("ch11.soften", lambda z, T: (z / T).exp() / (z / T).exp().sum(1, keepdim=True), "overflow"),
    ("ch11.soften", lambda z, T: torch.softmax(z.div_(T), dim=1), "."),
    ("ch11.soft_target_loss", divergence, "T squared"),
    ("ch11.soft_target_loss", lambda z, v, T: T * divergence(z, v, T), "T squared"),
    ("ch11.soft_target_loss", lambda z, v, T: soft_loss(z, v, T) / z.shape[1], "summed over"),
    ("ch11.soft_target_loss", lambda z, v, T: T**2 * divergence(z, v, T, "sum"), "over images"),
    ("ch11.soft_target_loss", lambda z, v, T: soft_loss(v, z, T), "KL.teacher, student"),
    ("ch11.soft_target_loss", lambda z, v, T: divergence(z, v, T, "none").sum(1), "one number"),
    (
        "ch11.soft_target_loss",
        lambda z, v, T: T**2 * F.cross_entropy(z / T, torch.softmax(v / T, dim=1)),
        "KL",
    ),
    ("ch11.class_shift", one_step, "larger shift"),
    ("ch11.class_shift", lambda z, digit, share: 0.0, "hardly names"),
    ("ch11.class_shift", counted_shift, "mean probability"),
    ("ch11.class_shift", lambda z, digit, share: class_shift(z.clamp_(-1, 1), digit, share), "."),
    ("ch11.attention_map", lambda A: A.square().sum(dim=1), "its length"),
    ("ch11.attention_map", lambda A: F.normalize(A.square().sum(dim=1), dim=2), "its length"),
    ("ch11.attention_map", lambda A: attention(A.mean(dim=1, keepdim=True)), "the squares"),
    ("ch11.attention_map", lambda A: attention(A.clamp_(min=0)), "."),
]
