"""Answers to the exercises of chapter 11: right ones, and wrong ones with what the hint says."""

import math

import torch
import torch.nn.functional as F


def soften_by_hand(z, T):
    e = ((z - z.max(dim=1, keepdim=True).values) / T).exp()
    return e / e.sum(dim=1, keepdim=True)


def kl(z, v, T, reduction="batchmean"):
    return F.kl_div(F.log_softmax(z / T, dim=1), F.softmax(v / T, dim=1), reduction=reduction)


def kl_sum(z, v, T):
    p, q = (torch.softmax(v / T, 1), torch.softmax(z / T, 1))
    return T * T * (p * (p.log() - q.log())).sum(1).mean()


def kl_cross_entropy(z, v, T):
    p = torch.softmax(v / T, 1)
    return T**2 * (F.cross_entropy(z / T, p) - F.cross_entropy(v / T, p))


def moved_mean(z, digit, shift):
    moved = z.clone()
    moved[:, digit] += shift
    return moved.softmax(1)[:, digit].mean()


def shift_halved(z, digit, share):
    low, high = (-50.0, 50.0)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if moved_mean(z, digit, middle) < share else (low, middle)
    return middle


def shift_grid(z, digit, share):
    steps = torch.linspace(-12, 12, 1601)
    means = torch.stack([moved_mean(z, digit, float(s)) for s in steps])
    return float(steps[(means - share).abs().argmin()])


def shift_searchsorted(z, digit, share):
    margin = z[:, digit] - torch.cat([z[:, :digit], z[:, digit + 1 :]], 1).logsumexp(1)
    low, high = (torch.tensor(-60.0), torch.tensor(60.0))
    while high - low > 0.0001:
        middle = (low + high) / 2
        if torch.sigmoid(margin + middle).mean() < share:
            low = middle
        else:
            high = middle
    return low


def shift_one_step(z, digit, share):
    return torch.log(share / z.softmax(1)[:, digit].mean())


def shift_votes(z, digit, share):
    others = z.clone()
    others[:, digit] = -torch.inf
    return (others.amax(1) - z[:, digit]).quantile(share)


def shift_all_logits(z, digit, share):
    low, high = (-50.0, 50.0)
    for _ in range(60):
        middle = (low + high) / 2
        rare = (z + middle).softmax(1)[:, digit].mean() < share
        low, high = (middle, high) if rare else (low, middle)
    return middle


def attention(A):
    Q = A.square().sum(1)
    return Q / Q.norm(dim=(1, 2), keepdim=True)


