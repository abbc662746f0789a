"""How few bits a message can take: the bound that every code here is measured against."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def entropy(counts: Sequence[int] | Tensor) -> float:
    """Bits a symbol that no code can beat if symbols are drawn with these frequencies.

    counts: how often each symbol occurs, at least one of them above 0.
    Raises ValueError on a negative count or none above 0.
    Source: Shannon 1948, "A Mathematical Theory of Communication", section 6. Chapter 10.
    """
    counts = [float(count) for count in counts]
    total = sum(counts)
    if total <= 0 or min(counts) < 0:
        raise ValueError("entropy needs counts of 0 and more, and one symbol that occurs")
    # H = -sum_i p_i log2 p_i
    return -sum(n / total * math.log2(n / total) for n in counts if n > 0)


def entropy_bits(symbols: Tensor) -> float:
    """Bits of a whole message by `entropy`, with the frequencies of its own symbols.

    A lower bound for codes with one fixed table; the table itself is not counted.
    """
    if symbols.numel() == 0:
        return 0.0
    counts = torch.unique(symbols, return_counts=True)[1]
    return symbols.numel() * entropy(counts)
