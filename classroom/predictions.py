"""Predict first: the learner locks a guess before the answer is shown. Used in every chapter."""

import math
from collections.abc import Sequence
from html import escape

import ipywidgets as W

from classroom.choices import Choices
from classroom.readable import readable_number

CLOSE_FACTOR = 1.1

# Guesses of this session, by key: running the question's cell again does not unlock them.
_locked: dict[str, str | float] = {}


class Question(W.VBox):
    """A question whose guess can be locked once, by the button or with `lock`. See `predict`."""

    def __init__(self, key: str, text: str, options: Sequence[str] | None, unit: str | None):
        if (options is None) == (unit is None):
            raise ValueError(f"{key}: a question has either options=[...] or unit='ms', not both.")
        if options is not None and len(set(options)) < 2:
            raise ValueError(f"{key}: give at least two different options.")
        self.key, self.text, self.unit = key, text, unit
        self.options = None if options is None else list(options)
        self._input = _input_for(text, self.options, unit)
        self._button = W.Button(description="Lock my guess", button_style="primary")
        self._button.on_click(self._lock_input)
        self._status = W.HTML()
        label = W.HTML(f"<p><b>Predict:</b> {escape(text)}</p>")
        super().__init__([label, self._input, self._button, self._status])
        self.add_class("edu-question")
        if self.guess is not None:
            self._show_locked()

    @property
    def guess(self) -> str | float | None:
        """The locked guess, or None."""
        return _locked.get(self.key)

    def lock(self, guess: str | float) -> None:
        """Lock a guess: an option, or a number in the question's unit.

        Raises ValueError if a guess is locked already or the guess is none of the options.
        """
        if self.guess is not None:
            raise ValueError(f"{self.key}: the guess {self.guess!r} is locked and cannot change.")
        if self.options is not None:
            if guess not in self.options:
                raise ValueError(f"{self.key}: {guess!r} is none of {', '.join(self.options)}.")
            _locked[self.key] = guess
        else:
            number = float(guess)
            if not math.isfinite(number):
                raise ValueError(f"{self.key}: a guess is a finite number, got {guess}.")
            _locked[self.key] = number
        self._show_locked()

    def reveal(
        self, answer: str | float, explanation: str = "", digits_in_text: bool = False
    ) -> "Reveal":
        """The guess beside the answer. Without a guess it says so and shows the answer.

        answer: one of the options, or a number in the question's unit. explanation: why.
        digits_in_text: True lets nbval compare a number; keep False for a measured one.
        Raises ValueError if the answer is none of the options.
        """
        if self.options is not None and answer not in self.options:
            raise ValueError(f"{self.key}: {answer!r} is none of {', '.join(self.options)}.")
        return Reveal(self, answer, explanation, digits_in_text)

    def _lock_input(self, _button) -> None:
        try:
            self.lock(self._input.value)
        except ValueError:
            number = "Type a number such as 1500 or 2.5"
            wanted = "Choose an answer" if self.unit is None else number
            self._status.value = f"<p>{wanted} first, then lock it.</p>"

    def _show_locked(self) -> None:
        self._input.disabled = self._button.disabled = True
        self._input.value = self.guess if self.unit is None else f"{self.guess:,.10g}"
        self._status.value = f"<p>Locked: {escape(with_unit(self.guess, self.unit))}.</p>"

    def __repr__(self) -> str:
        if self.options is None:
            return f"Predict {self.key}: {self.text} (in {self.unit})"
        return f"Predict {self.key}: {self.text} ({' / '.join(self.options)})"

    def _repr_mimebundle_(self, **kwargs) -> dict:
        data = super()._repr_mimebundle_(**kwargs) or {}
        if self.options is None:
            choices = f"<p>(in {escape(self.unit)})</p>"
        else:
            choices = "<ul>" + "".join(f"<li>{escape(o)}</li>" for o in self.options) + "</ul>"
        data["text/plain"] = repr(self)
        data["text/html"] = f"<p><b>Predict:</b> {escape(self.text)}</p>{choices}"
        return data


def predict(
    key: str, text: str, options: Sequence[str] | None = None, unit: str | None = None
) -> Question:
    """Ask for a guess before the answer shows: `question = predict(...)`, later `.reveal(...)`.

    key: for example "ch05.latency". options: the answers to choose from; or unit: of a number.
    Raises ValueError unless exactly one of options and unit is given.
    """
    return Question(key, text, options, unit)


def _input_for(text: str, options: list[str] | None, unit: str | None) -> Choices | W.Text:
    if options is not None:
        return Choices(text, options)
    # one message when the field is left: letter by letter, the button's could overtake the last
    return W.Text(
        placeholder=f"your guess in {unit}",
        description=unit,
        tooltip=text,
        continuous_update=False,
    )


def with_unit(value: str | float, unit: str | None) -> str:
    """A value as a learner reads it: an option as it is, a number with its unit."""
    return str(value) if unit is None else f"{readable_number(value)} {unit}"


class Reveal:
    """The guess beside the answer; what `Question.reveal` returns."""

    def __init__(self, question: Question, answer, explanation: str, digits_in_text: bool):
        self.key = question.key
        self.digits_in_text = digits_in_text or question.options is not None
        self.has_guess = question.guess is not None
        self.sentence = _compare(question, answer)
        self.explanation = explanation

    def __repr__(self) -> str:
        if self.digits_in_text:
            return f"{self.sentence} {self.explanation}".strip()
        return f"{self.key}: " + ("guess and answer." if self.has_guess else "no guess was locked.")

    def _repr_html_(self) -> str:
        why = f"<p>{escape(self.explanation)}</p>" if self.explanation else ""
        return f"<p><b>{escape(self.sentence)}</b></p>{why}"


def _compare(question: Question, answer: str | float) -> str:
    shown = with_unit(answer, question.unit)
    guess = question.guess
    if guess is None:
        return f"No guess was locked. The answer is {shown}."
    said = f"You said {with_unit(guess, question.unit)}"
    if question.options is not None:
        return f"{said}: right." if guess == answer else f"{said}: not so. The answer is {shown}."
    return f"{said}, the answer is {shown}: {_distance(guess, float(answer), question.unit)}."


def _distance(guess: float, answer: float, unit: str) -> str:
    if unit == "%":
        return f"off by {readable_number(abs(guess - answer))} percentage points"
    if guess <= 0 or answer <= 0:
        return f"off by {readable_number(abs(guess - answer))} {unit}"
    factor = max(guess, answer) / min(guess, answer)
    return "close" if factor <= CLOSE_FACTOR else f"off by a factor {_rough(factor)}"


def _rough(factor: float) -> str:
    return readable_number(factor) if factor >= 99.5 else f"{factor:.2g}"
