"""Answers to the exercises of chapter 10: right ones, and wrong ones with what the hint says."""

import heapq
import math
import statistics

import numpy as np
import torch
import torch.nn.functional as F


def gaps_walk(row, bits):
    pairs, zeros = ([], 0)
    for value in row:
        if value == 0 and zeros < 2**bits - 1:
            zeros += 1
        else:
            pairs.append((zeros, value))
            zeros = 0
    while pairs and pairs[-1][1] == 0:
        pairs.pop()
    return pairs


def gaps_divmod(row, bits):
    pairs, last = ([], -1)
    for place, value in enumerate(row):
        if value:
            fillers, rest = divmod(place - last - 1, 2**bits)
            pairs += [(2**bits - 1, 0)] * fillers + [(rest, value)]
            last = place
    return pairs


def gaps_lists(row, bits):
    return [list(pair) for pair in gaps_divmod(row, bits)]


def gaps_filler_again(row, bits):
    pairs, waiting, zeros = [], [], 0
    for value in row:
        if value == 0 and zeros < 2**bits - 1:
            zeros += 1
            continue
        if value == 0:
            waiting.append((zeros, 0))
        else:
            pairs += [*waiting, (zeros, value)]
        zeros = 0
    return pairs


def gaps_plain(row, bits):
    places = [i for i, value in enumerate(row) if value]
    return [(i - j - 1, row[i]) for i, j in zip(places, [-1, *places[:-1]], strict=True)]


def gaps_trailing(row, bits):
    pairs, zeros = ([], 0)
    for value in row:
        if value == 0 and zeros < 2**bits - 1:
            zeros += 1
        else:
            pairs.append((zeros, value))
            zeros = 0
    return pairs


def gaps_short_filler(row, bits):
    pairs, zeros = ([], 0)
    for value in row:
        if value:
            pairs.append((zeros, value))
            zeros = 0
        else:
            zeros += 1
            if zeros == 2**bits - 1:
                pairs.append((zeros, 0))
                zeros = 0
    return pairs


def gaps_positive(row, bits):
    return gaps_divmod([max(0, value) for value in row], bits)


def step(values, centroids):
    nearest = (values[:, None] - centroids).abs().argmin(1)
    moved = centroids.clone()
    for k in range(len(centroids)):
        if (nearest == k).any():
            moved[k] = values[nearest == k].mean()
    return moved


def step_one_hot(values, centroids):
    own = F.one_hot((values[:, None] - centroids).abs().argmin(1), len(centroids)).float()
    size = own.sum(0)
    return torch.where(size > 0, own.T @ values / size.clamp(min=1), centroids)


def step_lists(values, centroids):
    groups = [[] for _ in centroids]
    for value in values.tolist():
        distances = [abs(value - c) for c in centroids.tolist()]
        groups[distances.index(min(distances))].append(value)
    pairs = zip(groups, centroids.tolist(), strict=True)
    return torch.tensor([statistics.mean(group) if group else c for group, c in pairs])


def step_empty_nan(values, centroids):
    nearest = (values[:, None] - centroids).abs().argmin(1)
    return torch.stack([values[nearest == k].mean() for k in range(len(centroids))])


def step_empty_zero(values, centroids):
    return step_empty_nan(values, centroids).nan_to_num()


def step_many(values, centroids):
    for _ in range(20):
        centroids = step(values, centroids)
    return centroids


def step_ties_last(values, centroids):
    return step(values, centroids.flip(0)).flip(0)


def step_median(values, centroids):
    nearest = (values[:, None] - centroids).abs().argmin(1)
    own = [values[nearest == k] for k in range(len(centroids))]
    return torch.stack([o.median() if len(o) else c for o, c in zip(own, centroids, strict=True)])


def huffman_heap(counts):
    heap = [(n, i, [s]) for i, (s, n) in enumerate(counts.items())]
    heapq.heapify(heap)
    bits = dict.fromkeys(counts, 1 if len(counts) == 1 else 0)
    for order in range(len(counts), 2 * len(counts) - 1):
        (a, _, left), (b, _, right) = (heapq.heappop(heap), heapq.heappop(heap))
        for s in left + right:
            bits[s] += 1
        heapq.heappush(heap, (a + b, order, left + right))
    return bits


