"""Right and wrong answers to the exercises of chapter 08, with what the hint must say."""

import math

import torch

from edu_lib.teach.checks import ch08

assert ch08  # importing it registers the exercises


def magnitude_mask(weight, sparsity):
    mask = torch.ones(weight.numel(), dtype=torch.bool)
    lowest = weight.abs().flatten().argsort()[: round(sparsity * weight.numel())]
    mask[lowest] = False
    return mask.reshape(weight.shape)


def by_threshold(weight, sparsity):
    num_pruned = round(sparsity * weight.numel())
    if num_pruned == 0:
        return torch.ones_like(weight, dtype=torch.bool)
    return weight.abs() > weight.abs().flatten().sort().values[num_pruned - 1]


def remove_channel(weight1, bias1, weight2, channel):
    stay = [i for i in range(len(weight1)) if i != channel]
    return weight1[stay], bias1[stay], weight2[:, stay]


def zero_channel(weight1, bias1, weight2, channel):
    weight1[channel], bias1[channel] = 0, 0
    return weight1, bias1, weight2


def forget_the_reader(weight1, bias1, weight2, channel):
    weight1, bias1, _ = remove_channel(weight1, bias1, weight2, channel)
    return weight1, bias1, weight2


def in_place(weight1, bias1, weight2, channel):
    smaller = [each.clone() for each in remove_channel(weight1, bias1, weight2, channel)]
    weight1[channel] = 0
    return smaller


def to_csr(matrix):
    values, columns, row_starts = [], [], [0]
    for row in matrix.tolist():
        for column, value in enumerate(row):
            if value != 0:
                values.append(value)
                columns.append(column)
        row_starts.append(len(values))
    return values, columns, row_starts


def without_the_end(matrix):
    values, columns, row_starts = to_csr(matrix)
    return values, columns, row_starts[:-1]


def flat_positions(matrix):
    values, _, row_starts = to_csr(matrix)
    return values, matrix.flatten().nonzero()[:, 0], row_starts


def rounded_width(channels, share, multiple_of):
    wanted = multiple_of * max(1, math.ceil(channels * share / multiple_of))
    return min(channels, wanted)


RIGHT = {
    "ch08.mask": magnitude_mask,
    "ch08.remove": remove_channel,
    "ch08.csr": to_csr,
    "ch08.width": rounded_width,
}
WRONG = [
    ("ch08.mask", lambda w, s: magnitude_mask(w.clamp(min=0), s), r"compare \|w\|"),
    ("ch08.mask", lambda w, s: ~magnitude_mask(w, s), "yours keeps"),
    ("ch08.mask", lambda w, s: magnitude_mask(w, s).float(), "a bool tensor"),
    ("ch08.mask", by_threshold, "of ten equal weights"),
    ("ch08.remove", zero_channel, "weight1: the result has shape"),
    ("ch08.remove", forget_the_reader, "weight2: the result has shape"),
    ("ch08.remove", in_place, "were changed"),
    ("ch08.csr", without_the_end, "row i ends where"),
    ("ch08.csr", flat_positions, "columns are"),
    ("ch08.width", lambda c, s, m: m * max(1, round(c * s / m)), "only 20"),
    ("ch08.width", lambda c, s, m: min(c, m * math.ceil(c * s / m)), "one multiple"),
    ("ch08.width", lambda c, s, m: max(1, int(c * s)), "next multiple"),
]
