"""A quick source of random choices: one NumPy generator, drawn from in blocks."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

BLOCK = 1024
Item = TypeVar("Item")


class Dice:
    """Scalar random numbers from `np.random.default_rng(seed)`, about ten times faster than one
    call to the generator for each number. The same seed gives the same numbers.
    """

    def __init__(self, seed: int | Sequence[int]):
        self.rng = np.random.default_rng(seed)
        self._block = iter(())

    def random(self) -> float:
        """A number in [0, 1)."""
        for value in self._block:
            return value
        self._block = iter(self.rng.random(BLOCK).tolist())
        return next(self._block)

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def integer(self, low: int, high: int) -> int:
        """A whole number in low, ..., high, both included."""
        return low + int((high - low + 1) * self.random())

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def normal(self, deviation: float) -> float:
        """A bell-shaped number: the sum of twelve uniform ones, so never beyond 6 deviations."""
        return deviation * (sum(self.random() for _ in range(12)) - 6)

    def pick(self, items: Sequence[Item]) -> Item:
        return items[int(len(items) * self.random())]

    def weighted(self, shares: dict[Item, float]) -> Item:
        """A key of `shares`, drawn in proportion to its value."""
        position = self.random() * sum(shares.values())
        for item, share in shares.items():
            position -= share
            if position < 0:
                return item
        return item

    def log_uniform(self, low: float, high: float) -> float:
        return low * (high / low) ** self.random()
