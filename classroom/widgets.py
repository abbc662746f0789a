"""An explorer: controls beside a figure that follows them; a still where no kernel runs."""

import base64
from collections.abc import Callable, Sequence
from html import escape

import ipywidgets as W

from classroom.plots.convolution import draw_convolution
from classroom.plots.figure import Figure, image_html, to_png
from classroom.slider import Slider

CONTROL_STYLE = {"description_width": "9em"}


def control(name: str, value) -> W.DOMWidget:
    """Widget for a control: (min, max, step, default) is a slider, a list a dropdown.

    A slider of four whole numbers gives ints, any other one floats; a bool gives a checkbox; an
    ipywidget stays as it is. A dropdown starts at its first entry.
    Raises ValueError for anything else, or if the default lies outside the range.
    """
    label = name.replace("_", " ")
    common = {"description": label, "style": CONTROL_STYLE}
    if isinstance(value, W.ValueWidget):
        value.description = value.description or label
        return value
    if isinstance(value, bool):
        return W.Checkbox(value=value, **common)
    if isinstance(value, list) and value:
        return W.Dropdown(options=value, value=value[0], **common)
    if isinstance(value, tuple) and len(value) == 4:
        low, high, step, default = value
        if not low <= default <= high:
            raise ValueError(f"{name}: the default {default} lies outside {low} to {high}.")
        whole = all(isinstance(number, int) for number in value)
        return Slider(label, low, high, step, default if whole else float(default))
    raise ValueError(
        f"{name}: a control is (min, max, step, default), a list of choices, a bool or an"
        f" ipywidget, got {value!r}."
    )


class Explorer(W.VBox):
    """Controls, the figure that `draw` makes of their values, and one line of text.

    draw: called as draw(**values), returns (figure, text). controls: see `control`.
    A ValueError or any other error of `draw` is shown as text in place of the figure, and the
    next change of a control draws again. The text is the figure's alt text, and what nbval
    compares: keep measured digits out of it. Used from chapter 01 on.
    """

    def __init__(self, draw: Callable[..., tuple], **controls):
        if not controls:
            raise ValueError("An explorer needs at least one control, such as size=(1, 9, 2, 3).")
        self._draw = draw
        self.controls = {name: control(name, value) for name, value in controls.items()}
        self.png = b""
        self.text = ""
        self._picture = W.HTML()
        self._caption = W.HTML()
        for widget in self.controls.values():
            widget.observe(self._refresh, "value")
        self._refresh()
        wrapped = W.Box(list(self.controls.values()), layout={"flex_flow": "row wrap"})
        super().__init__([wrapped, self._picture, self._caption])
        self.add_class("edu-explorer")

    @property
    def values(self) -> dict:
        """The present value of each control, by name."""
        return {name: widget.value for name, widget in self.controls.items()}

    def _refresh(self, _change=None) -> None:
        try:
            figure, text = self._draw(**self.values)
            self.text = " ".join(text.split())
            self.png = figure.png if isinstance(figure, Figure) else to_png(figure)
            self._picture.value = image_html(self.png, self.text)
        except ValueError as error:
            self._show_error(str(error))
        except Exception as error:
            self._show_error(f"{type(error).__name__}: {error}")
        self._caption.value = f"<p>{escape(self.text)}</p>"

    def _show_error(self, message: str) -> None:
        self.png = b""
        self.text = f"This combination cannot be drawn. {message}"
        self._picture.value = ""

    def __repr__(self) -> str:
        return f"Explorer: {self.text}"

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict]:
        data = super()._repr_mimebundle_(**kwargs) or {}
        data["text/plain"] = repr(self)
        if not self.png:
            return data, {}
        data["text/html"] = image_html(self.png, self.text)
        data["image/png"] = base64.b64encode(self.png).decode()
        return data, {"image/png": {"alt": self.text}}


def conv_cost_explorer(defaults: Sequence[int] = (3, 16, 3, 1, 1, 1, 32)) -> Explorer:
    """Explorer of the cost of one convolution layer. Taught in chapter 01.

    defaults: in_channels, out_channels, kernel_size, stride, padding, groups, image_size.
    """
    c_in, c_out, kernel, stride, padding, groups, size = defaults
    return Explorer(
        draw_convolution,
        in_channels=(1, 64, 1, c_in),
        out_channels=(1, 64, 1, c_out),
        kernel_size=(1, 11, 1, kernel),
        stride=(1, 4, 1, stride),
        padding=(0, 5, 1, padding),
        groups=(1, 64, 1, groups),
        image_size=(4, 64, 1, size),
    )
