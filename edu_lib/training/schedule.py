"""When the learning rate rises and falls, and when an interrupt may stop a training."""

import contextlib
import math
import signal
import threading
from collections.abc import Iterator


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

    Outside the main thread, where no interrupt arrives, the event stays unset.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.signal(signal.SIGINT, lambda *_: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
