"""Checks of chapter 10: gaps between nonzeros, a step of k-means, Huffman's code, learned bits."""

import math
from collections import Counter
from fractions import Fraction

import torch

from classroom.checks.checker import exercise
from classroom.checks.compare import WrongForm, describe, is_whole, number_case, tensor_case


@exercise("ch10.gaps", points=2, cases=11)
def gaps(to_gaps):
    """to_gaps(row, bits) -> pairs (zeros before, value); a pair (2^bits - 1, 0) fills wide gaps."""
    cases = [
        (
            [0, 0, 5, 7],
            2,
            [(2, 5), (0, 7)],
            "a pair is (zeros in between, value), and counts no places",
        ),
        ([0, 0, 0, 0, 6], 2, [(3, 0), (0, 6)], "four zeros take a filler, which is the fourth"),
        ([0, 0, 0, 0, 6, 7], 2, [(3, 0), (0, 6), (0, 7)], "a filler stands once, not again later"),
        ([0, 0, 0, 6], 2, [(3, 6)], "three zeros still fit in 2 bits"),
        ([0] * 9 + [4], 2, [(3, 0), (3, 0), (1, 4)], "a wide gap takes several fillers"),
        ([0] * 9 + [4], 4, [(9, 4)], "4 bits hold gaps up to 15"),
        (
            [1, 0, -2],
            2,
            [(0, 1), (1, -2)],
            "negative numbers count too, and zeros are counted anew",
        ),
        ([3, 0, 0], 2, [(0, 3)], "zeros after the last weight need no entry"),
        ([3] + [0] * 5, 2, [(0, 3)], "zeros after the last weight need no entry, and no filler"),
        ([0, 0, 0, 0, 0], 1, [], "a row without weights needs no entry"),
    ]
    for row, bits, expected, why in cases:
        answer = to_gaps(row, bits)
        if not isinstance(answer, list | tuple):
            raise WrongForm(f"return a list of pairs, not {describe(answer)}.")
        shown = [tuple(each) if isinstance(each, list) else each for each in answer]
        yield (
            shown == expected,
            f"{row} with {bits} bits gives {expected}, yours gives {describe(shown, 80)}; {why}.",
        )


@exercise("ch10.kmeans", points=2, cases=6)
def kmeans(kmeans_step):
    """kmeans_step(values, centroids) -> the centroids moved to the means of their values."""
    cases = [
        ([0.0, 1.0, 9.0, 11.0], [0.0, 10.0], [0.5, 10.0], "each becomes the mean of its values"),
        ([0.0, 4.0, 6.0, 6.0], [1.0, 5.0], [0.0, 16 / 3], "4 is nearer to 5 than to 1"),
        ([0.0, 2.0, 4.0, 10.0], [0.0, 3.0], [0.0, 16 / 3], "take one step, not many"),
        ([1.0, 2.0, 3.0], [2.0, 50.0], [2.0, 50.0], "nobody is near 50: it stays where it is"),
        ([-3.0, -1.0, 2.0], [-2.0, 0.0, 2.5], [-2.0, 0.0, 2.0], "-1 lies half way: the first"),
    ]
    for values, centroids, expected, why in cases:
        values, centroids = torch.tensor(values), torch.tensor(centroids)
        nearest = (values[:, None] - centroids).abs().argmin(1)
        own = [values[nearest == k] for k in range(len(centroids))]
        mistakes = {
            "move them: each becomes the mean of its values": centroids,
            "take the mean, not the median": torch.stack(
                [each.median() if len(each) else c for each, c in zip(own, centroids, strict=True)]
            ),
            "take the mean, not the sum": torch.stack([each.sum() for each in own]),
            "a centroid that nobody is near stays: it has no mean, and 0 is none": torch.stack(
                [each.mean() if len(each) else torch.zeros(()) for each in own]
            ),
        }
        asked = f"values {values.tolist()}, centroids {centroids.tolist()}"
        answer = kmeans_step(values, centroids)
        yield tensor_case(answer, torch.tensor(expected), asked, why, mistakes, 1e-5)


