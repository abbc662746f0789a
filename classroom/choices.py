"""The answers to choose from of a prediction. Used in every chapter."""

from collections.abc import Sequence
from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent


class Choices(anywidget.AnyWidget):
    """One of several answers, as radio buttons that keys reach: Tab, arrow keys, Space.

    question: what a screen reader says of the group. options: different texts.
    The radio buttons of ipywidgets have no common name: each is a group of its own, in which arrow
    keys move nowhere, and nothing says what they answer.
    """

    _esm = (HERE / "choices.js").read_text(encoding="utf-8")
    _css = (HERE / "choices.css").read_text(encoding="utf-8")
    question = traitlets.Unicode().tag(sync=True)
    options = traitlets.List(traitlets.Unicode()).tag(sync=True)
    index = traitlets.Int(None, allow_none=True).tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(self, question: str, options: Sequence[str]):
        super().__init__(question=question, options=list(options))
        self._told: int | None = None  # by a message, which comes before `index` does
        self.on_msg(self._hear)

    @property
    def value(self) -> str | None:
        """The chosen answer, or None. Setting it raises ValueError unless it is an option."""
        number = self.index if self._told is None else self._told
        return None if number is None else self.options[number]

    @value.setter
    def value(self, answer: str) -> None:
        self.index, self._told = self.options.index(answer), None

    def _hear(self, _widget, content: dict, _buffers: list) -> None:
        number = content.get("index")
        if number in range(len(self.options)):
            self._told = number
