"""Curves: a training run, and the roofline of a machine."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from edu_lib.teach.plots.figure import Figure
from edu_lib.teach.plots.style import (
    BUDGET,
    COMPRESSED,
    FP32,
    HOUSE_STYLE,
    INK,
    colour,
    new_figure,
)
from edu_lib.training.history import History


@mpl.rc_context(HOUSE_STYLE)
def training_curve(history: History, target: float | None = None) -> Figure:
    """Training loss on the left and, where it was measured, validation accuracy on the right.

    target: an accuracy in percent to mark with a line.
    Raises ValueError if the history has no epoch. Taught in chapter 02.
    """
    if not history.epochs:
        raise ValueError("The history is empty: train for at least one epoch.")
    numbers = range(1, len(history.epochs) + 1)
    accuracies = history.validation_accuracy
    has_accuracy = None not in accuracies
    figure = new_figure(8.4 if has_accuracy else 4.6, 3.2)
    panels = np.atleast_1d(figure.subplots(1, 2 if has_accuracy else 1))
    panels[0].plot(numbers, history.train_loss, marker="o")
    panels[0].set(xlabel="epoch", ylabel="mean training loss", ylim=(0, None))
    if has_accuracy:
        _draw_accuracy(panels[1], accuracies, target)
    for axes in panels:
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
        axes.margins(x=0.02)
    shown = "loss and validation accuracy" if has_accuracy else "loss"
    text = f"Training over {len(history.epochs)} epochs: {shown}."
    final = f" The last accuracy is {accuracies[-1]:.2f} %." if has_accuracy else ""
    return Figure(figure, text + final, text)


def _draw_accuracy(axes: Axes, accuracies: list[float], target: float | None) -> None:
    axes.plot(range(1, len(accuracies) + 1), accuracies, color=COMPRESSED, marker="o")
    axes.annotate(f"{accuracies[-1]:.2f} %", (len(accuracies), accuracies[-1]), (0, -14),
                  color=COMPRESSED, ha="right", textcoords="offset points",
                  fontweight="bold")  # fmt: skip
    axes.set(xlabel="epoch", ylabel="validation accuracy (%)")
    if target is not None:
        axes.axhline(target, color=BUDGET, linestyle="--", linewidth=1.4)
        axes.annotate(f"{target:g} %", (1, target), (0, 3), color=BUDGET,
                      textcoords="offset points")  # fmt: skip


@mpl.rc_context(HOUSE_STYLE)
def roofline_plot(roofline, points: Sequence[tuple]) -> Figure:
    """Where each network stands under the machine's two limits, memory and arithmetic.

    roofline: a `Roofline` of edu_lib.measure.roofline, with `peak_gflops` and
    `bandwidth_gb_per_second`. points: (name, FLOP per byte, GFLOP/s reached[, colour key]).
    Raises ValueError if a number is not positive. Taught in chapter 05.
    Source: Williams, Waterman, Patterson 2009, "Roofline", section 3.
    """
    peak, bandwidth = float(roofline.peak_gflops), float(roofline.bandwidth_gb_per_second)
    if min([peak, bandwidth, *(number for point in points for number in point[1:3])]) <= 0:
        raise ValueError("Peak, bandwidth, intensities and speeds must all be positive.")
    figure = new_figure(7.2, 4.2)
    axes = figure.subplots()
    _draw_roof(axes, peak, bandwidth, [point[1] for point in points])
    for name, intensity, speed, *key in points:
        axes.plot(intensity, speed, "o", color=colour(key[0]) if key else FP32, markersize=8)
        axes.annotate(name, (intensity, speed), (8, -3), va="top", textcoords="offset points")
    slowest = min([axes.get_ylim()[0], *(point[2] for point in points)])
    axes.set_ylim(slowest / 2, peak * 2)
    ridge = peak / bandwidth
    memory = [point[0] for point in points if point[1] < ridge]
    arithmetic = [point[0] for point in points if point[1] >= ridge]
    text = f"Roofline of this machine with {len(points)} networks."
    alt = (
        f"{text} Limited by memory: {', '.join(memory) or 'none'}."
        f" Limited by arithmetic: {', '.join(arithmetic) or 'none'}."
    )
    return Figure(figure, alt, text)


def _draw_roof(axes: Axes, peak: float, bandwidth: float, intensities: list[float]) -> None:
    # reachable speed = min(peak, intensity * bandwidth); the two limits meet at the ridge
    ridge = peak / bandwidth
    lowest, highest = min([ridge, *intensities]) / 4, max([ridge, *intensities]) * 8
    intensity = np.array([lowest, ridge, highest])
    axes.plot(intensity, np.minimum(peak, intensity * bandwidth), color=INK)
    axes.annotate(f"arithmetic: {peak:.3g} GFLOP/s", (highest, peak), (-4, 5), ha="right",
                  textcoords="offset points", fontweight="bold")  # fmt: skip
    axes.annotate(f"memory: {bandwidth:.3g} GB/s", (lowest, lowest * bandwidth), (12, 2),
                  textcoords="offset points", fontweight="bold", va="top")  # fmt: skip
    axes.axvline(ridge, color=INK, linewidth=0.8, linestyle=":")
    axes.set(xscale="log", yscale="log", ylabel="speed reached (GFLOP/s)")
    axes.set_xlabel("arithmetic intensity (FLOP per byte moved)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 3)))
        axis.set_minor_locator(mpl.ticker.NullLocator())
        axis.set_major_formatter("{x:g}")
