"""Figures in one style, each with alt text."""

from edu_lib.teach.plots.bars import cost_bars, frame_budget_bar
from edu_lib.teach.plots.convolution import ConvolutionCost, convolution_cost, draw_convolution
from edu_lib.teach.plots.curves import roofline_plot, training_curve
from edu_lib.teach.plots.figure import Figure, image_html, show, to_png
from edu_lib.teach.plots.images import feature_maps, image_grid
from edu_lib.teach.plots.kernel import kernel_walk
from edu_lib.teach.plots.network import draw_network
from edu_lib.teach.plots.style import (
    ACCENT,
    BUDGET,
    COMPRESSED,
    FP32,
    FRAME_BUDGET_MS,
    FRAMES_PER_SECOND,
    GOOD,
    GRID,
    INK,
    MUTED,
    SIGNED,
    colour,
    new_figure,
    picture_axes,
    readable_count,
    use_house_style,
)

__all__ = [
    "ACCENT",
    "BUDGET",
    "COMPRESSED",
    "FP32",
    "FRAMES_PER_SECOND",
    "FRAME_BUDGET_MS",
    "GOOD",
    "GRID",
    "INK",
    "MUTED",
    "SIGNED",
    "ConvolutionCost",
    "Figure",
    "colour",
    "convolution_cost",
    "cost_bars",
    "draw_convolution",
    "draw_network",
    "feature_maps",
    "frame_budget_bar",
    "image_grid",
    "image_html",
    "kernel_walk",
    "new_figure",
    "picture_axes",
    "readable_count",
    "roofline_plot",
    "show",
    "to_png",
    "training_curve",
    "use_house_style",
]
