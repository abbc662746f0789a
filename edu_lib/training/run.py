"""One training: the model, its optimizer, and how far it is. The loop that `fit` starts."""

import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from edu_lib.training import distributed
from edu_lib.training.checkpoint import Epoch, History, load_checkpoint, save_checkpoint
from edu_lib.training.evaluate import evaluate

Labels = Tensor | dict[str, Tensor]  # a dict where a network has several tasks
Validation = tuple[Tensor, Tensor] | Callable[[nn.Module], float] | None


@dataclass
class Run:
    """State of a training. `settings` holds what a checkpoint must share to be gone on from."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable[..., Tensor]
    augment: Callable[[Tensor], Tensor] | None
    transform: Callable[[Tensor, Labels], tuple[Tensor, Labels]] | None
    device: torch.device
    precision: torch.dtype
    settings: dict
    checkpoint: Path | None
    history: History = field(default_factory=History)
    batch: int = 0
    loss_sum: float | Tensor = 0.0
    seconds: float = 0.0

    def __post_init__(self):
        self.rank, self.world_size = distributed.join(self.device)
        self.parallel = distributed.data_parallel(self.model, self.world_size)
        self.num_epochs = self.settings["num_epochs"]
        self.num_batches = math.ceil(self.settings["num_images"] / self.settings["batch_size"])

    def restore(self) -> None:
        """Go on from the checkpoint, if it is there."""
        if self.checkpoint is None or not self.checkpoint.exists():
            return
        progress, self.history = load_checkpoint(
            self.checkpoint, self.model, self.optimizer, self.settings
        )
        self.batch, self.loss_sum = progress["batch"], progress["loss_sum"]
        self.seconds = progress["seconds"]

    def save(self) -> None:
        """Write the checkpoint, if one is wanted; under torchrun process 0 writes it."""
        if self.checkpoint is None or self.rank != 0:
            return
        progress = {
            "batch": self.batch,
            "loss_sum": float(self.loss_sum),
            "seconds": self.seconds,
        }
        save_checkpoint(
            self.checkpoint, self.model, self.optimizer, progress, self.history, self.settings
        )

    def train(
        self,
        X: Tensor,
        y: Labels,
        validation: Validation,
        stop: Callable[[History], bool] | None,
        interrupted: threading.Event,
        show_progress: bool,
    ) -> None:
        """Train until the last epoch, until `stop` says so, or until an interrupt."""
        bar = tqdm(
            total=self.num_epochs * self.num_batches,
            initial=len(self.history.epochs) * self.num_batches + self.batch,
            disable=not show_progress or self.rank != 0,
            file=sys.stdout,
            mininterval=0.5,
            unit="batch",
            ncols=90,
        )
        with bar:
            while len(self.history.epochs) < self.num_epochs and not self.history.stopped_early:
                self.train_epoch(X, y, bar, interrupted)
                self.end_epoch(validation, stop, bar)
                self.save()
                if interrupted.is_set():
                    raise KeyboardInterrupt("the training was interrupted between two epochs")

    def train_epoch(self, X: Tensor, y: Labels, bar: tqdm, interrupted: threading.Event) -> None:
        epoch = len(self.history.epochs)
        # the order depends on the seed and the epoch alone, so a resumed epoch finds it again
        generator = torch.Generator().manual_seed(self.settings["seed"] * 100_003 + epoch)
        order = torch.randperm(len(X), generator=generator).to(self.device)
        batches = order.split(self.settings["batch_size"])
        self.model.train()
        for number in range(self.batch, self.num_batches):
            start = time.perf_counter()
            self.train_step(X, y, batches[number], epoch * self.num_batches + number)
            self.seconds += time.perf_counter() - start
            self.batch = number + 1
            bar.update()
            if interrupted.is_set():
                self.save()
                raise KeyboardInterrupt("the training was interrupted between two steps")

    def train_step(self, X: Tensor, y: Labels, indices: Tensor, step: int) -> None:
        indices, weight = distributed.share_of(indices, self.rank, self.world_size)
        num_steps = self.num_epochs * self.num_batches
        for group in self.optimizer.param_groups:
            group["lr"] = one_cycle(step, num_steps, self.settings["lr"], self.settings["warmup"])
        images, labels = X[indices], take(y, indices)
        if self.augment is not None:
            images = self.augment(images)
        if self.transform is not None:
            images, labels = self.transform(images, labels)
        reduced = self.precision != torch.float32
        with torch.autocast(self.device.type, dtype=self.precision, enabled=reduced):
            logits = self.answers(images)
        loss = self.loss(logits, labels)
        self.optimizer.zero_grad(set_to_none=True)
        (weight * loss).backward()
        self.optimizer.step()
        self.loss_sum = self.loss_sum + loss.detach()

    def answers(self, images: Tensor) -> Tensor:
        """What the network gives. Raises ValueError for one image, if a batch norm needs two."""
        try:
            return self.parallel(images)
        except ValueError as error:
            if len(images) > 1 or "more than 1 value per channel" not in str(error):
                raise
            size, count = self.settings["batch_size"], self.settings["num_images"]
            raise ValueError(
                f"a batch of one image has no variance that a batch norm could use: with {count} "
                f"images choose another batch_size than {size}, whose last batch is too small"
            ) from error

    def end_epoch(
        self,
        validation: Validation,
        stop: Callable[[History], bool] | None,
        bar: tqdm,
    ) -> None:
        train_loss = float(self.loss_sum) / self.num_batches
        accuracy = self.validate(validation)
        lr = self.optimizer.param_groups[0]["lr"]
        self.history.epochs.append(Epoch(train_loss, lr, self.seconds, accuracy))
        self.batch, self.loss_sum, self.seconds = 0, 0.0, 0.0
        shown = f"loss {train_loss:.3f}"
        if accuracy is not None:
            shown += f", validation {accuracy:.2f} %"
        bar.set_postfix_str(shown)
        wants_stop = stop is not None and stop(self.history)
        self.history.stopped_early = distributed.agree(wants_stop, self.world_size)

    def validate(self, validation: Validation) -> float | None:
        if validation is None:
            return None
        if callable(validation):
            self.model.eval()
            return validation(self.model)
        return evaluate(self.model, *validation).accuracy


def one_cycle(step: int, num_steps: int, lr: float, warmup: float) -> float:
    """Learning rate of `step`: from lr / 25 up to lr along a cosine, then down to 0 along another.

    warmup: share of num_steps in which it rises.
    Source: Smith, Topin 2018, "Super-Convergence", section 3. Taught in chapter 02.
    """
    num_warmup = warmup * num_steps
    if step < num_warmup:
        return lr / 25 + (lr - lr / 25) * (1 - math.cos(math.pi * step / num_warmup)) / 2
    return lr * (1 + math.cos(math.pi * (step - num_warmup) / (num_steps - num_warmup))) / 2


@contextlib.contextmanager
def interrupt_between_steps() -> Iterator[threading.Event]:
    """Within the block an interrupt sets the event, so that no training step is cut in half.

    A second interrupt does not wait: it raises KeyboardInterrupt at once. Outside the main thread,
    and in a program that ignores interrupts, nothing sets the event.
    """
    event = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield event
        return

    def interrupt(*_) -> None:
        if event.is_set():
            raise KeyboardInterrupt("the training was interrupted within a step")
        event.set()

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


def num_labels(y: Labels) -> int:
    """How many images the labels are for. Raises ValueError if the tensors of a dict disagree."""
    if isinstance(y, Tensor):
        return len(y)
    lengths = {name: len(labels) for name, labels in y.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"all labels must be for the same images, got lengths {lengths}")
    return next(iter(lengths.values()))


def take(y: Labels, indices: Tensor) -> Labels:
    """The labels at `indices`, in that order."""
    if isinstance(y, Tensor):
        return y[indices]
    return {name: labels[indices] for name, labels in y.items()}


def labels_to(y: Labels, device: torch.device) -> Labels:
    """The labels on `device`."""
    if isinstance(y, Tensor):
        return y.to(device)
    return {name: labels.to(device) for name, labels in y.items()}
