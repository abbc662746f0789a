"""Checks of the exercises: instant, with one hint in a clear sentence. Used from chapter 00 on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Cases = Callable[[Any], Iterator[tuple[bool, str]]]


class CheckFailed(Exception):
    """A check that does not pass. In a notebook it shows as its one sentence, with no trace."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True)
class Exercise:
    """A registered exercise: its cases yield (passed, hint) for an answer."""

    key: str
    points: int
    cases: Cases


@dataclass(frozen=True)
class Report:
    """Outcome of a check: how many of the cases passed, and the hint of the first that failed."""

    key: str
    passed: int
    total: int
    hint: str = ""

    def __str__(self) -> str:
        if self.hint:
            return f"{self.key}: {self.hint}"
        return f"{self.key}: {self.passed} of {self.total} checks pass"


_exercises: dict[str, Exercise] = {}


def exercise(key: str, points: int) -> Callable[[Cases], Cases]:
    """Decorator that registers a generator of (passed, hint) cases under `key`.

    Raises ValueError if the key is taken or the points are not positive.
    """
    if key in _exercises or points < 1:
        raise ValueError(f"{key}: an exercise has one check and at least one point.")

    def register(cases: Cases) -> Cases:
        _exercises[key] = Exercise(key, points, cases)
        return cases

    return register


def exercise_keys() -> list[str]:
    """The keys of all exercises, in order."""
    return sorted(_exercises)


def points(key: str) -> int:
    """Points of an exercise. Raises ValueError that lists the keys if `key` is unknown."""
    return _find(key).points


def check(key: str, answer: Any) -> None:
    """Check the learner's `answer`; prints how many checks pass.

    answer: what the exercise asks for, most often a function. Raises CheckFailed with the first
    hint, or ValueError that lists the keys if `key` is unknown.
    """
    report = grade(key, answer)
    if report.hint:
        raise CheckFailed(str(report)) from None
    print(report)


def grade(key: str, answer: Any) -> Report:
    """Run every case of an exercise on `answer`; never raises because of the answer."""
    chosen = _find(key)
    if not callable(answer):
        return Report(key, 0, 1, "give the function itself, without calling it.")
    watched = _Watched(answer)
    outcomes: list[tuple[bool, str]] = []
    try:
        for passed, hint in chosen.cases(watched):
            outcomes.append((bool(passed), hint))
    except NotImplementedError:
        outcomes.append((False, "not done yet: replace the line that raises."))
    except Exception as error:
        outcomes.append((False, watched.explain(error)))
    first_hint = next((hint for passed, hint in outcomes if not passed), "")
    return Report(key, sum(passed for passed, _ in outcomes), len(outcomes), first_hint)


class _Watched:
    """The learner's function, with its last call remembered for the hint."""

    def __init__(self, function: Callable):
        self._function = function
        self._call = ""
        self._finished = True

    def __call__(self, *arguments, **named):
        shown = [describe(argument) for argument in arguments]
        shown += [f"{name}={describe(argument)}" for name, argument in named.items()]
        self._call, self._finished = ", ".join(shown), False
        result = self._function(*arguments, **named)
        self._finished = True
        return result

    def explain(self, error: Exception) -> str:
        """One sentence about an error, raised inside the function or by what it returned."""
        happened = f"{type(error).__name__}: {error}".rstrip(".")
        if not self._finished:
            return f"your function raised {happened}, for the input ({self._call})."
        return (
            f"for the input ({self._call}) your function returned something that cannot be"
            f" compared ({happened})."
        )


def describe(value: Any) -> str:
    """A value in few characters: a tensor by its shape, anything else by its repr."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {list(value.shape)}"
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _find(key: str) -> Exercise:
    if key not in _exercises:
        raise ValueError(
            f"There is no exercise {key!r}. The keys are {', '.join(exercise_keys())}."
        )
    return _exercises[key]
