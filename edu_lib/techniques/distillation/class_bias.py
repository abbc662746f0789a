"""The right bias for classes that a student hardly saw, found without a label. Chapter 11."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edu_lib.copies import copied

TOLERANCE = 1e-4
MAX_STEPS = 10_000


def bias_correction(
    logits: Tensor,
    frequencies: Tensor | Sequence[float],
    classes: Sequence[int] | None = None,
) -> Tensor:
    """The shift of class logits that makes a model predict each class as often as it comes.

    A student that saw no threes has learned all about them but how common they are. Hinton et al.
    chose the shift of that class on the test set; this takes it from two things known before:
    logits [N, C, ...]: the student's answers to images, without labels, in which the classes come
    as usual. frequencies [C]: how often each class comes there, as in the training set of the
    teacher; counts or shares, all above 0. classes: those to shift, best the ones that were
    missing; by default all.

    Returns the shifts [C], with which the mean probability of each of `classes` is its frequency:
    0 for the others, or of mean 0 where all are shifted. There is one solution, because the search
    descends a convex function. It fails in two ways. Logits of a transfer set without threes ask
    for far too large a shift. And of few images chance alone decides how many threes they hold:
    take thousands, the more the more classes are shifted.
    Raises ValueError for frequencies or classes that do not fit, or logits that are not finite.
    Source: the experiment is in Hinton et al. 2015, section 3; the rule after Saerens et al. 2002,
    "Adjusting the Outputs of a Classifier to New a Priori Probabilities". Taught in chapter 11.
    """
    rows = logits.detach().movedim(1, -1).flatten(0, -2).double()
    shares = torch.as_tensor(frequencies, dtype=torch.float64, device=rows.device)
    _check(rows, shares, classes)
    shares = shares / shares.sum()
    shifted = list(range(len(shares)) if classes is None else classes)
    shifts = torch.zeros_like(shares)
    for _ in range(MAX_STEPS):
        # m_c = mean of softmax(z + b)_c, then b_c <- b_c + log(f_c / m_c)
        predicted = torch.softmax(rows + shifts, dim=1).mean(dim=0)
        change = (shares / predicted).log()[shifted]
        shifts[shifted] += change
        if change.abs().max() < TOLERANCE:
            break
    if classes is None:
        shifts = shifts - shifts.mean()
    return shifts.to(torch.promote_types(logits.dtype, torch.float32))


class BiasCorrected(nn.Module):
    """A copy of a classifier whose logits [N, C, ...] are shifted by `shifts` [C].

    Raises ValueError when it is called if the model has another number of classes.
    """

    def __init__(self, model: nn.Module, shifts: Tensor):
        super().__init__()
        self.model = copied(model)
        self.register_buffer("shifts", shifts.detach().clone())
        self.train(model.training)

    def forward(self, X: Tensor) -> Tensor:
        logits = self.model(X)
        if logits.shape[1] != len(self.shifts):
            raise ValueError(f"{len(self.shifts)} shifts do not fit {logits.shape[1]} classes")
        return logits + self.shifts.view(-1, *[1] * (logits.dim() - 2))


@torch.no_grad()
def correct_bias(
    model: nn.Module,
    X: Tensor,
    frequencies: Tensor | Sequence[float],
    classes: Sequence[int] | None = None,
    batch_size: int = 1000,
) -> BiasCorrected:
    """A copy of the classifier `model` with the `bias_correction` that images X ask for.

    X: [N, ...] as the model takes them, on its device; they need no labels. Errors and source as
    for `bias_correction`. Taught in chapter 11.
    """
    answering = copied(model).eval()
    logits = torch.cat([answering(batch.clone()) for batch in X.split(batch_size)])
    return BiasCorrected(model, bias_correction(logits, frequencies, classes))


def _check(rows: Tensor, shares: Tensor, classes: Sequence[int] | None) -> None:
    num_classes = rows.shape[1]
    if num_classes < 2:
        raise ValueError(
            "one logit has no classes to shift: give logits [N, C] with C of 2 or more"
        )
    if shares.shape != (num_classes,):
        raise ValueError(
            f"logits of {num_classes} classes need {num_classes} frequencies, "
            f"got shape {tuple(shares.shape)}"
        )
    if not (shares.isfinite().all() and (shares > 0).all()):
        raise ValueError("each frequency must be above 0 and finite")
    if classes is not None and not classes:
        raise ValueError("classes is empty: name one or more to shift, or leave it out for all")
    if classes is not None and not set(classes) <= set(range(num_classes)):
        raise ValueError(f"classes must be numbers from 0 to {num_classes - 1}, got {classes}")
    if not rows.isfinite().all():
        raise ValueError("some logits are not finite: they have no probabilities to correct")
