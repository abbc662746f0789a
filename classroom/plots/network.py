"""The architecture of a CNN, drawn from the shapes that the code reports."""

import math
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from classroom.plots.figure import Figure
from classroom.plots.style import ACCENT, FP32, HOUSE_STYLE, INK, new_figure

MOST_SHEETS = 8
SMALLEST_SIDE = 0.34
LARGEST_SIDE = 1.7
LAYER_GAP = 0.62


@mpl.rc_context(HOUSE_STYLE)
def draw_network(layers: Sequence[tuple[str, Sequence[int], str]], title: str = "") -> Figure:
    """A CNN as a row of stacked feature maps, in the manner of LeNet-5's famous figure.

    layers: (name, output shape, note) in order, the input first; a shape is (C, H, W) for maps
    or (features,) for vectors, with or without the batch in front; the note says what leads
    there, such as "5x5 convolution".
    Raises ValueError if there is no layer or a shape has another form.
    Source of the form: LeCun et al. 1998, figure 2. Taught in chapter 02.
    """
    if not layers:
        raise ValueError("There is no layer to draw: give (name, output shape, note) tuples.")
    shapes = [_checked_shape(name, shape) for name, shape, _ in layers]
    sides = _drawn_sides(shapes)
    labels = [
        f"{_shape_label(shape)}\n{name}" for (name, _, _), shape in zip(layers, shapes, strict=True)
    ]
    widths = [_layer_width(shape, side) for shape, side in zip(shapes, sides, strict=True)]
    total = sum(max(width, 0.75) + LAYER_GAP for width in widths)
    figure = new_figure(min(max(total * 0.98, 4.5), 11.5), 3.0)
    axes = figure.add_subplot()
    left = 0.0
    for (_, _, note), shape, side, width, label in zip(
        layers, shapes, sides, widths, labels, strict=True
    ):
        slot = max(width, 0.75)
        start = left + (slot - width) / 2
        if len(shape) == 3:
            _draw_maps(axes, start, shape, side)
        else:
            _draw_vector(axes, start, side)
        axes.text(left + slot / 2, 1.28, label, ha="center", va="bottom", fontsize=9)
        if note and left > 0:
            _draw_step(axes, left - LAYER_GAP / 2, note)
        left += slot + LAYER_GAP
    axes.set(xlim=(-0.2, left - LAYER_GAP + 0.2), ylim=(-1.75, 1.75), aspect="equal", title=title)
    axes.set_axis_off()
    listed = ", ".join(f"{layers[i][0]} {_shape_label(shapes[i])}" for i in range(len(layers)))
    return Figure(figure, f"{title or 'The network'}, from input to output: {listed}.")


def _checked_shape(name: str, shape: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in shape)
    if len(sizes) in (2, 4):
        sizes = sizes[1:]
    if len(sizes) not in (1, 3) or min(sizes) < 1:
        raise ValueError(f"{name}: a shape is (C, H, W) or (features,), got {list(shape)}.")
    return sizes


def _drawn_sides(shapes: list[tuple[int, ...]]) -> list[float]:
    """Drawn height of each layer: proportional to the square root of its pixels or features."""
    widest = max([shape[1] for shape in shapes if len(shape) == 3], default=1)
    longest = max([shape[0] for shape in shapes if len(shape) == 1], default=1)
    sides = []
    for shape in shapes:
        if len(shape) == 3:
            share = math.sqrt(shape[1] / widest)
            sides.append(max(SMALLEST_SIDE, LARGEST_SIDE * share))
        else:
            share = math.sqrt(shape[0] / longest)
            sides.append(max(3 * SMALLEST_SIDE, 1.35 * LARGEST_SIDE * share))
    return sides


def _sheets(shape: tuple[int, ...]) -> int:
    return min(shape[0], MOST_SHEETS)


def _layer_width(shape: tuple[int, ...], side: float) -> float:
    if len(shape) == 1:
        return 0.2
    return side * shape[2] / shape[1] + 0.07 * (_sheets(shape) - 1)


def _shape_label(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"{shape[0]}"
    return f"{shape[0]}@{shape[1]}x{shape[2]}"


def _draw_maps(axes: Axes, left: float, shape: tuple[int, ...], side: float) -> None:
    width = side * shape[2] / shape[1]
    sheets = _sheets(shape)
    for sheet in range(sheets):
        shift = 0.07 * sheet
        bottom = -side / 2 + 0.035 * (sheets - 1) - shift
        axes.add_patch(
            Rectangle((left + shift, bottom), width, side, facecolor="#DCE5ED", edgecolor=FP32)
        )


def _draw_vector(axes: Axes, left: float, side: float) -> None:
    axes.add_patch(
        Rectangle(
            (left, -side / 2), 0.2, side, facecolor="#E9DFE8", edgecolor=ACCENT, linewidth=1.4
        )
    )


def _draw_step(axes: Axes, centre: float, note: str) -> None:
    axes.annotate(
        "", (centre + 0.2, 0), (centre - 0.2, 0), arrowprops={"arrowstyle": "->", "color": INK}
    )
    wrapped = note.replace(" ", "\n")
    axes.text(centre, -1.32, wrapped, ha="center", va="top", fontsize=9, color=INK)