def huffman_sorted(counts):
    if len(counts) == 1:
        return dict.fromkeys(counts, 1)
    groups = [(n, {s: 0}) for s, n in counts.items()]
    while len(groups) > 1:
        groups.sort(key=lambda group: group[0])
        (a, left), (b, right) = groups[:2]
        joined = {s: n + 1 for s, n in (left | right).items()}
        groups = [(a + b, joined), *groups[2:]]
    return groups[0][1]


def huffman_numpy(counts):
    return {s: np.int64(n) for s, n in huffman_heap(counts).items()}


def huffman_fixed(counts):
    return dict.fromkeys(counts, max(1, math.ceil(math.log2(len(counts)))))


def huffman_shannon(counts):
    total = sum(counts.values())
    return {s: max(1, math.ceil(math.log2(total / n))) for s, n in counts.items()}


def huffman_rank(counts):
    ordered = sorted(counts, key=counts.get, reverse=True)
    return {s: min(i + 1, max(1, len(counts) - 1)) for i, s in enumerate(ordered)}


def huffman_entropy(counts):
    total = sum(counts.values())
    return {s: -math.log2(n / total) for s, n in counts.items()}


def huffman_alone_zero(counts):
    return dict.fromkeys(counts, 0) if len(counts) == 1 else huffman_heap(counts)


def learn(message, start=0.5, early=0, base=2):
    counts, bits = ([start, start], 0.0)
    for bit in message:
        counts[bit] += early
        bits -= math.log(counts[bit] / sum(counts), base)
        counts[bit] += 1 - early
    return bits


def learn_slices(message):
    bits = 0.0
    for i, bit in enumerate(message):
        p = (sum(message[:i]) + 0.5) / (i + 1)
        bits -= math.log2(p if bit else 1 - p)
    return bits


def learn_torch(message):
    ones = torch.tensor([0, *message], dtype=torch.float64).cumsum(0)[:-1]
    p = (ones + 0.5) / (torch.arange(len(message)) + 1)
    chosen = torch.where(torch.tensor(message, dtype=torch.bool), p, 1 - p)
    return -chosen.log2().sum()


def learn_static(message):
    p = sum(message) / max(1, len(message))
    return sum(-math.log2(p if bit else 1 - p) for bit in message if 0 < p < 1)


