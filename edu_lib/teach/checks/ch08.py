"""Checks of chapter 08: masks, removed channels, sparse rows, and widths that hardware likes."""

import torch
import torch.nn.functional as F

from edu_lib.teach.checks.checker import exercise
from edu_lib.teach.checks.compare import tensor_fault


@exercise("ch08.mask", points=2)
def mask(magnitude_mask):
    """magnitude_mask(weight, sparsity) -> bool tensor of weight's shape, True where it stays."""
    weight = torch.tensor([[0.5, -3.0, 0.1], [-0.2, 2.0, -0.9]])
    answer = magnitude_mask(weight.clone(), 0.5)
    shape, kind = getattr(answer, "shape", None), getattr(answer, "dtype", type(answer).__name__)
    yield (
        shape == weight.shape and kind == torch.bool,
        f"return a bool tensor of shape [2, 3], yours is {kind} of shape {shape}.",
    )
    if shape != weight.shape:
        return
    expected = torch.tensor([[False, True, False], [False, True, True]])
    yield (
        torch.equal(answer.bool(), expected),
        f"half of [0.5, -3, 0.1; -0.2, 2, -0.9] goes: {expected.tolist()} stays, yours keeps "
        f"{answer.tolist()}; -3 and -0.9 are large, so compare |w|.",
    )
    for sparsity, kept in ((0.0, 20), (0.9, 2), (0.25, 15)):
        answer = magnitude_mask(torch.linspace(-1, 1.1, 20).reshape(4, 5), sparsity)
        count = int(torch.as_tensor(answer).sum())
        yield (
            count == kept,
            f"of 20 weights {kept} stay at sparsity {sparsity:g}, yours keeps {count}.",
        )
    equal = int(torch.as_tensor(magnitude_mask(torch.ones(10), 0.3)).sum())
    yield (
        equal == 7,
        f"of ten equal weights 7 stay at sparsity 0.3, yours keeps {equal}; count weights, "
        "do not compare with a threshold alone.",
    )


@exercise("ch08.remove", points=3)
def remove(remove_channel):
    """remove_channel(weight1, bias1, weight2, channel) -> the three tensors without the channel."""
    generator = torch.Generator().manual_seed(8)
    weight1 = torch.randn(4, 3, 3, 3, generator=generator)
    bias1 = torch.randn(4, generator=generator)
    weight2 = torch.randn(5, 4, 3, 3, generator=generator)
    X = torch.randn(2, 3, 6, 6, generator=generator)
    names = ("weight1", "bias1", "weight2")
    for channel in (2, 0, 3):
        before = [each.clone() for each in (weight1, bias1, weight2)]
        answer = remove_channel(*before, channel)
        if not isinstance(answer, tuple | list) or len(answer) != 3:
            yield False, "return three tensors: weight1, bias1 and weight2."
            return
        stay = [i for i in range(4) if i != channel]
        expected = (weight1[stay], bias1[stay], weight2[:, stay])
        for name, got, wanted in zip(names, answer, expected, strict=True):
            fault = tensor_fault(got, wanted, 0.0)
            yield not fault, f"without channel {channel}: {name}: {fault}."
            if fault:
                return
        small = F.conv2d(F.relu(F.conv2d(X, answer[0], answer[1])), answer[2])
        zeroed = [each.clone() for each in (weight1, bias1, weight2)]
        zeroed[0][channel], zeroed[1][channel] = 0, 0
        whole = F.conv2d(F.relu(F.conv2d(X, zeroed[0], zeroed[1])), zeroed[2])
        fault = tensor_fault(small, whole)
        yield not fault, f"the outputs must be those of the zeroed network: {fault}."
        same = all(map(torch.equal, before, (weight1, bias1, weight2)))
        yield same, "the tensors that came in were changed: return new ones."


@exercise("ch08.csr", points=3)
def csr(to_csr):
    """to_csr(matrix) -> (values, columns, row_starts) of a matrix [rows, columns], as lists."""
    cases = [
        ([[0, 7, 0], [1, 0, 2]], [7, 1, 2], [1, 0, 2], [0, 1, 3]),
        ([[0, 0], [0, 0], [5, 0]], [5], [0], [0, 0, 0, 1]),
        ([[0, 0, 0]], [], [], [0, 0]),
        ([[-4, 3]], [-4, 3], [0, 1], [0, 2]),
    ]
    for matrix, *expected in cases:
        answer = to_csr(torch.tensor(matrix, dtype=torch.float32))
        if not isinstance(answer, tuple | list) or len(answer) != 3:
            yield False, "return three lists: values, columns and row_starts."
            return
        for name, got, wanted in zip(
            ("values", "columns", "row_starts"), answer, expected, strict=True
        ):
            shown = _as_list(got)
            yield (
                shown == wanted,
                f"{matrix}: {name} are {wanted}, yours are {shown!r:.60}"
                + ("; row i ends where row i + 1 starts." if name == "row_starts" else "."),
            )


def _as_list(answer: object) -> object:
    """Lists, tuples and tensors of numbers as a list; anything else as it is."""
    if isinstance(answer, torch.Tensor):
        return answer.tolist()
    if isinstance(answer, tuple | list):
        return [each.item() if isinstance(each, torch.Tensor) else each for each in answer]
    return answer


@exercise("ch08.width", points=2)
def width(rounded_width):
    """rounded_width(channels, share, multiple_of) -> how many channels stay."""
    cases = [
        ((64, 0.5, 16), 32, "half of 64 is 32, which is a multiple already"),
        ((64, 0.4, 16), 32, "40 % are 25.6 channels; the next multiple of 16 is 32"),
        ((64, 0.1, 16), 16, "one multiple at least must stay"),
        ((64, 0.0, 16), 16, "a layer of no channels ends the network: one multiple stays"),
        ((20, 0.9, 16), 20, "18 channels round up to 32, but there are only 20"),
        ((64, 0.3, 1), 20, "19.2 channels round up to 20"),
    ]
    for arguments, expected, why in cases:
        answer = rounded_width(*arguments)
        shown = "{} channels, share {:g}, multiples of {}".format(*arguments)
        yield answer == expected, f"{shown}: {expected} stay, yours gives {answer!r:.40}; {why}."
