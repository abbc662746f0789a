"""The numbers of a figure as a table, for readers who cannot see it and for those who want them."""

from html import escape

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure as MplFigure

MOST_POINTS = 12  # of one line: a longer one is shown at evenly spaced places
MOST_ROWS = 80  # of one figure
Row = tuple[str, str, str]  # series, x, y


def numbers_table(figure: MplFigure) -> str:
    """HTML of the lines, bars and dots of a figure, folded away; empty if there are none.

    Pictures have no rows; their alt text describes them. Used by `classroom.show`.
    """
    parts = []
    left = MOST_ROWS
    for axes in figure.axes:
        rows = rows_of(axes)[:left] if axes.axison and axes.get_visible() else []
        left -= len(rows)
        if rows:
            parts.append(_table(axes, rows))
    if not parts:
        return ""
    return f"<details><summary>The numbers of this figure</summary>{''.join(parts)}</details>"


def rows_of(axes: Axes) -> list[Row]:
    """(series, x, y) of what an axes shows; a series without a label has the number it came as."""
    rows = []
    bars = [each for each in axes.containers if isinstance(each, BarContainer)]
    for number, container in enumerate(bars, start=1):
        rows += _bar_rows(axes, container, _name(container, f"bars {number}"))
    barred = {
        each.lines[0]: each for each in axes.containers if isinstance(each, ErrorbarContainer)
    }
    for number, line in enumerate(axes.get_lines(), start=1):
        # a line across the whole axes is drawn in its coordinates and marks a value
        x, y = (np.asarray(values) for values in line.get_data(orig=False))
        if len(x) > 1 and line.get_transform() == axes.transData:
            rows += _point_rows(axes, x, y, _name(barred.get(line, line), f"line {number}"))
    dots = [each for each in axes.collections if isinstance(each, PathCollection)]
    for number, scatter in enumerate(dots, start=1):
        offsets = np.ma.filled(scatter.get_offsets(), np.nan)
        rows += _point_rows(axes, offsets[:, 0], offsets[:, 1], _name(scatter, f"dots {number}"))
    return rows


def _bar_rows(axes: Axes, container: BarContainer, name: str) -> list[Row]:
    lying = getattr(container, "orientation", "vertical") == "horizontal"
    rows = []
    for bar in container[:MOST_POINTS]:
        if lying:
            place = _shown(axes.yaxis, bar.get_y() + bar.get_height() / 2)
            rows.append((name, _number(_reach(axes.xaxis, bar.get_x(), bar.get_width())), place))
        else:
            place = _shown(axes.xaxis, bar.get_x() + bar.get_width() / 2)
            rows.append((name, place, _number(_reach(axes.yaxis, bar.get_y(), bar.get_height()))))
    return rows


def _reach(axis, start: float, length: float) -> float:
    """The value of a bar: its length, or where it ends on an axis that has no zero."""
    return start + length if axis.get_scale() == "log" else length


def _point_rows(axes: Axes, x: np.ndarray, y: np.ndarray, name: str) -> list[Row]:
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).round().astype(int))
    return [(name, _shown(axes.xaxis, x[n]), _shown(axes.yaxis, y[n])) for n in chosen]


def _shown(axis, value: float) -> str:
    """A place on an axis: the word that stands there, else the number."""
    words = [label.get_text() for label in axis.get_ticklabels()]
    is_words = any(word and not _is_number(word) for word in words)
    if is_words:
        for tick, word in zip(axis.get_ticklocs(), words, strict=True):
            if word and abs(tick - value) < 0.51:
                return word
    return _number(value)


def _is_number(word: str) -> bool:
    return not any(letter.isalpha() for letter in word.replace("mathdefault", ""))


def _number(value: float) -> str:
    return f"{float(value):,.4g}"


def _name(artist, otherwise: str) -> str:
    label = str(artist.get_label() or "")
    return otherwise if not label or label.startswith("_") else label


def _table(axes: Axes, rows: list[Row]) -> str:
    title = axes.get_title(loc="left") or axes.get_title() or "this figure"
    names = ("series", axes.get_xlabel() or "x", axes.get_ylabel() or "y")
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{escape(series)}</th><td>{escape(x)}</td><td>{escape(y)}</td></tr>'
        for series, x, y in rows
    )
    return (
        f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )
