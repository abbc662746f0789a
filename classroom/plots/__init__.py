"""Figures in one style, each with alt text."""

from classroom.plots.bars import cost_bars, frame_budget_bar
from classroom.plots.convolution import ConvolutionCost, convolution_cost, draw_convolution
from classroom.plots.curves import training_curve
from classroom.plots.figure import Figure, image_html, show, to_png
from classroom.plots.images import feature_maps, image_grid
from classroom.plots.kernel import kernel_walk
from classroom.plots.network import draw_network
from classroom.plots.poster import ledger_poster, verdict_squares
from classroom.plots.schematics import (
    draw_deep_compression,
    draw_distillation,
    draw_integer_layer,
    draw_multi_task,
    draw_number_grid,
    draw_pruning,
    draw_separable,
)
from classroom.plots.style import (
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
    use_house_style,
)
from classroom.readable import readable_count

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
    "draw_deep_compression",
    "draw_distillation",
    "draw_integer_layer",
    "draw_multi_task",
    "draw_network",
    "draw_number_grid",
    "draw_pruning",
    "draw_separable",
    "feature_maps",
    "frame_budget_bar",
    "image_grid",
    "image_html",
    "kernel_walk",
    "ledger_poster",
    "new_figure",
    "picture_axes",
    "readable_count",
    "show",
    "to_png",
    "training_curve",
    "use_house_style",
    "verdict_squares",
]
