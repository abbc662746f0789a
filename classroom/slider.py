"""A slider with a name that a screen reader says. Used by every explorer."""

from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent


class Slider(anywidget.AnyWidget):
    """A number between `low` and `high` in steps, by mouse, finger or keys.

    description: its name, beside it and for a screen reader. value: an int or a float, and it
    stays of that kind; a value beyond an end becomes that end. The page tells a new value when the
    handle comes to rest. The slider of ipywidgets 8.1 gives its handle no accessible name and has
    no option for one.
    """

    _esm = (HERE / "slider.js").read_text(encoding="utf-8")
    _css = (HERE / "slider.css").read_text(encoding="utf-8")
    description = traitlets.Unicode().tag(sync=True)
    low = traitlets.Float().tag(sync=True)
    high = traitlets.Float().tag(sync=True)
    step = traitlets.Float().tag(sync=True)
    value = traitlets.Any().tag(sync=True)  # `_within` makes it a number of its kind

    def __init__(self, description: str, low: float, high: float, step: float, value: float):
        self._kind = type(value)
        super().__init__(description=description, low=low, high=high, step=step, value=value)

    @traitlets.validate("value")
    def _within(self, proposal: dict) -> float:
        return self._kind(min(max(proposal["value"], self.low), self.high))
