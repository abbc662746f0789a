"""Curves: a training run, and the roofline of a machine."""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from classroom.plots.figure import Figure
from classroom.plots.style import (
    BUDGET,
    COMPRESSED,
    HOUSE_STYLE,
    new_figure,
)
from edu_lib.training import History


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
        axes.margins(x=0.02, y=0.12)  # room for the last value above the curve
    shown = "loss and validation accuracy" if has_accuracy else "loss"
    text = f"Training over {len(history.epochs)} epochs: {shown}."
    final = f" The last accuracy is {accuracies[-1]:.2f} %." if has_accuracy else ""
    return Figure(figure, text + final, text)


def _draw_accuracy(axes: Axes, accuracies: list[float], target: float | None) -> None:
    axes.plot(range(1, len(accuracies) + 1), accuracies, color=COMPRESSED, marker="o")
    axes.annotate(f"{accuracies[-1]:.2f} %", (len(accuracies), accuracies[-1]), (0, 7),
                  color=COMPRESSED, ha="right", textcoords="offset points",
                  fontweight="bold")  # fmt: skip
    axes.set(xlabel="epoch", ylabel="validation accuracy (%)")
    if target is not None:
        axes.axhline(target, color=BUDGET, linestyle="--", linewidth=1.4)
        axes.annotate(f"{target:g} %", (1, target), (0, 3), color=BUDGET,
                      textcoords="offset points")  # fmt: skip
