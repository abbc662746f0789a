"""Checks of chapter 10: gaps between nonzeros, a step of k-means, Huffman's code, learned bits."""

import math
from collections import Counter
from fractions import Fraction

import torch

from edu_lib.teach.checks.checker import exercise
from edu_lib.teach.checks.compare import is_close, tensor_fault


@exercise("ch10.gaps", points=2)
def gaps(to_gaps):
    """to_gaps(row, bits) -> pairs (zeros before, value); a pair (2^bits - 1, 0) fills wide gaps."""
    cases = [
        ([0, 0, 5, 7], 2, [(2, 5), (0, 7)], "a gap counts the zeros in between, not the places"),
        ([0, 0, 0, 0, 6], 2, [(3, 0), (0, 6)], "four zeros take a filler, which is the fourth"),
        ([0, 0, 0, 6], 2, [(3, 6)], "three zeros still fit in 2 bits"),
        ([0] * 9 + [4], 2, [(3, 0), (3, 0), (1, 4)], "a wide gap takes several fillers"),
        ([0] * 9 + [4], 4, [(9, 4)], "4 bits hold gaps up to 15"),
        ([3, 0, 0], 2, [(0, 3)], "zeros after the last weight need no entry"),
        ([0, 0, 0, 0, 0], 1, [], "a row without weights needs no entry"),
    ]
    for row, bits, expected, why in cases:
        answer = to_gaps(list(row), bits)
        shown = [tuple(each) for each in answer] if isinstance(answer, list | tuple) else answer
        yield (
            shown == expected,
            f"{row} with {bits} bits gives {expected}, yours gives {shown!r:.80}; {why}.",
        )


@exercise("ch10.kmeans", points=2)
def kmeans(kmeans_step):
    """kmeans_step(values, centroids) -> the centroids moved to the means of their values."""
    cases = [
        ([0.0, 1.0, 9.0, 11.0], [0.0, 10.0], [0.5, 10.0], "each becomes the mean of its values"),
        ([0.0, 4.0, 6.0, 6.0], [1.0, 5.0], [0.0, 16 / 3], "4 is nearer to 5 than to 1"),
        ([1.0, 2.0, 3.0], [2.0, 50.0], [2.0, 50.0], "nobody is near 50: it stays where it is"),
        ([-3.0, -1.0, 2.0], [-2.0, 0.0, 2.5], [-2.0, 0.0, 2.0], "-1 lies half way: the first"),
    ]
    for values, centroids, expected, why in cases:
        before = torch.tensor(centroids)
        answer = kmeans_step(torch.tensor(values), before)
        fault = tensor_fault(answer, torch.tensor(expected), 1e-5)
        yield not fault, f"values {values}, centroids {centroids}: {fault}; {why}."
        if fault:
            return
        yield (
            before.tolist() == centroids,
            "the centroids you got were changed: make new ones.",
        )


@exercise("ch10.huffman", points=3)
def huffman(code_lengths):
    """code_lengths(counts) -> {symbol: bits of its code word}, for counts {symbol: how often}."""
    cases = [
        {"a": 4, "b": 2, "c": 1, "d": 1},
        {"a": 5, "b": 5},
        {"a": 1, "b": 1, "c": 2, "d": 3, "e": 5, "f": 8},
        {0: 7, 1: 7, 2: 7, 3: 7, 4: 7},
        Counter("a man a plan a canal panama"),
    ]
    for counts in cases:
        answer = code_lengths(dict(counts))
        if not isinstance(answer, dict) or answer.keys() != counts.keys():
            yield (
                False,
                f"return a dict with the keys of {dict(counts)}, yours is {answer!r:.60}.",
            )
            return
        whole = all(isinstance(bits, int) and bits >= 1 for bits in answer.values())
        yield whole, f"a code word has a whole number of bits, 1 or more, yours are {answer!r:.60}."
        if not whole:
            return
        kraft = sum(Fraction(1, 2**bits) for bits in answer.values())
        yield (
            kraft <= 1,
            f"for {dict(counts)} no code can have the lengths {answer!r:.60}: sum 2^-bits is "
            f"{float(kraft):.3g}, above 1.",
        )
        spent = sum(counts[symbol] * bits for symbol, bits in answer.items())
        best = _fewest_bits(list(counts.values()))
        yield (
            spent == best,
            f"{dict(counts)} takes {best} bits, yours takes {spent}; always join the two rarest.",
        )
    alone = code_lengths({"a": 3})
    yield alone == {"a": 1}, f"a symbol that is alone takes 1 bit, yours gives {alone!r:.40}."


def _fewest_bits(counts: list[int]) -> int:
    """Bits of a Huffman-coded message: each join costs what is below it one bit more."""
    total = 0
    while len(counts) > 1:
        counts = sorted(counts)
        joined = counts[0] + counts[1]
        total += joined
        counts = [joined, *counts[2:]]
    return total


@exercise("ch10.learned", points=2)
def learned(learned_bits):
    """learned_bits(message) -> bits that an adaptive coder spends on a list of 0 and 1."""
    cases = [
        ([1], 1.0, "nothing is known yet: p = 0.5 / 1, which is 1 bit"),
        ([0, 0], 1 - math.log2(0.75), "after one 0 another has p = (1 + 0.5) / (1 + 1)"),
        ([0, 1], 3.0, "after one 0 a 1 has p = 0.5 / 2, which is 2 bits more"),
        ([], 0.0, "an empty message costs nothing"),
        ([0] * 50, _spent([0] * 50), "count only the bits before the present one"),
        ([0, 1] * 20, _spent([0, 1] * 20), "count only the bits before the present one"),
    ]
    for message, expected, why in cases:
        answer = learned_bits(list(message))
        yield (
            is_close(answer, expected, 1e-6),
            f"{message[:6]}{' ...' if len(message) > 6 else ''} costs {expected:.4f} bits, yours "
            f"gives {answer!r:.40}; {why}.",
        )


def _spent(message: list[int]) -> float:
    """By the closed form: all orders of a message cost the same, through gamma functions."""
    ones, total = sum(message), len(message)
    gamma = math.lgamma
    chance = gamma(ones + 0.5) + gamma(total - ones + 0.5) - 2 * gamma(0.5) - gamma(total + 1)
    return -chance / math.log(2)
