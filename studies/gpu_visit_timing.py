"""How a visited device is timed: blocks that begin and end idle, and a deadline that is kept."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

BLOCKS, BLOCK_MS, CALLS = 15, 30.0, 20
Work = Callable[[], object]


@dataclass
class Visit:
    """A device and how to ask it: synchronize waits for its work, now_ms reads a clock.

    deadline_ms: on that clock; no measurement begins after it. scale: 1 on a GPU; more makes every
    size smaller by that factor.
    """

    device: torch.device
    synchronize: Work
    now_ms: Callable[[], float]
    deadline_ms: float
    scale: int = 1
    left_out: list[str] = field(default_factory=list)

    def naive_ms(self, work: Work) -> float:
        """Milliseconds a call as a beginner times it: no warm-up, no waiting."""
        start = self.now_ms()
        for _ in range(CALLS):
            work()
        return (self.now_ms() - start) / CALLS

    def right_ms(self, work: Work) -> float:
        """The median of blocks that begin and end with an idle device, after a warm-up."""
        work()
        self.synchronize()
        once = max(self._block_ms(work, 1), 1e-3)
        calls = max(1, min(1000, round(BLOCK_MS / once)))
        blocks = []
        while len(blocks) < BLOCKS and (len(blocks) < 3 or self.now_ms() < self.deadline_ms):
            blocks.append(self._block_ms(work, calls) / calls)
        return statistics.median(blocks)

    def _block_ms(self, work: Work, calls: int) -> float:
        self.synchronize()
        start = self.now_ms()
        for _ in range(calls):
            work()
        self.synchronize()
        return self.now_ms() - start

    def while_time(self, name: str, items: object) -> list:
        """The items, until the time is over; says which part was cut."""
        taken = []
        for item in items:
            if self.now_ms() >= self.deadline_ms:
                self.left_out.append(name)
                break
            taken.append(item())
        return taken


def now_ms() -> float:
    """A clock that only goes forward."""
    return time.perf_counter_ns() / 1e6