RIGHT = [
    ("ch10.gaps", "walk", gaps_walk),
    ("ch10.gaps", "divmod", gaps_divmod),
    ("ch10.gaps", "lists", gaps_lists),
    ("ch10.kmeans", "loop", step),
    ("ch10.kmeans", "one-hot", step_one_hot),
    ("ch10.kmeans", "lists", step_lists),
    ("ch10.huffman", "heap", huffman_heap),
    ("ch10.huffman", "sorted groups", huffman_sorted),
    ("ch10.huffman", "NumPy integers", huffman_numpy),
    ("ch10.learned", "counts", learn),
    ("ch10.learned", "slices", learn_slices),
    ("ch10.learned", "tensors", learn_torch),
]
WRONG = [
    ("ch10.gaps", "no fillers", gaps_plain, "four zeros take a filler, which is the fourth"),
    (
        "ch10.gaps",
        "places",
        lambda row, bits: [(zeros + 1, value) for zeros, value in gaps_walk(row, bits)],
        "a pair is (zeros in between, value), and counts no places",
    ),
    (
        "ch10.gaps",
        "fillers at the end",
        gaps_trailing,
        "zeros after the last weight need no entry, and no filler",
    ),
    (
        "ch10.gaps",
        "filler too early",
        gaps_short_filler,
        "four zeros take a filler, which is the fourth",
    ),
    (
        "ch10.gaps",
        "positive only",
        gaps_positive,
        "negative numbers count too, and zeros are counted anew",
    ),
    (
        "ch10.gaps",
        "bits as the largest gap",
        lambda row, bits: gaps_walk(row, max(1, int(math.log2(bits)))),
        "a pair is (zeros in between, value), and counts no places",
    ),
    (
        "ch10.gaps",
        "order swapped",
        lambda row, bits: [(value, zeros) for zeros, value in gaps_walk(row, bits)],
        "a pair is (zeros in between, value), and counts no places",
    ),
    (
        "ch10.gaps",
        "fillers written again",
        gaps_filler_again,
        "a filler stands once, not again later",
    ),
    ("ch10.gaps", "a dict", lambda row, bits: dict(gaps_walk(row, bits)), "return a list of pairs"),
    ("ch10.kmeans", "empty is NaN", step_empty_nan, "nobody is near 50: it stays where it is"),
    (
        "ch10.kmeans",
        "empty is 0",
        step_empty_zero,
        "a centroid that nobody is near stays: it has no mean, and 0 is none",
    ),
    ("ch10.kmeans", "many steps", step_many, "take one step, not many"),
    ("ch10.kmeans", "not moved", lambda v, c: c, "move them: each becomes the mean of its values"),
    ("ch10.kmeans", "ties to the last", step_ties_last, "-1 lies half way: the first"),
    ("ch10.kmeans", "median", step_median, "take the mean, not the median"),
    (
        "ch10.kmeans",
        "nearest centroids",
        lambda v, c: (v[:, None] - c).abs().argmin(1),
        "each becomes the mean of its values",
    ),
    ("ch10.kmeans", "in place", lambda v, c: c.copy_(step(v, c)), "changes its argument"),
    ("ch10.huffman", "fixed length", huffman_fixed, "always join the two rarest"),
    (
        "ch10.huffman",
        "Shannon's lengths",
        huffman_shannon,
        "for {'a': 1, 'b': 1, 'c': 2, 'd': 3, 'e': 5, 'f': 8} some words could be shorter",
    ),
    ("ch10.huffman", "by rank", huffman_rank, "always join the two rarest"),
    (
        "ch10.huffman",
        "one bit each",
        lambda counts: dict.fromkeys(counts, 1),
        "for {'a': 4, 'b': 2, 'c': 1, 'd': 1} no code can have the lengths {'a': 1, 'b': ",
    ),
    (
        "ch10.huffman",
        "entropy, not whole",
        huffman_entropy,
        "a code word has a whole number of bits, 1 or more, yours are {'a': 1.0, 'b': 2.0",
    ),
    (
        "ch10.huffman",
        "nothing for a symbol alone",
        huffman_alone_zero,
        "a symbol that is alone takes 1 bit, yours gives {'a': 0}",
    ),
    (
        "ch10.huffman",
        "a list",
        lambda counts: list(huffman_heap(counts).values()),
        "return a dict with the keys of {'a': 4, 'b': 2, 'c': 1, 'd': 1}",
    ),
    (
        "ch10.huffman",
        "empties the counts",
        lambda counts: (huffman_heap(dict(counts)), counts.clear())[0],
        "changes its argument",
    ),
    (
        "ch10.learned",
        "one bit each",
        lambda message: float(len(message)),
        "one bit a bit is the cost without learning",
    ),
    (
        "ch10.learned",
        "known before",
        learn_static,
        "nothing is known yet: p = 0.5 / 1, which is 1 bit",
    ),
    (
        "ch10.learned",
        "counted too early",
        lambda message: learn(message, early=1),
        "count only the bits before the present one",
    ),
    (
        "ch10.learned",
        "nats",
        lambda message: learn(message, base=math.e),
        "a logarithm of base 2 gives bits",
    ),
    (
        "ch10.learned",
        "starts at one",
        lambda message: learn(message, start=1.0),
        "each count begins at 0.5, not at 1",
    ),
    (
        "ch10.learned",
        "negative",
        lambda message: -learn(message),
        "a cost is -log2 of the probability: mind the sign",
    ),
    ("ch10.learned", "rounded", lambda message: round(learn(message), 2), "do not round"),
]
