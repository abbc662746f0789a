"""Checks of chapter 08: masks, removed channels, sparse rows, and widths that hardware likes."""

import math

import torch
import torch.nn.functional as F

from classroom.checks.checker import exercise
from classroom.checks.compare import (
    WrongForm,
    describe,
    number_case,
    parts,
    tensor_case,
    tensor_fault,
)


@exercise("ch08.mask", points=2, cases=9)
def mask(magnitude_mask):
    """magnitude_mask(weight, sparsity) -> bool tensor of weight's shape, True where it stays."""
    weight = torch.tensor([[0.5, -3.0, 0.1], [-0.2, 2.0, -0.9]])
    answer = magnitude_mask(weight, 0.5)
    shape, kind = getattr(answer, "shape", None), getattr(answer, "dtype", type(answer).__name__)
    if not isinstance(answer, torch.Tensor) or shape != weight.shape:
        shown = "" if shape is None else f" of shape {list(shape)}"
        raise WrongForm(f"return a bool tensor of shape [2, 3], yours is {kind}{shown}.")
    yield kind == torch.bool, f"return a bool tensor, True where a weight stays, not {kind}."
    expected = torch.tensor([[False, True, False], [False, True, True]])
    mistakes = {
        "True is where a weight stays, not where it goes": ~expected,
        "the smallest go, not the largest": torch.tensor(
            [[True, False, True], [True, False, False]]
        ),
        "-3 and -0.9 are large, so compare |w|": torch.tensor(
            [[True, False, True], [False, True, False]]
        ),
    }
    asked = "half of [0.5, -3, 0.1; -0.2, 2, -0.9]"
    why = f"{expected.tolist()} stay, yours keeps {answer.tolist()}; compare |w|"
    yield tensor_case(answer, expected, asked, why, mistakes)
    for sparsity, kept in ((0.0, 20), (0.9, 2), (0.25, 15), (0.38, 12)):
        weights = torch.linspace(-1, 1.1, 20).reshape(4, 5)
        yield _count_kept(magnitude_mask(weights, sparsity), 20, sparsity, kept)
    equal = torch.as_tensor(magnitude_mask(torch.ones(10), 0.3))
    yield (
        int(equal.sum()) == 7,
        f"of ten equal weights 7 stay at sparsity 0.3, yours keeps {int(equal.sum())}; count"
        " weights, do not compare with a threshold alone.",
    )
    generator = torch.Generator().manual_seed(8)
    weight = torch.randn(4, 3, 3, 3, generator=generator)
    largest = weight.abs() > weight.abs().flatten().kthvalue(54).values
    asked = "half of a weight of shape [4, 3, 3, 3]"
    answer = magnitude_mask(weight, 0.5)
    yield tensor_case(answer, largest, asked, "the 54 with the largest |w| stay")


def _count_kept(answer, size, sparsity, kept):
    count = int(torch.as_tensor(answer).sum())
    why = "sparsity is the share that goes; round sparsity * size, do not cut it"
    if count == size - kept:
        why = "sparsity is the share that goes, not that stays"
    return (
        count == kept,
        f"of {size} weights {kept} stay at sparsity {sparsity:g}, yours keeps \
{count}; {why}.",
    )


@exercise("ch08.remove", points=3, cases=13)
def remove(remove_channel):
    """remove_channel(weight1, bias1, weight2, channel) -> the three tensors without the channel."""
    generator = torch.Generator().manual_seed(8)
    weight1 = torch.randn(4, 3, 3, 3, generator=generator)
    bias1 = torch.randn(4, generator=generator)
    weight2 = torch.randn(4, 4, 3, 3, generator=generator)
    X = torch.randn(2, 3, 6, 6, generator=generator)
    for channel in (2, 0, 3):
        answer = remove_channel(weight1, bias1, weight2, channel)
        given = parts(answer, "weight1", "bias1", "weight2")
        stay = [i for i in range(4) if i != channel]
        expected = (weight1[stay], bias1[stay], weight2[:, stay])
        mistakes = (
            {"remove the channel's row, do not set it to 0": _zeroed(weight1, channel, 0)},
            {
                "the channel's bias goes with it": bias1,
                "remove the channel's bias, do not set it to 0": _zeroed(bias1, channel, 0),
            },
            {
                "what read the channel goes too: its column in weight2": weight2,
                "the channel is a column of weight2, not a row": weight2[stay],
                "remove the channel's column, do not set it to 0": _zeroed(weight2, channel, 1),
            },
        )
        names = ("weight1", "bias1", "weight2")
        for name, got, wanted, known in zip(names, given, expected, mistakes, strict=True):
            why = f"all of {name} but channel {channel} stays, in its order"
            asked = f"{name} without channel {channel}"
            yield tensor_case(got, wanted, asked, why, known, tolerance=0)
            if tensor_fault(got, wanted, 0):
                return
        small = F.conv2d(F.relu(F.conv2d(X, given[0], given[1])), given[2])
        quiet = (_zeroed(weight1, channel, 0), _zeroed(bias1, channel, 0))
        whole = F.conv2d(F.relu(F.conv2d(X, *quiet)), weight2)
        fault = tensor_fault(small, whole)
        yield not fault, f"the outputs must be those of the zeroed network: {fault}."


