"""Random numbers, lists and tensors for the hidden inputs; the same seed gives the same ones."""

import random

import torch


class Draw(random.Random):
    """Draws numbers, lists and tensors; the same seed gives the same ones."""

    def tensor(self, *shape: int) -> torch.Tensor:
        """Normally distributed values."""
        return torch.randn(shape, generator=self.generator())

    def generator(self) -> torch.Generator:
        """A generator of PyTorch that begins at a place of its own."""
        return torch.Generator().manual_seed(self.getrandbits(32))

    def classes(self, *shape: int, num_classes: int) -> torch.Tensor:
        """Whole numbers below num_classes."""
        return torch.randint(0, num_classes, shape, generator=self.generator())

    def times(self, num: int, low: float = 5.0, high: float = 60.0) -> list[float]:
        """Milliseconds with one decimal place."""
        return [round(self.uniform(low, high), 1) for _ in range(num)]
