"""One picture for each technique of chapters 07 to 12: what it does, before any number.

Nothing is measured here: each picture is fixed, so that it is the same wherever it is drawn.
"""

from itertools import pairwise

import matplotlib as mpl

from classroom.plots.figure import Figure
from classroom.plots.sketch import SMALL, arrow, box, canvas, matrix, say, sheets
from classroom.plots.style import ACCENT, COMPRESSED, FP32, GOOD, GRID, HOUSE_STYLE, INK, MUTED

# the squares that stay in the drawn weight matrix, and the rows and columns that go
STAYS = ("x..x..", ".x..x.", "..x..x", "x...x.", ".x.x..")
ROWS_GONE, COLUMNS_GONE = (1, 3), (2, 5)


@mpl.rc_context(HOUSE_STYLE)
def draw_separable() -> Figure:
    """A standard convolution beside a depthwise and a pointwise one.

    Source: Howard et al. 2017, figure 2. Chapter 07.
    """
    axes = canvas(10.4, 3.2)
    three, side = (FP32, COMPRESSED, GOOD), 0.8
    sheets(axes, 0.2, 1.2, three, side)
    sheets(axes, 2.7, 1.2, (MUTED,) * 4, side)
    arrow(axes, (1.45, 1.75), (2.6, 1.75), "3 x 3 x C")
    say(axes, 0.8, 0.8, "C maps")
    say(axes, 3.3, 0.8, "D maps")
    say(axes, 2.05, 2.9, "standard: all at once", bold=True)
    axes.axvline(4.55, 0.1, 0.95, color=GRID)
    for left in (4.9, 7.0):
        sheets(axes, left, 1.2, three, side)
    sheets(axes, 9.1, 1.2, (MUTED,) * 4, side)
    for number, colour in enumerate(three):
        height = 1.5 + 0.25 * number
        arrow(axes, (6.12, height), (6.95, height), colour=colour)
    say(axes, 6.53, 2.3, "3 x 3")
    arrow(axes, (8.25, 1.75), (9.05, 1.75), "1 x 1 x C")
    say(axes, 6.5, 0.8, "depthwise: look,\neach map for itself")
    say(axes, 8.7, 0.8, "pointwise: mix,\neach pixel for itself")
    say(axes, 7.6, 2.9, "separable: one after the other", bold=True)
    return Figure(
        axes.figure,
        "Left, a standard convolution: every output map is made from all C input maps through 3 x 3"
        " windows. Right, a separable one: a depthwise layer filters each map with a 3 x 3 kernel "
        "of its own, then a pointwise 1 x 1 layer mixes the maps.",
    )


@mpl.rc_context(HOUSE_STYLE)
def draw_pruning() -> Figure:
    """A weight matrix: whole, masked, and with channels removed. Chapter 08."""
    axes = canvas(9.6, 2.9)
    whole = ["x" * len(STAYS[0])] * len(STAYS)
    small = ["x" * (len(STAYS[0]) - len(COLUMNS_GONE))] * (len(STAYS) - len(ROWS_GONE))
    panels = (
        (0.6, STAYS, COMPRESSED, "masked", "zeros, the same matrix"),
        (3.9, whole, FP32, "whole", "one row: one output"),
        (7.5, small, COMPRESSED, "channels removed", "dense, a smaller matrix"),
    )
    for left, rows, colour, title, note in panels:
        width = SMALL * len(rows[0])
        matrix(axes, left, 0.95 + SMALL * (len(whole) - len(rows)) / 2, rows, colour)
        say(axes, left + width / 2, 2.6, title, bold=True)
        say(axes, left + width / 2, 0.5, note)
    arrow(axes, (3.6, 1.55), (2.3, 1.55), "unstructured")
    arrow(axes, (5.6, 1.55), (7.2, 1.55), "structured")
    return Figure(
        axes.figure,
        "Three weight matrices. Whole: five rows of six weights. Masked: as large, most weights "
        "zero. Channels removed: three rows of four weights, all of them in use.",
    )