def _zeroed(tensor, index, dim):
    return tensor.index_fill(dim, torch.tensor([index]), 0)


@exercise("ch08.csr", points=3, cases=13)
def csr(to_csr):
    """to_csr(matrix) -> (values, columns, row_starts) of a matrix [rows, columns], as lists."""
    cases = [
        ([[0, 7, 0], [1, 0, 2]], [7, 1, 2], [1, 0, 2], [0, 1, 3]),
        ([[0, 0], [0, 0], [5, 0]], [5], [0], [0, 0, 0, 1]),
        ([[0, 0, 0]], [], [], [0, 0]),
        ([[-4, 3]], [-4, 3], [0, 1], [0, 2]),
    ]
    for matrix, *expected in cases:
        tensor = torch.tensor(matrix, dtype=torch.float32)
        names = ("values", "columns", "row_starts")
        given = parts(to_csr(tensor), *names)
        hints = (
            "they are the numbers that are not 0, row after row, negative ones too",
            "a column counts from 0 within its own row",
            "row i ends where row i + 1 starts; there is one entry more than rows, the end",
        )
        for name, got, wanted, hint in zip(names, given, expected, hints, strict=True):
            shown = _as_list(got)
            text = f"{matrix}: {name} are {wanted}, yours are {describe(shown)}; {hint}."
            yield isinstance(shown, list) and shown == wanted, text


def _as_list(answer: object) -> object:
    """Lists, tuples, arrays and tensors of numbers as a list; anything else as it is."""
    if hasattr(answer, "tolist"):
        return answer.tolist()
    if isinstance(answer, tuple | list):
        return [each.item() if hasattr(each, "item") else each for each in answer]
    return answer


@exercise("ch08.width", points=2, cases=8)
def width(rounded_width):
    """rounded_width(channels, share, multiple_of) -> how many channels stay."""
    cases = [
        ((64, 0.5, 16), 32, "half of 64 is 32, which is a multiple already"),
        ((64, 0.4, 16), 32, "40 % are 25.6 channels; the next multiple of 16 is 32"),
        ((64, 0.3, 16), 32, "30 % are 19.2 channels; the next multiple of 16 above is 32"),
        ((64, 0.1, 16), 16, "one multiple at least must stay"),
        ((64, 0.0, 16), 16, "a layer of no channels ends the network: one multiple stays"),
        ((20, 0.9, 16), 20, "18 channels round up to 32, but there are only 20"),
        ((10, 0.1, 16), 10, "one multiple of 16 is more than the 10 there are"),
        ((64, 0.3, 1), 20, "19.2 channels round up to 20"),
    ]
    for arguments, expected, why in cases:
        channels, share, multiple = arguments
        wanted = channels * share
        mistakes = {
            "never more than there are": multiple * max(1, math.ceil(wanted / multiple)),
            "one multiple at least must stay": 0,
            "share is what stays, not what goes": multiple
            * math.ceil(channels * (1 - share) / multiple),
            "take the next multiple at or above, not the nearest below": multiple
            * int(wanted // multiple),
            "what stays is a multiple of multiple_of": math.ceil(wanted),
            "what stays is a multiple of multiple_of (at or above)": int(wanted),
        }
        asked = "{} channels, share {:g}, multiples of {}".format(*arguments)
        yield number_case(rounded_width(*arguments), expected, asked, why, mistakes)
