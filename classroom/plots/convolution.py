"""One convolution layer: its input volume, its kernels, its output volume, and what it costs."""

from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle

from classroom.plots.figure import Figure
from classroom.plots.style import COMPRESSED, FP32, GOOD, HOUSE_STYLE, INK, new_figure

BYTES_PER_VALUE = 4  # float32


@dataclass(frozen=True)
class ConvolutionCost:
    """Output size and cost of one square convolution with bias on one image."""

    output_size: int
    params: int
    macs: int
    activation_bytes: int


def convolution_cost(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int,
    padding: int,
    groups: int,
    image_size: int,
) -> ConvolutionCost:
    """Counts one convolution on an image of image_size x image_size pixels.

    activation_bytes: input and output together, float32.
    Raises ValueError that says why a combination is not possible. Taught in chapter 01.
    """
    if in_channels % groups or out_channels % groups:
        raise ValueError(
            f"groups = {groups} must divide both in_channels = {in_channels} and"
            f" out_channels = {out_channels}."
        )
    if kernel_size > image_size + 2 * padding:
        raise ValueError(
            f"The kernel of {kernel_size} is larger than the padded image of"
            f" {image_size + 2 * padding}: take a smaller kernel or more padding."
        )
    # output = floor((input + 2 padding - kernel) / stride) + 1
    output_size = (image_size + 2 * padding - kernel_size) // stride + 1
    # weights = C_out * (C_in / groups) * K * K, and one bias an output channel
    weights = out_channels * (in_channels // groups) * kernel_size**2
    # MACs = weights * H_out * W_out: each weight works once an output pixel
    macs = weights * output_size**2
    values = in_channels * image_size**2 + out_channels * output_size**2
    return ConvolutionCost(output_size, weights + out_channels, macs, values * BYTES_PER_VALUE)


@mpl.rc_context(HOUSE_STYLE)
def draw_convolution(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int,
    padding: int,
    groups: int,
    image_size: int,
) -> tuple[Figure, str]:
    """Picture of a convolution, volumes drawn to scale, and one line with its cost.

    Raises ValueError that says why a combination is not possible. Taught in chapter 01.
    """
    cost = convolution_cost(
        in_channels, out_channels, kernel_size, stride, padding, groups, image_size
    )
    text = (
        f"{in_channels}x{image_size}x{image_size} to"
        f" {out_channels}x{cost.output_size}x{cost.output_size}: {cost.params:,} parameters,"
        f" {cost.macs:,} MACs, {cost.activation_bytes:,} activation bytes."
    )
    depth_per_kernel = in_channels // groups
    figure = new_figure(8.4, 3.1)
    axes = figure.add_subplot()
    scale = 2.2 / max(image_size + 2 * padding, cost.output_size)
    volumes = [
        (0.2, image_size, in_channels, FP32, "input"),
        (4.1, kernel_size, depth_per_kernel, COMPRESSED, f"{out_channels} kernels, each"),
        (7.2, cost.output_size, out_channels, GOOD, "output"),
    ]
    for left, size, channels, colour, name in volumes:
        _draw_volume(axes, left, size * scale, 0.1 + 1.1 * channels / 64, colour)
        label = f"{name}\n{channels} x {size} x {size}"
        axes.text(left + size * scale / 2, -1.42, label, ha="center", va="top", fontsize=9.5)
    _draw_window(axes, image_size * scale, kernel_size * scale, padding * scale)
    axes.text(3.75, 0, "*", fontsize=20, ha="center", va="center")
    axes.text(6.85, 0, "=", fontsize=18, ha="center", va="center")
    axes.set(xlim=(-0.9, 10.8), ylim=(-2.1, 2.0), aspect="equal")
    axes.set_title(f"{cost.macs:,} MACs, {cost.params:,} parameters")
    axes.set_axis_off()
    return Figure(figure, text), text


def _draw_window(axes: Axes, side: float, window: float, padding: float) -> None:
    """The padded border, dotted, and the first place of the kernel, in its upper left corner."""
    left, bottom, padded = 0.2 - padding, -side / 2 - padding, side + 2 * padding
    if padding:
        axes.add_patch(
            Rectangle((left, bottom), padded, padded, fill=False, edgecolor=INK, linestyle=":")
        )
    corner = (left, bottom + padded - window)
    axes.add_patch(Rectangle(corner, window, window, fill=False, edgecolor=COMPRESSED, linewidth=2))


def _draw_volume(axes: Axes, left: float, side: float, depth: float, edge: str) -> None:
    """Box of `side` x `side` with `depth` drawn backwards, to the upper right."""
    bottom, top, right = -side / 2, side / 2, left + side
    back = depth * 0.7
    roof = [(left, top), (left + back, top + back), (right + back, top + back), (right, top)]
    flank = [(right, bottom), (right, top), (right + back, top + back),
             (right + back, bottom + back)]  # fmt: skip
    for corners, shade in ((roof, "55"), (flank, "88")):
        axes.add_patch(Polygon(corners, facecolor=edge + shade, edgecolor=edge))
    axes.add_patch(Rectangle((left, bottom), side, side, facecolor=edge + "33", edgecolor=edge))
