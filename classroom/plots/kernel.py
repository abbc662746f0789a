"""A kernel that slides over a small image, with every number shown. Taught in chapter 01."""

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional as F

from classroom.plots.figure import Figure
from classroom.plots.style import (
    COMPRESSED,
    GRID,
    HOUSE_STYLE,
    INK,
    MUTED,
    new_figure,
    picture_axes,
)

LARGEST_GRID = 12


@mpl.rc_context(HOUSE_STYLE)
def kernel_walk(X: Tensor, kernel: Tensor, step: int) -> Figure:
    """One step of a cross-correlation: the window, the kernel, and the output so far.

    X: [H, W], at most 12 x 12. kernel: [K_h, K_w], no larger than X. step: index of the output
    pixel, counted row by row from 0. Raises ValueError if a shape or the step does not fit.
    """
    output = _cross_correlation(X, kernel)
    if not 0 <= step < output.numel():
        raise ValueError(f"step must be in 0..{output.numel() - 1}, got {step}.")
    row, column = divmod(step, output.shape[1])
    window = X[row : row + kernel.shape[0], column : column + kernel.shape[1]]
    sizes = [X.shape[1], kernel.shape[1], output.shape[1]]
    figure = new_figure(0.42 * sum(sizes) + 1.6, 0.42 * X.shape[0] + 1.15)
    # each panel is as wide as what it shows, so that all cells have one size
    panels = figure.subplots(1, 3, width_ratios=[size + 0.2 for size in sizes])
    _draw_grid(panels[0], X, "input X")
    _draw_grid(panels[1], kernel, "kernel")
    _draw_grid(panels[2], output, "output", shown=step + 1)
    _frame(panels[0], row, column, kernel.shape)
    _frame(panels[1], 0, 0, kernel.shape)
    _frame(panels[2], row, column, (1, 1))
    for axes in panels:
        axes.set_ylim(X.shape[0] - 0.4, -0.6)
    # output[i, j] = sum_u sum_v X[i + u, j + v] * kernel[u, v]
    pairs = zip(window.flatten().tolist(), kernel.flatten().tolist(), strict=True)
    terms = [f"{x:g}·{_signed(w)}" for x, w in pairs if w != 0 and x != 0]
    result = f"{float(output[row, column]):g}"
    shown = " + ".join(terms[:5] + (["..."] if len(terms) > 5 else [])) or "0"
    figure.supxlabel(f"output[{row}, {column}] = {shown} = {result}", fontsize=10, color=INK)
    alt = (
        f"A {kernel.shape[0]} x {kernel.shape[1]} kernel over a {X.shape[0]} x {X.shape[1]} input:"
        f" the window at row {row}, column {column} gives {result}."
    )
    return Figure(figure, alt)


def _cross_correlation(X: Tensor, kernel: Tensor) -> Tensor:
    if X.ndim != 2 or kernel.ndim != 2 or max(X.shape) > LARGEST_GRID:
        raise ValueError(
            f"X must be [H, W] of at most {LARGEST_GRID} x {LARGEST_GRID} and kernel [K_h, K_w],"
            f" got {list(X.shape)} and {list(kernel.shape)}."
        )
    if kernel.shape[0] > X.shape[0] or kernel.shape[1] > X.shape[1]:
        raise ValueError(f"The kernel {list(kernel.shape)} is larger than X {list(X.shape)}.")
    return F.conv2d(X[None, None].to(torch.float64), kernel[None, None].to(torch.float64))[0, 0]


def _signed(value: float) -> str:
    return f"{value:g}" if value >= 0 else f"({value:g})"


def _draw_grid(axes: Axes, values: Tensor, title: str, shown: int | None = None) -> None:
    shown = values.numel() if shown is None else shown
    height, width = values.shape
    for index, value in enumerate(values.flatten().tolist()):
        row, column = divmod(index, width)
        known = index < shown
        axes.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor="white", edgecolor=GRID)
        )
        axes.text(column, row, f"{value:.3g}" if known else "", ha="center", va="center",
                  fontsize=9, color=MUTED if value == 0 else INK)  # fmt: skip
    axes.set(xlim=(-0.6, width - 0.4), aspect="equal")
    axes.set_title(f"{title}: {height} x {width}", fontsize=9)
    picture_axes(axes)


def _frame(axes: Axes, row: int, column: int, shape: tuple[int, int]) -> None:
    axes.add_patch(
        Rectangle((column - 0.5, row - 0.5), shape[1], shape[0], facecolor=COMPRESSED + "2E",
                  edgecolor=COMPRESSED, linewidth=2.4)
    )  # fmt: skip
