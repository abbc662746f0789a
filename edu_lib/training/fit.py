"""Training a network on tensors in memory. Taught in chapter 02."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edu_lib.training.checkpoint import History
from edu_lib.training.distributed import training_device
from edu_lib.training.evaluate import check_class_labels, check_class_logits
from edu_lib.training.recipe import fingerprint
from edu_lib.training.run import (
    Labels,
    Run,
    Validation,
    interrupt_between_steps,
    labels_to,
    num_labels,
)


def fit(
    model: nn.Module,
    X: Tensor,
    y: Labels,
    *,
    num_epochs: int,
    batch_size: int = 128,
    lr: float = 2e-3,
    weight_decay: float = 1e-2,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW,
    warmup: float = 0.2,
    label_smoothing: float = 0.0,
    loss: Callable[..., Tensor] | None = None,
    augment: Callable[[Tensor], Tensor] | None = None,
    transform: Callable[[Tensor, Labels], tuple[Tensor, Labels]] | None = None,
    validation: Validation = None,
    stop: Callable[[History], bool] | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    precision: torch.dtype = torch.float32,
    channels_last: bool = False,
    checkpoint: Path | str | None = None,
    progress: bool = True,
) -> History:
    """Train `model` in place on images X [N, C, H, W] with labels y, one cycle of `lr`.

    y: labels [N, ...], or a dict of such tensors, which `loss` then takes batch by batch.
    optimizer: called with (parameters, lr=, weight_decay=). warmup: share of the steps in which
    the learning rate rises; then it falls to 0. loss: (logits, y) -> scalar; by default the
    cross-entropy with `label_smoothing`. augment: batch -> batch of the same shape. transform: the
    same for images and labels together. validation: (X, y) or model -> percent, after each epoch.
    stop: asked after each epoch, True ends the training. device: by default an accelerator where
    there is one. precision: torch.bfloat16 computes in bfloat16 and keeps the weights in float32.
    checkpoint: a file; the state is saved there after each epoch and on an interrupt, and the same
    call goes on from it exactly. It belongs to its recipe: network, images, labels, functions and
    numbers are compared, and only the weights to start from, `device` and `progress` may differ.
    Under `torchrun` each process takes its share of every batch.

    Returns the History; the model is left in evaluation mode. Raises ValueError on bad arguments,
    another training's checkpoint or a last batch too small for a batch norm, and KeyboardInterrupt,
    after saving, on an interrupt; a second interrupt does not wait for the end of a step.
    """
    _check(X, y, num_epochs, batch_size, lr)
    device = training_device(device)
    model.to(device, memory_format=_memory_format(channels_last))
    settings = {
        "num_images": len(X), "num_epochs": num_epochs, "batch_size": batch_size, "lr": lr,
        "weight_decay": weight_decay, "warmup": warmup, "label_smoothing": label_smoothing,
        "seed": seed, "precision": str(precision), "channels_last": channels_last,
    }  # fmt: skip
    if checkpoint is not None:
        settings |= _fingerprints(
            model, images=X, labels=y, optimizer=optimizer, loss=loss, augment=augment,
            transform=transform, validation=validation, stop=stop,
        )  # fmt: skip
    run = Run(
        model=model,
        optimizer=optimizer(model.parameters(), lr=lr, weight_decay=weight_decay),
        loss=loss or cross_entropy(label_smoothing),
        augment=augment,
        transform=transform,
        device=device,
        precision=precision,
        settings=settings,
        checkpoint=None if checkpoint is None else Path(checkpoint),
    )
    X = X.to(device).contiguous(memory_format=_memory_format(channels_last))
    with torch.random.fork_rng(), interrupt_between_steps() as interrupted:
        torch.manual_seed(seed + run.rank)
        run.restore()
        run.train(X, labels_to(y, device), validation, stop, interrupted, progress)
    model.eval()
    return run.history


def cross_entropy(label_smoothing: float) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss (logits [N, K], labels [N]) -> mean cross-entropy, computed in float32.

    label_smoothing: the share of the target that is spread over all classes.
    It raises ValueError for fewer than two logits an image, of which the loss would always be 0,
    for several answers, and for labels of another shape than the logits ask for.
    Source: Szegedy et al. 2016, "Rethinking the Inception Architecture", section 7.
    """

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        check_class_logits(logits)
        check_class_labels(logits, y)
        return F.cross_entropy(logits.float(), y, label_smoothing=label_smoothing)

    return loss


def _fingerprints(model: nn.Module, **made_of: object) -> dict[str, str]:
    """{name: hash} of what a training is made of, by which a checkpoint of another is refused."""
    made_of = {"network": model, **made_of}
    return {name: fingerprint(each, trained=model) for name, each in made_of.items()}


def _memory_format(channels_last: bool) -> torch.memory_format:
    return torch.channels_last if channels_last else torch.contiguous_format


def _check(X: Tensor, y: Labels, num_epochs: int, batch_size: int, lr: float) -> None:
    if len(X) != num_labels(y) or len(X) == 0:
        raise ValueError(
            f"X and y must have the same length above 0, got {len(X)} and {num_labels(y)}"
        )
    if num_epochs < 1 or batch_size < 1 or not lr > 0:
        raise ValueError(
            "num_epochs and batch_size must be at least 1 and lr above 0, "
            f"got {num_epochs}, {batch_size} and {lr}"
        )
