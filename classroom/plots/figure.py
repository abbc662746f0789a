"""A figure that carries its own description: PNG, alt text, and the line that tests compare."""

import base64
import io
import sys
from html import escape

from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from PIL import Image

from classroom.plots.numbers import numbers_table

PALETTE_SIZE = 256
MOST_PALETTE_COLOURS = 4096


class Figure:
    """A finished figure: shows as an image with alt text, and prints as "Figure: ...".

    figure: the matplotlib figure. alt: what a reader who cannot see it needs to know.
    text: the same without measured digits, which differ between machines; alt if not given.
    """

    def __init__(self, figure: MplFigure, alt: str, text: str | None = None):
        if not alt or not alt.strip():
            raise ValueError("A figure needs alt text: say in one sentence what it shows.")
        check_labels(figure)
        self.figure = figure
        self.alt = " ".join(alt.split())
        self.text = " ".join((text or alt).split())
        self.numbers = numbers_table(figure)
        self.png = to_png(figure)

    def __repr__(self) -> str:
        return f"Figure: {self.text}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        data = {
            "text/plain": repr(self),
            "text/html": image_html(self.png, self.alt) + self.numbers,
            "image/png": base64.b64encode(self.png).decode(),
        }
        return data, {"image/png": {"alt": self.alt}}


def show(figure: MplFigure, alt: str, text: str | None = None) -> Figure:
    """Wrap a matplotlib figure so that a notebook shows it once, with its alt text.

    alt: what the figure shows, in one sentence. text: what nbval compares, if `alt` holds measured
    digits. Raises ValueError on empty alt text and on axes without labels (an axes that shows a
    picture is switched off with `axes.set_axis_off()`). Used from chapter 00 on.
    """
    return Figure(figure, alt, text)


def check_labels(figure: MplFigure) -> None:
    """Raise ValueError if a visible axes of the figure has no x or no y label."""
    for number, axes in enumerate(figure.axes, start=1):
        if not axes.axison or not axes.get_visible() or axes.get_label() == "<colorbar>":
            continue
        for side in ("x", "y"):
            if not _is_labelled(figure, axes, side):
                raise ValueError(
                    f"Axes {number} has no {side} label: name the quantity and its unit with"
                    f" axes.set_{side}label(...), or switch a picture's axes off."
                )


def _is_labelled(figure: MplFigure, axes: Axes, side: str) -> bool:
    """True if the axis, one it is shared with, or the whole figure carries a label."""
    shared = getattr(axes, f"get_shared_{side}_axes")().get_siblings(axes)
    labels = [getattr(sibling, f"get_{side}label")() for sibling in shared]
    labels.append(getattr(figure, f"get_sup{side}label")())
    return any(label.strip() for label in labels)


def to_png(figure: MplFigure) -> bytes:
    """PNG bytes of a figure: the same figure always gives the same bytes, small ones.

    A figure of few colours is stored with a palette, which takes about a third of the bytes.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    _forget(figure)
    picture = Image.open(buffer).convert("RGB")
    if picture.getcolors(MOST_PALETTE_COLOURS) is not None:
        picture = picture.quantize(PALETTE_SIZE, dither=Image.Dither.NONE)
    small = io.BytesIO()
    picture.save(small, format="png", optimize=True)
    return small.getvalue()


def _forget(figure: MplFigure) -> None:
    """Close the figure in pyplot, if pyplot is in use: otherwise a notebook shows it twice."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure)


def image_html(png: bytes, alt: str) -> str:
    """HTML image element with the PNG inside and its alt text."""
    source = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{source}" alt="{escape(alt, quote=True)}">'
