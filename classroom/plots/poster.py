"""The poster: the whole ledger, and every verdict, in one figure. Used in chapter 15."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from classroom.claims import COLOURS, VERDICTS
from classroom.plots.figure import Figure
from classroom.plots.style import BUDGET, FRAME_BUDGET_MS, HOUSE_STYLE, INK, colour, new_figure
from classroom.readable import readable_count, readable_number

LABEL = {"textcoords": "offset points", "fontsize": 12}
WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 1}
# patterns tell the verdicts apart without colour
PATTERNS = {"reproduced": "", "partly": "//", "undecided": "..", "not reproduced": "xx"}


@mpl.rc_context(HOUSE_STYLE | {"font.size": 12, "axes.titlesize": 15})
def verdict_squares(chapters: Sequence) -> Figure:
    """One square a claim, one row a chapter, coloured and hatched by its verdict.

    chapters: with `number`, `title` and `claims`, as `classroom.judged_claims` gives them.
    Raises ValueError if there is none.
    """
    if not chapters:
        raise ValueError("There is no chapter to draw: give at least one.")
    figure = new_figure(10.0, 1.3 + 0.27 * len(chapters))
    axes = figure.subplots()
    _squares(axes, chapters)
    axes.set_ylabel("chapter")
    return Figure(figure, _alt(chapters))


def _squares(axes: Axes, chapters: Sequence) -> None:
    for row, chapter in enumerate(chapters):
        for place, claim in enumerate(chapter.claims):
            axes.add_patch(
                Rectangle(
                    (place + 0.56, row - 0.42), 0.88, 0.84, edgecolor="white",
                    facecolor=COLOURS[claim.verdict], hatch=PATTERNS[claim.verdict],
                )
            )  # fmt: skip
    most = max(len(chapter.claims) for chapter in chapters)
    axes.set(xlim=(0.4, most + 0.6), ylim=(len(chapters) - 0.4, -0.6), xlabel="claims judged")
    axes.set_xticks(range(2, most + 1, 2))
    names = [f"{chapter.number}  {chapter.title.partition(':')[0]}" for chapter in chapters]
    axes.set_yticks(range(len(chapters)), names)
    axes.grid(visible=False)
    total = _count(chapters)
    handles = [
        Patch(facecolor=COLOURS[v], edgecolor="white", hatch=PATTERNS[v], label=f"{v} ({total[v]})")
        for v in VERDICTS
    ]
    figure = axes.figure
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=11)


def _count(chapters: Sequence) -> dict[str, int]:
    found = [claim.verdict for chapter in chapters for claim in chapter.claims]
    return {verdict: found.count(verdict) for verdict in VERDICTS}


def _alt(chapters: Sequence) -> str:
    total = _count(chapters)
    counted = ", ".join(f"{total[verdict]} {verdict}" for verdict in VERDICTS)
    return f"{sum(total.values())} claims of {len(chapters)} chapters as squares: {counted}."


@mpl.rc_context(HOUSE_STYLE | {"font.size": 12, "axes.titlesize": 15})
def ledger_poster(rows: Sequence) -> Figure:
    """The ledger as one figure: the bytes of each model's file and its milliseconds a frame.

    rows: with `chapter`, `model`, `file_bytes`, `p50_ms`, `quality`, `quality_unit` and
    `compressed`, as `classroom.read_ledger` gives them, drawn from top to bottom.
    Raises ValueError if there is none.
    """
    if not rows:
        raise ValueError("The ledger has no row yet: run `python3 kit.py bench --save`.")
    figure = new_figure(11.6, 1.7 + 0.34 * len(rows))
    figure.get_layout_engine().set(w_pad=0.2)  # inches: a note may reach beyond its axes
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 2))
    colours = [colour("compressed" if row.compressed else "fp32") for row in rows]
    _dots(left, [row.file_bytes for row in rows], colours, [_size(row) for row in rows], 30)
    _dots(right, [row.p50_ms for row in rows], colours, [_speed(row) for row in rows], 10_000)
    left.set(xlabel="bytes of the file (log scale)", ylabel="model", title="What it weighs")
    right.set(xlabel="milliseconds a frame (log scale)", title="What a frame takes, one core")
    left.xaxis.set_major_formatter(lambda value, _: readable_count(value))
    right.xaxis.set_major_formatter(lambda value, _: f"{value:g}" if value <= 1000 else "")
    right.axvline(FRAME_BUDGET_MS, color=BUDGET, linestyle="--")
    right.annotate(
        f"{FRAME_BUDGET_MS:.0f} ms", (FRAME_BUDGET_MS, -0.55), (5, 0), color=BUDGET, **LABEL
    )
    left.set_yticks(range(len(rows)), [f"{row.chapter}  {row.model}" for row in rows])
    left.set_ylim(len(rows) - 0.4, -1.0)
    figure.legend(
        handles=[
            Patch(color=colour("fp32"), label="as trained"),
            Patch(color=colour("compressed"), label="after a technique of the kit"),
        ],
        loc="outside lower center", ncols=2,
    )  # fmt: skip
    return Figure(figure, _ledger_alt(rows, True), _ledger_alt(rows, False))


def _dots(
    axes: Axes, values: list[float], colours: list[str], notes: list[str], room: float
) -> None:
    low = min(values) / 2
    for position, (value, shade, note) in enumerate(zip(values, colours, notes, strict=True)):
        axes.plot([low, value], [position, position], color=shade, linewidth=3)
        axes.plot(value, position, "o", color=shade, markersize=10)
        axes.annotate(note, (value, position), (9, -4), color=INK, bbox=WHITE, **LABEL)
    axes.set(xscale="log", xlim=(low, max(values) * room))
    axes.grid(visible=False, axis="y")


def _size(row) -> str:
    return f"{readable_count(row.file_bytes)}B"


def _speed(row) -> str:
    return f"{readable_number(row.p50_ms)} ms, {row.quality:.1f} {row.quality_unit}"


def _ledger_alt(rows: Sequence, digits: bool) -> str:
    def name(row) -> str:
        return f"{row.model} ({_size(row)}, {_speed(row)})" if digits else row.model

    return "File sizes and milliseconds a frame of: " + ", ".join(map(name, rows)) + "."