RIGHT = [
    ("ch11.soften", "softmax", lambda z, T: torch.softmax(z / T, dim=1)),
    ("ch11.soften", "log_softmax", lambda z, T: F.log_softmax(z / T, dim=-1).exp()),
    ("ch11.soften", "by hand, safe", soften_by_hand),
    ("ch11.soft_target_loss", "kl_div", lambda z, v, T: T**2 * kl(z, v, T)),
    ("ch11.soft_target_loss", "sum", kl_sum),
    ("ch11.soft_target_loss", "cross-entropy less entropy", kl_cross_entropy),
    ("ch11.class_shift", "halved", shift_halved),
    ("ch11.class_shift", "grid", shift_grid),
    ("ch11.class_shift", "margins", shift_searchsorted),
    ("ch11.attention_map", "norm", attention),
    (
        "ch11.attention_map",
        "normalize",
        lambda A: F.normalize(A.pow(2).sum(1).flatten(1), dim=1).view(len(A), *A.shape[2:]),
    ),
    (
        "ch11.attention_map",
        "one image at a time",
        lambda A: torch.stack([(a * a).sum(0) / (a * a).sum(0).square().sum().sqrt() for a in A]),
    ),
]
WRONG = [
    (
        "ch11.soften",
        "divided after",
        lambda z, T: torch.softmax(z, dim=1) / T,
        "divide the logits by the temperature, before the softmax",
    ),
    (
        "ch11.soften",
        "multiplied",
        lambda z, T: torch.softmax(z * T, dim=1),
        "divide by the temperature, do not multiply",
    ),
    (
        "ch11.soften",
        "over images",
        lambda z, T: torch.softmax(z / T, dim=0),
        "the classes of one image add up to 1: dim=1",
    ),
    (
        "ch11.soften",
        "overflow",
        lambda z, T: (z / T).exp() / (z / T).exp().sum(1, keepdim=True),
        "logits near 500 must not overflow: use torch.softmax",
    ),
    (
        "ch11.soften",
        "no temperature",
        lambda z, T: torch.softmax(z, dim=1),
        "divide the logits by the temperature",
    ),
    (
        "ch11.soften",
        "log",
        lambda z, T: torch.log_softmax(z / T, dim=1),
        "return probabilities, not their logarithms",
    ),
    (
        "ch11.soften",
        "sigmoid",
        lambda z, T: torch.sigmoid(z / T),
        "each class alone adds up to nothing: softmax, not sigmoid",
    ),
    (
        "ch11.soften",
        "in place",
        lambda z, T: torch.softmax(z.div_(T), dim=1),
        "changes its argument",
    ),
    ("ch11.soft_target_loss", "no T squared", kl, "multiply by T squared"),
    (
        "ch11.soft_target_loss",
        "T not squared",
        lambda z, v, T: T * kl(z, v, T),
        "multiply by T squared, not by T",
    ),
    (
        "ch11.soft_target_loss",
        "mean over classes",
        lambda z, v, T: T**2 * kl(z, v, T, "mean"),
        "sum over classes: F.kl_div's `mean` divides by them too",
    ),
    (
        "ch11.soft_target_loss",
        "sum over images",
        lambda z, v, T: T**2 * kl(z, v, T, "sum"),
        "the mean over images, not their sum",
    ),
    (
        "ch11.soft_target_loss",
        "wrong way",
        lambda z, v, T: T**2 * kl(v, z, T),
        "that is KL(student, teacher): the teacher comes first",
    ),
    (
        "ch11.soft_target_loss",
        "one an image",
        lambda z, v, T: T**2 * kl(z, v, T, "none").sum(1),
        "return one number for the whole batch: the mean over the images",
    ),
    (
        "ch11.soft_target_loss",
        "cross-entropy",
        lambda z, v, T: T**2 * F.cross_entropy(z / T, torch.softmax(v / T, 1)),
        "that is the cross-entropy: the teacher's own entropy is too much",
    ),
    (
        "ch11.soft_target_loss",
        "no temperature",
        lambda z, v, T: T**2 * kl(z, v, 1.0),
        "divide the logits by T",
    ),
    (
        "ch11.soft_target_loss",
        "detached",
        lambda z, v, T: T**2 * kl(z.detach(), v, T),
        "no gradient reaches the student: return a tensor, and detach nothing of it",
    ),
    (
        "ch11.soft_target_loss",
        "a float",
        lambda z, v, T: float(T**2 * kl(z, v, T)),
        "no gradient reaches the student: return a tensor, and detach nothing of it",
    ),
    (
        "ch11.soft_target_loss",
        "last class ignored",
        lambda z, v, T: (
            T**2
            * F.kl_div(
                F.log_softmax(z / T, 1)[:, :-1], F.softmax(v / T, 1)[:, :-1], reduction="batchmean"
            )
        ),
        "KL(teacher, student), summed over classes, the mean over images",
    ),
    ("ch11.class_shift", "one step", shift_one_step, "a larger shift makes it larger"),
    ("ch11.class_shift", "nothing", lambda z, digit, share: 0.0, "a shift of 0 changes nothing"),
    ("ch11.class_shift", "share of votes", shift_votes, "a larger shift makes it larger"),
    (
        "ch11.class_shift",
        "sign",
        lambda z, digit, share: -shift_halved(z, digit, share),
        "mind the sign: the shift is added to the logit",
    ),
    ("ch11.class_shift", "shifts all logits", shift_all_logits, "a larger shift makes it larger"),
    (
        "ch11.class_shift",
        "another class",
        lambda z, digit, share: shift_halved(z, (digit + 1) % z.shape[1], share),
        "a larger shift makes it larger",
    ),
    (
        "ch11.class_shift",
        "logit of the share",
        lambda z, digit, share: math.log(share / (1 - share)),
        "a larger shift makes it larger",
    ),
    (
        "ch11.class_shift",
        "in place",
        lambda z, digit, share: shift_halved(z.sub_(z.mean(1, keepdim=True)), digit, share),
        "changes its argument",
    ),
    (
        "ch11.attention_map",
        "not divided",
        lambda A: A.square().sum(1),
        "divide each map by its length",
    ),
    (
        "ch11.attention_map",
        "one length a row",
        lambda A: F.normalize(A.square().sum(1), dim=2),
        "a map has one length, not one a row",
    ),
    (
        "ch11.attention_map",
        "squared after the sum",
        lambda A: attention(A.sum(1, keepdim=True)),
        "square each channel before the sum",
    ),
    (
        "ch11.attention_map",
        "magnitudes",
        lambda A: A.abs().sum(1) / A.abs().sum(1).norm(dim=(1, 2), keepdim=True),
        "sum the squares, not the magnitudes",
    ),
    (
        "ch11.attention_map",
        "one length a batch",
        lambda A: A.square().sum(1) / A.square().sum(1).norm(),
        "each image has its own length, not one for the batch",
    ),
    (
        "ch11.attention_map",
        "divided by the sum",
        lambda A: A.square().sum(1) / A.square().sum((1, 2, 3), keepdim=True)[:, 0],
        "divide by the length, the root of the sum of squares, not by the sum",
    ),
    (
        "ch11.attention_map",
        "channels kept",
        lambda A: attention(A)[:, None],
        "return maps [N, H, W]: the channels are gone",
    ),
    (
        "ch11.attention_map",
        "negatives lost",
        lambda A: attention(A.clamp(min=0)),
        "the sum over the channels of the squares, then divide by its length",
    ),
    ("ch11.attention_map", "in place", lambda A: attention(A.abs_()), "changes its argument"),
]