@mpl.rc_context(HOUSE_STYLE)
def draw_number_grid() -> Figure:
    """Real numbers above, the integers that stand for them below. Chapter 09."""
    axes = canvas(9.6, 2.7)
    zero_point, step = 2, 1.0
    places = [1.3 + step * integer for integer in range(8)]
    axes.plot([0.3, 9.4], [1.7, 1.7], color=INK, lw=1.5)
    for integer, x in enumerate(places):
        axes.plot([x, x], [1.6, 1.8], color=INK, lw=1.5)
        colour = GOOD if integer == zero_point else INK
        say(axes, x, 0.85, str(integer), colour, bold=integer == zero_point)
    for value, target in ((4.62, 4.3), (6.95, 7.3), (9.15, 8.3)):
        axes.plot(value, 2.15, "o", color=FP32, ms=8)
        arrow(axes, (value, 2.08), (target, 1.12), colour=COMPRESSED)
    say(axes, places[zero_point], 2.05, "r = 0", GOOD, bold=True)
    say(axes, places[zero_point], 0.45, "zero point", GOOD)
    axes.annotate("", (6.3, 1.42), (5.3, 1.42), arrowprops={"arrowstyle": "<->", "color": INK})
    say(axes, 5.8, 1.23, "scale")
    say(axes, 8.85, 2.5, "clipped", COMPRESSED)
    say(axes, 6.6, 2.5, "rounded", COMPRESSED)
    say(axes, 0.65, 2.05, "real r", FP32, bold=True)
    say(axes, 0.5, 0.85, "integer q", bold=True)
    return Figure(
        axes.figure,
        "A line of real numbers with eight ticks, one scale apart, numbered 0 to 7 below. The zero "
        "point, 2, stands for 0. Numbers in between are rounded to a tick, one beyond the last "
        "tick is clipped to 7.",
    )


@mpl.rc_context(HOUSE_STYLE)
def draw_integer_layer() -> Figure:
    """A layer on integers: products, sums with the bias, one multiplication, a byte.

    Source: Jacob et al. 2018, section 2.2 and figure 1.1. Chapter 09.
    """
    axes = canvas(10.6, 2.7)
    steps = (
        (0.1, 1.5, "inputs\nuint8", FP32),
        (2.3, 1.9, "products\nand sums, int32", COMPRESSED),
        (4.9, 1.5, "+ bias\nint32", COMPRESSED),
        (7.1, 1.7, "x m0, then\nshift, round", COMPRESSED),
        (9.1, 1.4, "outputs\nuint8", FP32),
    )
    for left, width, text, colour in steps:
        box(axes, left, 1.7, width, text, colour)
    for (left, width, *_), (after, *_) in pairwise(steps):
        arrow(axes, (left + width, 1.7), (after, 1.7))
    box(axes, 2.5, 0.5, 1.5, "weights\nint8", FP32)
    axes.annotate("", (3.25, 1.25), (3.25, 0.95), arrowprops={"arrowstyle": "-|>", "color": INK})
    say(axes, 5.65, 0.9, "scale: s_in s_w", MUTED)
    say(axes, 7.95, 0.75, "m0 / 2^shift is\ns_in s_w / s_out", MUTED)
    say(axes, 5.3, 2.5, "requantization: from large sums back to bytes", bold=True)
    return Figure(
        axes.figure,
        "A quantized layer from left to right: inputs in uint8 meet weights in int8; products are "
        "summed in int32; the int32 bias is added; a multiplication by m0 and a shift bring the "
        "sum to the output's scale; it is rounded to uint8.",
    )


@mpl.rc_context(HOUSE_STYLE)
def draw_deep_compression() -> Figure:
    """Prune, share, code. Source: Han et al. 2016, figure 1. Chapter 10."""
    axes = canvas(10.4, 2.5)
    steps = (
        (0.1, "float weights\n32 bits each", FP32),
        (2.8, "prune\nfew weights, gaps", COMPRESSED),
        (5.5, "share\na codebook, codes", COMPRESSED),
        (8.2, "code\nshort words", COMPRESSED),
    )
    for left, text, colour in steps:
        box(axes, left, 1.5, 2.1, text, colour)
    for left in (2.2, 4.9, 7.6):
        arrow(axes, (left, 1.5), (left + 0.6, 1.5))
    for left, text in (
        (1.15, "0.31  0.02  -0.28"), (3.85, "0.31  .  -0.28"),
        (6.55, "codes 3 . 1"), (9.25, "0 110 10"),
    ):  # fmt: skip
        say(axes, left, 0.6, text, MUTED)
    say(axes, 3.85, 2.25, "fewer numbers", bold=True)
    say(axes, 6.55, 2.25, "fewer bits each", bold=True)
    say(axes, 9.25, 2.25, "fewer bits on average", bold=True)
    return Figure(
        axes.figure,
        "Deep Compression in three steps: from float weights, pruning leaves few weights and the "
        "gaps between them, sharing replaces each by its code in a codebook, and coding gives "
        "frequent codes short words.",
    )