@exercise("ch10.huffman", points=3, cases=20)
def huffman(code_lengths):
    """code_lengths(counts) -> {symbol: bits of its code word}, for counts {symbol: how often}."""
    cases = [
        {"a": 4, "b": 2, "c": 1, "d": 1},
        {"a": 5, "b": 5},
        {"a": 1, "b": 1, "c": 2, "d": 3, "e": 5, "f": 8},
        {0: 7, 1: 7, 2: 7, 3: 7, 4: 7},
        {"b": 1, "a": 9, "c": 4, "d": 4},
        dict(Counter("a man a plan a canal panama")),
    ]
    for counts in cases:
        answer = code_lengths(counts)
        if not isinstance(answer, dict) or answer.keys() != counts.keys():
            raise WrongForm(f"return a dict with the keys of {counts}, not {describe(answer)}.")
        if not all(is_whole(bits) and bits >= 1 for bits in answer.values()):
            raise WrongForm(
                f"a code word has a whole number of bits, 1 or more, yours are {describe(answer)}."
            )
        bits_of = {symbol: int(bits) for symbol, bits in answer.items()}
        kraft = sum(Fraction(1, 2**bits) for bits in bits_of.values())
        yield (
            kraft <= 1,
            f"for {counts} no code can have the lengths {describe(answer)}: sum 2^-bits is"
            f" {float(kraft):.3g}, above 1.",
        )
        yield kraft >= 1, f"for {counts} some words could be shorter: sum 2^-bits is below 1."
        spent = sum(counts[symbol] * bits for symbol, bits in bits_of.items())
        best = _fewest_bits(list(counts.values()))
        yield (
            spent == best,
            f"{counts} takes {best} bits, yours takes {spent}; always join the two rarest.",
        )
    alone = code_lengths({"a": 3})
    yield alone == {"a": 1}, f"a symbol that is alone takes 1 bit, yours gives {describe(alone)}."


def _fewest_bits(counts: list[int]) -> int:
    """Bits of a Huffman-coded message: each join costs what is below it one bit more."""
    total = 0
    while len(counts) > 1:
        counts = sorted(counts)
        joined = counts[0] + counts[1]
        total += joined
        counts = [joined, *counts[2:]]
    return total


@exercise("ch10.learned", points=2, cases=8)
def learned(learned_bits):
    """learned_bits(message) -> bits that an adaptive coder spends on a list of 0 and 1."""
    cases = [
        ([1], "nothing is known yet: p = 0.5 / 1, which is 1 bit"),
        ([0, 0], "after one 0 another has p = (1 + 0.5) / (1 + 1)"),
        ([0, 1], "after one 0 a 1 has p = 0.5 / 2, which is 2 bits more"),
        ([1, 1, 0], "count the ones and the zeros before the present bit"),
        ([], "an empty message costs nothing"),
        ([0] * 50, "count only the bits before the present one"),
        ([0, 1] * 20, "count only the bits before the present one"),
    ]
    for message, why in cases:
        expected = _spent(message)
        mistakes = {
            "one bit a bit is the cost without learning": len(message),
            "count only the bits before the present one": _spent(message, early=1),
            "a logarithm of base 2 gives bits": expected * math.log(2),
            "a cost is -log2 of the probability: mind the sign": -expected,
            "each count begins at 0.5, not at 1": _spent(message, start=1.0),
        }
        shown = f"{message[:6]}{' ...' if len(message) > 6 else ''}"
        answer = learned_bits(message)
        yield number_case(answer, expected, f"bits of {shown}", why, mistakes)


def _spent(message: list[int], start: float = 0.5, early: int = 0) -> float:
    """Bits of a message; early: 1 counts a bit before it is coded, which no decoder can."""
    counts, bits = [start, start], 0.0
    for bit in message:
        counts[bit] += early
        bits -= math.log2(counts[bit] / sum(counts))
        counts[bit] += 1 - early
    return bits
