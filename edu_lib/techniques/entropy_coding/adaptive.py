"""Probabilities that are learned while coding: counts, and a mixture of what contexts say.

Encoder and decoder see the same bits in the same order, so that both hold the same counts and no
table is sent. All arithmetic is in whole numbers: every machine decodes what another one wrote.
Taught in chapter 10.
"""

import math
from collections.abc import Hashable, Sequence
from typing import Protocol

from edu_lib.techniques.entropy_coding.range_coder import ONE

UNIT = 256  # logits are whole numbers in 1 / 256
LIMIT = 1023  # counts are halved beyond it, so that old bits are forgotten
PRIOR = 0.4  # what each count starts with; 0.5 is the estimator of Krichevsky and Trofimov 1981
LOG = [round(UNIT * math.log(n + PRIOR)) for n in range(LIMIT + 1)]
FARTHEST = 11 * UNIT
# sigmoid(x) = 1 / (1 + e^-x), in 1 / 65,536, for x from -11 to 11
SIGMOID = [
    min(ONE - 1, max(1, round(ONE / (1 + math.exp(-x / UNIT)))))
    for x in range(-FARTHEST, FARTHEST + 1)
]
WEIGHT_ONE = 1 << 16
HALF = ONE // 2


class Coder(Protocol):
    """A RangeEncoder, a RangeDecoder or a BitCounter."""

    def code(self, p1: int, bit: int | None = None) -> int: ...


def sigmoid(logit: int) -> int:
    """Probability in 1 / 65,536 of a logit in 1 / 256."""
    return SIGMOID[min(FARTHEST, max(-FARTHEST, logit)) + FARTHEST]


class AdaptiveBit:
    """The probability of a bit by how often it was 0 and 1 so far.

    Source: Krichevsky and Trofimov 1981, "The performance of universal encoding".
    """

    def __init__(self) -> None:
        self.counts = [0, 0]

    def code(self, coder: Coder, bit: int | None = None) -> int:
        """Code one bit and learn from it."""
        # p1 = (n1 + 0.4) / (n0 + n1 + 0.8)
        bit = coder.code(sigmoid(LOG[self.counts[1]] - LOG[self.counts[0]]), bit)
        count(self.counts, bit)
        return bit


class Mixture:
    """The probability of a bit by what several contexts say, each trusted as it has deserved.

    Every context keeps counts of its own; the logits of their probabilities are summed with
    weights, which follow the gradient of the cost in bits. gate: chooses a set of weights.
    Source: Mahoney 2005, "Adaptive Weighing of Context Models for Lossless Data Compression".
    """

    # the weights' sum at the start; they move by a share of 2^-RATE of the gradient
    START, RATE = 1.4, 15

    def __init__(self, num_contexts: int):
        self.tables: list[dict[Hashable, list[int]]] = [{} for _ in range(num_contexts)]
        self.weights: dict[Hashable, list[int]] = {}

    def code(
        self,
        coder: Coder,
        contexts: Sequence[Hashable],
        bit: int | None = None,
        gate: Hashable = None,
    ) -> int:
        """Code one bit and learn from it. contexts: one key for each of num_contexts."""
        cells = [
            table.get(context) or table.setdefault(context, [0, 0])
            for table, context in zip(self.tables, contexts, strict=True)
        ]
        logits = [LOG[cell[1]] - LOG[cell[0]] for cell in cells]
        weights = self.weights.get(gate)
        if weights is None:
            start = round(self.START * WEIGHT_ONE / len(cells))
            weights = self.weights[gate] = [start] * len(cells)
        # p1 = sigmoid(sum_i w_i logit_i)
        total = sum(w * x for w, x in zip(weights, logits, strict=True))
        p1 = sigmoid(total // WEIGHT_ONE)
        bit = coder.code(p1, bit)
        # w_i <- w_i + rate (bit - p1) logit_i
        error = (ONE if bit else 0) - p1
        for i, x in enumerate(logits):
            weights[i] += (error * x) >> self.RATE
        for cell in cells:
            count(cell, bit)
        return bit


def count(counts: list[int], bit: int) -> None:
    """One more `bit` in [zeros, ones]; both are halved when one is full."""
    counts[bit] += 1
    if counts[bit] > LIMIT:
        counts[0] >>= 1
        counts[1] >>= 1