@mpl.rc_context(HOUSE_STYLE)
def draw_distillation() -> Figure:
    """Teacher and student. Source: Hinton, Vinyals, Dean 2015, section 2. Chapter 11."""
    axes = canvas(10.4, 3.3)
    box(axes, 0.1, 1.65, 1.2, "image", MUTED)
    box(axes, 2.2, 2.5, 1.9, "teacher\nlarge, frozen", FP32)
    box(axes, 2.2, 0.8, 1.9, "student\nsmall, learns", COMPRESSED)
    arrow(axes, (1.3, 1.85), (2.2, 2.4))
    arrow(axes, (1.3, 1.45), (2.2, 0.9))
    for height, text, colour in ((2.5, "soft targets p", FP32), (0.8, "its answers q", COMPRESSED)):
        arrow(axes, (4.1, height), (5.8, height), "logits / T")
        box(axes, 5.8, height, 1.7, text, colour)
    box(axes, 8.6, 1.65, 1.7, "loss\nT x T x KL(p, q)", GOOD)
    arrow(axes, (7.5, 2.4), (8.6, 1.9))
    arrow(axes, (7.5, 0.9), (8.6, 1.4))
    axes.annotate("", (4.1, 0.45), (9.2, 1.2), arrowprops={
        "arrowstyle": "-|>", "color": COMPRESSED, "lw": 1.6, "ls": "--",
        "connectionstyle": "arc3,rad=-0.3"})  # fmt: skip
    say(axes, 3.15, 0.12, "gradient, to the student alone", COMPRESSED)
    say(axes, 9.45, 2.75, "+ labels, where\nthere are any", MUTED)
    return Figure(
        axes.figure,
        "An image goes to a large frozen teacher and to a small student. Both logits are divided by"
        " the temperature. The loss compares the student's answers with the teacher's soft targets,"
        " and its gradient reaches the student alone.",
    )


@mpl.rc_context(HOUSE_STYLE)
def draw_multi_task() -> Figure:
    """Three networks beside one with shared parts (hard parameter sharing). Chapter 12."""
    axes = canvas(10.4, 3.6)
    tasks = (("what", FP32), ("how far", COMPRESSED), ("steer", ACCENT))
    for number, (task, colour) in enumerate(tasks):
        height = 2.75 - 1.02 * number
        box(axes, 0.1, height, 1.2, "encoder", colour)
        box(axes, 3.1, height, 1.2, task, colour)
        if task == "steer":
            arrow(axes, (1.3, height), (3.1, height))
        else:
            box(axes, 1.6, height, 1.2, "decoder", colour)
            arrow(axes, (1.3, height), (1.6, height))
            arrow(axes, (2.8, height), (3.1, height))
    axes.axvline(4.75, 0.08, 0.95, color=GRID)
    box(axes, 5.1, 1.73, 1.3, "encoder\nshared", GOOD)
    box(axes, 7.0, 2.24, 1.3, "decoder\nshared", GOOD)
    arrow(axes, (6.4, 1.85), (7.0, 2.1))
    for number, (task, colour) in enumerate(tasks):
        height = 2.75 - 1.02 * number
        box(axes, 9.0, height, 1.2, task, colour)
        start = (6.4, 1.55) if task == "steer" else (8.3, 2.24)
        arrow(axes, start, (9.0, height))
    say(axes, 2.2, 3.42, "a network for each task", bold=True)
    say(axes, 7.6, 3.42, "one network, three heads", bold=True)
    return Figure(
        axes.figure,
        "Left, three networks, each with an encoder of its own, two of them with a decoder. Right, "
        "one network: a shared encoder, a shared decoder, and a head for each of the three tasks.",
    )
