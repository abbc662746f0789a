"""How good a model is on a split."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edu_lib.copies import evaluation_mode


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

    The model keeps its device, and each part its training mode. Raises ValueError if it gives
    something else than one tensor.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    batches = []
    with evaluation_mode(model):
        for batch in X.split(batch_size):
            # a copy: a network that works in place must not change the images
            logits = model(batch.to(device, copy=True))
            check_one_tensor(logits)
            batches.append(logits.float().cpu())
    return torch.cat(batches)


def evaluate(model: nn.Module, X: Tensor, y: Tensor, batch_size: int = 1000) -> Evaluation:
    """Accuracy, errors and cross-entropy of `model` on images X [N, C, H, W] with labels y [N].

    Raises ValueError if X and y differ in length or are empty, if there is more than one label an
    image, or if the model does not give logits [N, classes]: of one logit, say, there are no
    classes to choose from. Taught in chapter 02.
    """
    if len(X) != len(y) or len(y) == 0:
        raise ValueError(f"X and y must have the same length above 0, got {len(X)} and {len(y)}")
    logits = predict_logits(model, X, batch_size)
    check_class_logits(logits)
    if logits.dim() != 2 or y.shape != (len(X),):
        raise ValueError(
            f"evaluate needs logits [N, classes] and labels [N], got {list(logits.shape)} and "
            f"{list(y.shape)}: for other answers or labels write a function of your own, which "
            "fit takes as `validation`"
        )
    num_errors = int((logits.argmax(dim=1) != y.cpu()).sum())
    return Evaluation(len(y), num_errors, F.cross_entropy(logits, y.cpu()).item())


def check_one_tensor(answers: object) -> None:
    """Raises ValueError if a network gives several answers."""
    if not isinstance(answers, Tensor):
        raise ValueError(
            f"the network gives a {type(answers).__name__} where one tensor of logits "
            "[N, classes] is needed: give fit `loss` and `validation` functions of your own"
        )


def check_class_logits(logits: Tensor) -> None:
    """Raises ValueError unless there is one logit a class, and two classes at least."""
    check_one_tensor(logits)
    if logits.dim() < 2 or logits.shape[1] < 2:
        raise ValueError(
            f"cross-entropy needs logits [N, classes], one a class, got {list(logits.shape)}: for "
            "one logit and labels 0 and 1 give `loss` and `validation` functions of your own"
        )


def check_class_labels(logits: Tensor, y: object) -> None:
    """Raises ValueError unless cross-entropy can compare these labels with these logits."""
    labels = [logits.shape[:1] + logits.shape[2:], logits.shape]  # numbers, or shares of classes
    if not isinstance(y, Tensor) or y.shape not in labels:
        got = f"of shape {list(y.shape)}" if isinstance(y, Tensor) else f"in a {type(y).__name__}"
        raise ValueError(
            f"cross-entropy needs labels of shape {list(labels[0])} for logits "
            f"{list(logits.shape)}, got labels {got}: reshape them, or give a `loss` of your own"
        )
