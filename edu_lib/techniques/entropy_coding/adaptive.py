"""Probabilities that are learned while coding: of bits, whole numbers and floats.

Encoder and decoder see the same bits in the same order, so that both hold the same counts and no
table is sent. All arithmetic is in whole numbers: every machine decodes what another one wrote.
Every function runs both ways: see range_coder. Taught in chapter 10.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Protocol

import numpy as np

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
MANTISSA_BITS = 23
USUAL_EXPONENT = 122  # 2^(122 - 127) = 1 / 32, the size of many a weight


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


def code_bits(coder: Coder, num_bits: int, value: int = 0) -> int:
    """A number below 2^num_bits at num_bits bits, the highest first. Returns it."""
    result = 0
    for place in reversed(range(num_bits)):
        result = 2 * result + coder.code(HALF, value >> place & 1)
    return result


class AdaptiveNumber:
    """Whole numbers from 0: small and repeated ones cost least.

    The number of binary digits of value + 1 is coded in unary with learned bits, then the digits
    after the first, of which the highest is learned too.
    Source: Elias 1975, "Universal codeword sets and representations of the integers" (gamma code).
    """

    def __init__(self, most_digits: int = 32):
        self.most_digits = most_digits
        self.bits: defaultdict[tuple, AdaptiveBit] = defaultdict(AdaptiveBit)

    def code(self, coder: Coder, value: int = 0) -> int:
        """Code one number, below 2^most_digits - 1, and learn from it. Returns it.

        Raises ValueError if the number is out of range.
        """
        digits = (value + 1).bit_length()
        if value < 0 or digits > self.most_digits:
            raise ValueError(f"a number here is from 0 to 2^{self.most_digits} - 2, got {value}")
        length = 1
        while length < self.most_digits:
            if not self.bits["longer", length].code(coder, int(digits > length)):
                break
            length += 1
        result = 1
        for place in reversed(range(length - 1)):
            bit = (value + 1) >> place & 1
            if place == length - 2:
                result = 2 + self.bits["digit", length].code(coder, bit)
            else:
                result = 2 * result + coder.code(HALF, bit)
        return result - 1


class AdaptiveFloats:
    """float32 numbers, exactly. Those whose last binary digits are zeros cost fewer bits.

    Rounded to 7 digits after the point, a number takes about 16 bits; rounded to 2, about 10.
    """

    def __init__(self) -> None:
        self.sign, self.exponent = AdaptiveBit(), AdaptiveNumber(9)
        self.nonzero, self.dropped = AdaptiveBit(), AdaptiveNumber(5)

    def code(self, coder: Coder, num_values: int, values: np.ndarray | None = None) -> np.ndarray:
        """Code an array float32 [num_values] and return it.

        Raises ValueError if one is infinite or no number.
        """
        words = np.zeros(num_values, np.uint32) if values is None else _words(values)
        dropped = self.dropped.code(coder, _trailing_zeros(words))
        if dropped > MANTISSA_BITS:
            raise ValueError(f"a float32 has {MANTISSA_BITS} digits, not {dropped} that are zero")
        result = np.empty(num_values, np.uint32)
        for i, word in enumerate(words.tolist()):
            result[i] = self._code_word(coder, word, dropped)
        return result.view(np.float32)

    def _code_word(self, coder: Coder, word: int, dropped: int) -> int:
        if not self.nonzero.code(coder, int(word != 0)):
            return 0
        sign = self.sign.code(coder, word >> 31)
        distance = (word >> MANTISSA_BITS & 255) - USUAL_EXPONENT
        # 0, -1, 1, -2, 2, ... as 0, 1, 2, 3, 4, ...
        folded = self.exponent.code(coder, 2 * distance if distance >= 0 else -2 * distance - 1)
        exponent = USUAL_EXPONENT + (folded // 2 if folded % 2 == 0 else -(folded + 1) // 2)
        if not 0 <= exponent < 255:
            raise ValueError(f"the exponent {exponent} belongs to no finite float32")
        fraction = (word & ((1 << MANTISSA_BITS) - 1)) >> dropped
        fraction = code_bits(coder, MANTISSA_BITS - dropped, fraction) << dropped
        return sign << 31 | exponent << MANTISSA_BITS | fraction


def _words(values: np.ndarray) -> np.ndarray:
    values = np.ascontiguousarray(values, np.float32)
    if not np.isfinite(values).all():
        raise ValueError("a float to be coded is infinite or not a number")
    return values.view(np.uint32)


def _trailing_zeros(words: np.ndarray) -> int:
    """How many of the last digits after the point are zero in all words, at most 23."""
    together = int(np.bitwise_or.reduce(words)) if len(words) else 0
    for zeros in range(MANTISSA_BITS):
        if together >> zeros & 1:
            return zeros
    return MANTISSA_BITS
