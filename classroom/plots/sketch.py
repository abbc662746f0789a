"""What the schematics are drawn with: boxes, arrows, feature maps, weight matrices, words."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from classroom.plots.style import FP32, GRID, INK, new_figure

BOX_HEIGHT = 0.9
SMALL = 0.24  # side of a square that stands for one weight


def canvas(width: float, height: float) -> Axes:
    """Empty axes of one unit an inch, with no frame."""
    axes = new_figure(width, height).subplots()
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.set_axis_off()
    return axes


def box(
    axes: Axes, left: float, middle: float, width: float, text: str, colour: str = FP32
) -> None:
    """A rounded box with text in it; `middle` is its height above the bottom."""
    axes.add_patch(
        FancyBboxPatch(
            (left, middle - BOX_HEIGHT / 2), width, BOX_HEIGHT, facecolor="white",
            edgecolor=colour, linewidth=2, boxstyle="round,pad=0,rounding_size=0.12",
        )
    )  # fmt: skip
    axes.text(left + width / 2, middle, text, ha="center", va="center", fontsize=11)


def arrow(
    axes: Axes, start: Sequence[float], end: Sequence[float], note: str = "", colour: str = INK
) -> None:
    """An arrow, its note above the middle."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.6})
    if note:
        x, y = (start[0] + end[0]) / 2, max(start[1], end[1]) + 0.1
        axes.text(x, y, note, ha="center", va="bottom", fontsize=10, color=colour)


def sheets(axes: Axes, left: float, bottom: float, colours: Sequence[str], side: float) -> None:
    """Feature maps as sheets, one behind the other, the first in front."""
    for number in reversed(range(len(colours))):
        corner = (left + 0.16 * number, bottom + 0.16 * number)
        axes.add_patch(Rectangle(corner, side, side, facecolor=colours[number], edgecolor="white"))


def matrix(axes: Axes, left: float, bottom: float, rows: Sequence[str], colour: str) -> None:
    """A matrix of squares: x is a weight, a dot a zero."""
    for row, line in enumerate(reversed(rows)):
        for column, kind in enumerate(line):
            place = (left + SMALL * column, bottom + SMALL * row)
            face = colour if kind == "x" else "white"
            axes.add_patch(Rectangle(place, SMALL, SMALL, facecolor=face, edgecolor=GRID))


def say(axes: Axes, x: float, y: float, text: str, colour: str = INK, bold: bool = False) -> None:
    """Centred text."""
    weight = "bold" if bold else "normal"
    axes.text(x, y, text, ha="center", va="center", fontsize=11, color=colour, fontweight=weight)
