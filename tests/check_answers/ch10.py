"""Right and wrong answers to the exercises of chapter 10, with what the hint must say."""

import math

import torch

from edu_lib.teach.checks import ch10
from edu_lib.techniques.entropy_coding import code_lengths as of_the_kit

assert ch10  # importing it registers the exercises


def to_gaps(row, bits):
    pairs, zeros = [], 0
    for value in row:
        if value == 0 and zeros < 2**bits - 1:
            zeros += 1
        elif value == 0:
            pairs.append((zeros, 0))
            zeros = 0
        else:
            pairs.append((zeros, value))
            zeros = 0
    while pairs and pairs[-1][1] == 0:
        pairs.pop()
    return pairs


def without_fillers(row, bits):
    places = [i for i, value in enumerate(row) if value]
    before = [-1, *places[:-1]]
    return [(i - j - 1, row[i]) for i, j in zip(places, before, strict=False)]


def with_places(row, bits):
    return [(zeros + 1, value) for zeros, value in to_gaps(row, bits)]


def kmeans_step(values, centroids):
    nearest = (values[:, None] - centroids).abs().argmin(1)
    own = [values[nearest == k] for k in range(len(centroids))]
    return torch.stack([o.mean() if len(o) else c for o, c in zip(own, centroids, strict=True)])


def empty_is_nan(values, centroids):
    nearest = (values[:, None] - centroids).abs().argmin(1)
    return torch.stack([values[nearest == k].mean() for k in range(len(centroids))])


def in_place(values, centroids):
    centroids.copy_(kmeans_step(values, centroids))
    return centroids


def code_lengths(counts):
    lengths = of_the_kit(list(counts.values()))
    return dict(zip(counts, lengths, strict=True))


def fixed_lengths(counts):
    return dict.fromkeys(counts, max(1, math.ceil(math.log2(len(counts)))))


def shannon_lengths(counts):
    total = sum(counts.values())
    return {s: max(1, math.ceil(math.log2(total / n))) for s, n in counts.items()}


def by_rank(counts):
    ordered = sorted(counts, key=counts.get, reverse=True)
    return {symbol: i + 1 for i, symbol in enumerate(ordered)}


def learned_bits(message):
    counts, bits = [0, 0], 0.0
    for bit in message:
        bits -= math.log2((counts[bit] + 0.5) / (sum(counts) + 1))
        counts[bit] += 1
    return bits


def known_before(message):
    p = sum(message) / max(1, len(message))
    return sum(-math.log2(p if bit else 1 - p) for bit in message)


def counted_too_early(message):
    counts, bits = [0, 0], 0.0
    for bit in message:
        counts[bit] += 1
        bits -= math.log2((counts[bit] + 0.5) / (sum(counts) + 1))
    return bits


RIGHT = {
    "ch10.gaps": to_gaps,
    "ch10.kmeans": kmeans_step,
    "ch10.huffman": code_lengths,
    "ch10.learned": learned_bits,
}
WRONG = [
    ("ch10.gaps", without_fillers, "take a filler"),
    ("ch10.gaps", with_places, "counts the zeros in between"),
    ("ch10.gaps", lambda row, bits: [*to_gaps(row, bits), (0, 0)], "yours gives"),
    ("ch10.kmeans", empty_is_nan, "nobody is near 50"),
    ("ch10.kmeans", in_place, "make new ones"),
    ("ch10.kmeans", lambda v, c: c, "the mean of its values"),
    ("ch10.huffman", fixed_lengths, "takes 14 bits, yours takes 16"),
    ("ch10.huffman", shannon_lengths, "always join the two rarest"),
    ("ch10.huffman", by_rank, "always join the two rarest|above 1"),
    ("ch10.huffman", lambda counts: dict.fromkeys(counts, 1), "above 1"),
    ("ch10.learned", lambda message: float(len(message)), r"p = \(1 \+ 0.5\)"),
    ("ch10.learned", known_before, "nothing is known yet|raised"),
    ("ch10.learned", counted_too_early, "nothing is known yet"),
]