# Labels and soft targets together


def mixed(z, v, y, T, alpha):
    q, p = torch.log_softmax(z / T, dim=1), torch.softmax(v / T, dim=1)
    soft = T**2 * F.kl_div(q, p, reduction="batchmean")
    return alpha * soft + (1 - alpha) * F.cross_entropy(z, y)


def mixed_by_hand(z, v, y, T, alpha):
    q, p = torch.softmax(z / T, dim=1), torch.softmax(v / T, dim=1)
    soft = T * T * (p * (p / q).log()).sum(dim=1).mean()
    hard = -torch.softmax(z, dim=1)[torch.arange(len(y)), y].log().mean()
    return float(alpha * soft + (1 - alpha) * hard)


def mixed_entropies(z, v, y, T, alpha):
    p = torch.softmax(v / T, dim=1)
    soft = T**2 * (F.cross_entropy(z / T, p) - F.cross_entropy(v / T, p))
    return torch.lerp(F.nll_loss(torch.log_softmax(z, dim=1), y), soft, alpha)


RIGHT += [
    ("ch11.mixed_loss", "kl_div", mixed),
    ("ch11.mixed_loss", "by hand", mixed_by_hand),
    ("ch11.mixed_loss", "cross-entropies", mixed_entropies),
]
WRONG += [
    (
        "ch11.mixed_loss",
        "alpha turned",
        lambda z, v, y, T, a: mixed(z, v, y, T, 1 - a),
        "alpha belongs to the soft targets",
    ),
    (
        "ch11.mixed_loss",
        "no square",
        lambda z, v, y, T, a: mixed(z, v, y, T, 1) * a / T**2 + (1 - a) * F.cross_entropy(z, y),
        "the soft part is multiplied by T squared",
    ),
    (
        "ch11.mixed_loss",
        "warm labels",
        lambda z, v, y, T, a: mixed(z, v, y, T, 1) * a + (1 - a) * F.cross_entropy(z / T, y),
        "the labels' part is computed at temperature 1",
    ),
    (
        "ch11.mixed_loss",
        "plain sum",
        lambda z, v, y, T, a: mixed(z, v, y, T, 1) + F.cross_entropy(z, y),
        "weigh the two by alpha and 1 - alpha",
    ),
    (
        "ch11.mixed_loss",
        "labels whole",
        lambda z, v, y, T, a: a * mixed(z, v, y, T, 1) + F.cross_entropy(z, y),
        "1 - alpha",
    ),
    (
        "ch11.mixed_loss",
        "soft alone",
        lambda z, v, y, T, a: a * mixed(z, v, y, T, 1),
        "the labels' part is missing",
    ),
]
