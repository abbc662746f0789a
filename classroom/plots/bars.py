"""Bars: milliseconds against the frame budget, and the cost of each layer."""

import math
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.text import Annotation

from classroom.plots.figure import Figure
from classroom.plots.style import (
    ACCENT,
    BUDGET,
    FP32,
    FRAME_BUDGET_MS,
    HOUSE_STYLE,
    colour,
    new_figure,
)
from classroom.readable import readable_count, readable_number

LEAST_AXIS, WIDEST = 4.8, 9.6  # inches: a budget figure grows until its bars have room


@mpl.rc_context(HOUSE_STYLE)
def frame_budget_bar(
    rows: Sequence[tuple[str, float, str]],
    budget_ms: float = FRAME_BUDGET_MS,
    ylabel: str = "model",
) -> Figure:
    """Milliseconds per frame of each model on a log axis, with the budget as a red dashed line.

    rows: (name, milliseconds, colour key 'fp32' or 'compressed'), drawn from top to bottom.
    ylabel: what the rows are.
    Raises ValueError if there is no row or a time is not positive. Used in every chapter.
    """
    if not rows:
        raise ValueError("There is no row to draw: give at least one (name, ms, colour key).")
    for name, ms, _ in rows:
        if not (math.isfinite(ms) and ms > 0):
            raise ValueError(f"{name}: a time must be a positive number of ms, got {ms}.")
    figure = new_figure(7.6, 1.25 + 0.38 * len(rows))
    axes = figure.subplots()
    times = [ms for _, ms, _ in rows]
    low = 10 ** math.floor(math.log10(min([*times, budget_ms]) / 1.3))  # the shortest bar shows
    high, labels = max([*times, budget_ms]) * 14, []
    for position, (_, ms, key) in enumerate(rows):
        axes.barh(position, ms - low, left=low, color=colour(key), height=0.66)
        over = "" if ms <= budget_ms else f", {ms / budget_ms:.1f} times the budget"
        labels.append(axes.annotate(
            f"{readable_number(ms)} ms{over}", (ms, position), (5, 0),
            textcoords="offset points", va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        ))  # fmt: skip
    axes.axvline(budget_ms, color=BUDGET, linestyle="--", linewidth=1.8)
    axes.annotate(
        f"{budget_ms:.0f} ms budget", (budget_ms, 1), (0, 3), ha="center", va="bottom",
        color=BUDGET, xycoords=("data", "axes fraction"), textcoords="offset points",
        fontweight="bold",
    )  # fmt: skip
    axes.set(xscale="log", xlim=(low, high), xlabel="milliseconds per frame (log scale)")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.set_ylabel(ylabel)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    figure.draw_without_rendering()  # from here on, texts and axes have a size
    missing = LEAST_AXIS - axes.get_window_extent().width / figure.dpi
    if missing > 0:  # long names took it
        figure.set_figwidth(min(figure.get_figwidth() + missing, WIDEST))
        figure.draw_without_rendering()
    axes.set_xlim(low, max([high, *(_room(axes, low, label) for label in labels)]))
    return Figure(figure, _budget_alt(rows, budget_ms, True), _budget_alt(rows, budget_ms, False))


def _room(axes: Axes, low: float, label: Annotation) -> float:
    """The right end of a log axis from `low` on which this label, right of its bar, has room."""
    share = 1.02 * label.get_window_extent().width / axes.get_window_extent().width
    # the bar ends at log(value / low) / log(high / low) of the axis; that and the label make 1
    return low * (label.xy[0] / low) ** (1 / (1 - min(share + 0.02, 0.8)))


def _budget_alt(rows: Sequence[tuple[str, float, str]], budget_ms: float, digits: bool) -> str:
    def names(group: list) -> str:
        shown = [f"{name} ({readable_number(ms)} ms)" if digits else name for name, ms, _ in group]
        return ", ".join(shown) or "none"

    inside = [row for row in rows if row[1] <= budget_ms]
    over = [row for row in rows if row[1] > budget_ms]
    return (
        f"Milliseconds per frame against the budget of {budget_ms:.0f} ms."
        f" Inside: {names(inside)}. Over: {names(over)}."
    )


@mpl.rc_context(HOUSE_STYLE)
def cost_bars(cost) -> Figure:
    """MACs and parameters of each layer, side by side.

    cost: a `Cost` of edu_lib.cost, whose `layers` have a name, `macs` and `params`.
    Raises ValueError if no layer has MACs or parameters. Taught in chapter 01.
    """
    layers = [layer for layer in cost.layers if layer.macs or layer.params]
    if not layers:
        raise ValueError("No layer of this network has MACs or parameters: nothing to draw.")
    figure = new_figure(8.4, 1.3 + 0.3 * len(layers))
    left, right = figure.subplots(1, 2, sharey=True)
    _layer_bars(left, layers, "macs", FP32)
    _layer_bars(right, layers, "params", ACCENT)
    left.set_yticks(range(len(layers)), [layer.name for layer in layers])
    left.set_ylim(len(layers) - 0.4, -0.6)
    left.set(xlabel="multiply-accumulates (MACs)", ylabel="layer")
    right.set(xlabel="parameters", ylabel="")
    most_macs = max(layers, key=lambda layer: layer.macs).name
    most_params = max(layers, key=lambda layer: layer.params).name
    return Figure(
        figure,
        f"Cost of each of {len(layers)} layers. Most MACs: {most_macs}."
        f" Most parameters: {most_params}.",
    )


def _layer_bars(axes, layers: list, field: str, bar_colour: str) -> None:
    counts = [getattr(layer, field) for layer in layers]
    total = max(sum(counts), 1)
    axes.barh(range(len(layers)), counts, color=bar_colour, height=0.66)
    for position, count in enumerate(counts):
        note = f"{readable_count(count)} ({100 * count / total:.0f} %)"
        axes.annotate(note, (count, position), (4, 0), textcoords="offset points", va="center")
    unit = "MACs" if field == "macs" else "parameters"
    axes.set_title(f"{readable_count(total)} {unit} in all")
    axes.set_xlim(0, max([*counts, 1]) * 1.45)
    axes.xaxis.set_major_formatter(lambda value, _: readable_count(value))
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
    axes.grid(visible=False, axis="y")
