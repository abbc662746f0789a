"""How good a model is on a split."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Evaluation:
    """Quality on a split: `accuracy` and `error` in percent, number of errors, mean loss."""

    num_images: int
    num_errors: int
    loss: float

    @property
    def error(self) -> float:
        return 100 * self.num_errors / self.num_images

    @property
    def accuracy(self) -> float:
        return 100 - self.error

    def __repr__(self) -> str:
        return f"{self.accuracy:.2f} % right ({self.num_errors:,} errors of {self.num_images:,})"


@torch.no_grad()
def predict_logits(model: nn.Module, X: Tensor, batch_size: int = 1000) -> Tensor:
    """Logits [N, classes] of `model` for X [N, C, H, W], in evaluation mode, on the CPU.

    The model keeps its device and its training mode.
    """
    was_training = model.training
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    model.eval()
    try:
        batches = [
            # a copy: a network that works in place must not change the images
            model(batch.to(device, copy=True)).float().cpu()
            for batch in X.split(batch_size)
        ]
    finally:
        model.train(was_training)
    return torch.cat(batches)


def evaluate(model: nn.Module, X: Tensor, y: Tensor, batch_size: int = 1000) -> Evaluation:
    """Accuracy, errors and cross-entropy of `model` on images X [N, C, H, W] with labels y [N].

    Raises ValueError if X and y differ in length or are empty, or the model has one logit: then
    there are no classes to choose from. Taught in chapter 02.
    """
    if len(X) != len(y) or len(y) == 0:
        raise ValueError(f"X and y must have the same length above 0, got {len(X)} and {len(y)}")
    logits = predict_logits(model, X, batch_size)
    check_class_logits(logits)
    num_errors = int((logits.argmax(dim=1) != y.cpu()).sum())
    return Evaluation(len(y), num_errors, F.cross_entropy(logits, y.cpu()).item())


def check_class_logits(logits: Tensor) -> None:
    """Raises ValueError unless there is one logit a class, and two classes at least."""
    if logits.dim() < 2 or logits.shape[1] < 2:
        raise ValueError(
            f"cross-entropy needs logits [N, classes], one a class, got {list(logits.shape)}: for "
            "one logit and labels 0 and 1 give `loss` and `validation` functions of your own"
        )
