"""A weight tensor of small whole numbers, most of them 0, in as few bits as we know how.

What is told of a tensor, in this order: which output rows and which input channels hold anything
at all; then for each place of those, whether its level is 0, its sign, and its size in steps of
one. Each of these bits is predicted from levels coded before it, its neighbours in the kernel
and in the matrix, by a mixture of contexts. Taught in chapter 10.
"""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from edu_lib.techniques.entropy_coding.adaptive import (
    AdaptiveBit,
    AdaptiveNumber,
    Coder,
    Mixture,
)
from edu_lib.techniques.entropy_coding.range_coder import BitCounter

STEPS = 14  # sizes up to here are told one step at a time, the rest as a number


class LevelModel:
    """What has been learned about levels: of one matrix, or of several vectors."""

    def __init__(self) -> None:
        self.nonzero, self.sign, self.larger = Mixture(7), Mixture(4), Mixture(4)
        self.rest = AdaptiveNumber(17)
        self.alive: defaultdict[str, AdaptiveBit] = defaultdict(AdaptiveBit)


def code_levels(
    coder: Coder,
    shape: Sequence[int],
    levels: Tensor | None = None,
    model: LevelModel | None = None,
) -> Tensor:
    """Code whole numbers of any shape, |level| up to 100,000; returns them as int32.

    coder: a RangeEncoder (or BitCounter), given the levels, or a RangeDecoder, given None.
    Dimension 0 is taken for output channels, dimension 1 for input channels, the rest for a kernel.
    model: what was learned from tensors before, by default nothing.
    Raises ValueError if a level is too large, or a message was not made by this function.
    """
    grid = _grid(shape)
    given = None if levels is None else _checked(levels, shape).reshape(grid).tolist()
    model = LevelModel() if model is None else model
    rows, channels = _code_alive(coder, model, grid, given)
    result = torch.zeros(grid, dtype=torch.int32)
    if rows and channels:
        coded = _code_places(coder, model, (rows, channels, grid[2], _kernel_width(shape)), given)
        block = torch.tensor(coded, dtype=torch.int32)
        result[torch.tensor(rows)[:, None], torch.tensor(channels)] = block
    return result.reshape(tuple(shape))


def levels_bits(levels: Tensor) -> float:
    """Bits that `code_levels` takes for this tensor."""
    counter = BitCounter()
    code_levels(counter, levels.shape, levels)
    return counter.bits


def _grid(shape: Sequence[int]) -> tuple[int, int, int]:
    """(outputs, inputs, places of a kernel); a vector is a matrix of one row."""
    shape = (1, *shape) if len(shape) < 2 else tuple(shape)
    return shape[0], shape[1] if len(shape) > 1 else 1, torch.Size(shape[2:]).numel()


def _kernel_width(shape: Sequence[int]) -> int:
    return shape[-1] if len(shape) > 2 else 1


def _checked(levels: Tensor, shape: Sequence[int]) -> Tensor:
    if levels.is_floating_point() or tuple(levels.shape) != tuple(shape):
        raise ValueError(
            f"levels are whole numbers of shape {tuple(shape)}, "
            f"got {levels.dtype} of {tuple(levels.shape)}"
        )
    if levels.numel() and levels.abs().max() > 100_000:
        raise ValueError("levels run up to 100,000: take a larger step of quantization")
    return levels


def _code_alive(
    coder: Coder, model: LevelModel, grid: tuple[int, int, int], given: list | None
) -> tuple[list[int], list[int]]:
    """The output rows and input channels that hold a nonzero."""
    alive = []
    for axis, kind in ((0, "row"), (1, "channel")):
        flags = [None] * grid[axis]
        if given is not None:
            flags = torch.tensor(given).reshape(grid).ne(0).any(2).any(1 - axis).int().tolist()
        bit = model.alive[kind]
        alive.append([i for i, flag in enumerate(flags) if bit.code(coder, flag)])
    return alive[0], alive[1]


def _code_places(
    coder: Coder,
    model: LevelModel,
    block: tuple[list[int], list[int], int, int],
    given: list | None,
) -> list:
    """The levels [rows][channels][places] of what is alive, row after row."""
    rows, channels, places, width = block
    blank = [[0] * places for _ in channels]
    coded = [blank, blank]  # two rows of zeros stand above the first
    for i, row in enumerate(rows):
        current: list[list[int]] = []
        for j, channel in enumerate(channels):
            kernel: list[int] = []
            for k in range(places):
                around = _Around(kernel, current, coded, (i, j, k), width)
                level = 0 if given is None else given[row][channel][k]
                kernel.append(_code_level(coder, model, around, level))
            current.append(kernel)
        coded.append(current)
    return coded[2:]


class _Around:
    """The levels beside a place that are known when it is coded."""

    __slots__ = ("above", "above2", "i", "j", "k", "left", "left2", "place", "up")

    def __init__(self, kernel: list, current: list, coded: list, at: tuple, width: int):
        self.i, self.j, self.k = at
        self.place = self.j * 1024 + self.k  # the column of the matrix
        # the place before in the kernel; in a matrix without kernels the column before
        before = kernel if width > 1 else [c[self.k] for c in current[-2:]]
        on_edge = width > 1 and self.k % width == 0
        self.left = before[-1] if before and not on_edge else 0
        self.left2 = before[-2] if len(before) > 1 and not on_edge else 0
        self.up = kernel[-width] if 1 < width <= self.k else 0
        self.above, self.above2 = coded[-1][self.j][self.k], coded[-2][self.j][self.k]


def _code_level(coder: Coder, model: LevelModel, a: _Around, level: int) -> int:
    """One level: is it 0, which sign, how many steps beyond 1."""
    small = [min(2, abs(x)) for x in (a.left, a.up, a.above, a.above2, a.left2)]
    near = small[0] + small[1]
    contexts = (
        0, a.i, a.place, (a.i, a.j), (small[0], small[1], small[4]), (small[2], small[3]),
        (a.k, near),
    )  # fmt: skip
    if not model.nonzero.code(coder, contexts, int(level != 0), near > 0):
        return 0
    signs = [(x > 0) - (x < 0) for x in (a.left, a.up, a.above)]
    contexts = (0, (signs[0], signs[1]), (a.place, signs[2]), (a.i, a.j))
    negative = model.sign.code(coder, contexts, int(level < 0))
    size, near = 1, min(6, abs(a.left) + abs(a.up))
    while size < STEPS:
        step = min(size, 8)
        contexts = (step, (step, near), (step, a.i), (step, min(3, abs(a.above))))
        if not model.larger.code(coder, contexts, int(abs(level) > size), step):
            break
        size += 1
    else:
        size += model.rest.code(coder, max(0, abs(level) - STEPS))
    return -size if negative else size
