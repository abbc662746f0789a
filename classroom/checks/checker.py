"""Checks of the exercises: instant, with one hint in a clear sentence. Used from chapter 00 on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from classroom.checks import record
from classroom.checks.compare import WrongForm
from classroom.checks.guard import (
    LIMIT_SECONDS,
    AnswerRaised,
    Guard,
    TookTooLong,
    Watched,
    guarded,
)
from classroom.checks.hidden import Hidden

Cases = Callable[[Any], Iterator[tuple[bool, str]]]
LONGEST_HINT = 400


class CheckFailed(Exception):
    """A check that does not pass. In a notebook it shows as its one sentence, with no trace."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True)
class Exercise:
    """A registered exercise: its cases yield (passed, hint) for an answer.

    num_cases: how many cases a right answer passes. A check that ends at a wrong form still counts
    them all, so that a part of the points is the same share of the work for everybody.
    """

    key: str
    points: int
    num_cases: int
    cases: Cases


@dataclass(frozen=True)
class Report:
    """Outcome of a check: how many of the cases passed, and the hint of the first that failed.

    printed: what the answer printed, at most its first 2,000 characters.
    """

    key: str
    passed: int
    total: int
    hint: str = ""
    printed: str = ""

    def __str__(self) -> str:
        if self.hint:
            return f"{self.key}: {self.hint}"
        return f"{self.key}: {self.passed} of {self.total} checks pass"


_exercises: dict[str, Exercise] = {}
_hidden: dict[str, Hidden] = {}


def exercise(key: str, points: int, cases: int) -> Callable[[Cases], Cases]:
    """Decorator that registers a generator of (passed, hint) cases under `key`.

    points: those of the notebook's check cell. cases: how many a right answer passes.
    Raises ValueError if the key is taken or a number is not positive.
    """
    if key in _exercises or points < 1 or cases < 1:
        raise ValueError(f"{key}: an exercise has one check, a case and at least one point.")

    def register(function: Cases) -> Cases:
        _exercises[key] = Exercise(key, points, cases, function)
        return function

    return register


def hide(key: str, reference: Callable, inputs: Sequence[tuple]) -> None:
    """Add hidden cases to an exercise: the `reference` answers each of the `inputs`.

    A course puts this into the hidden part of a check cell. Raises ValueError that lists the keys
    if `key` is unknown.
    """
    _find(key)
    _hidden[key] = Hidden(reference, list(inputs))


def exercise_keys() -> list[str]:
    """The keys of all exercises, in order."""
    return sorted(_exercises)


def points(key: str) -> int:
    """Points of an exercise. Raises ValueError that lists the keys if `key` is unknown."""
    return _find(key).points


def check(key: str, answer: Any) -> None:
    """Check the learner's `answer`; prints how many checks pass.

    answer: what the exercise asks for, most often a function. Raises CheckFailed with the first
    hint, or ValueError that lists the keys if `key` is unknown. In the learner's own folder a pass
    is kept for `classroom.progress`, and each further failure says one step more.
    """
    report = grade(key, answer)
    _show_printed(report)
    if report.hint:
        raise CheckFailed(f"{report} {record.next_step(key)}".rstrip()) from None
    record.note(key)
    print(report)


def score(key: str, answer: Any) -> float:
    """The points that `answer` earns, a part of them if some cases fail; prints why.

    A float as the last value of a cell is what nbgrader takes for partial credit.
    Raises ValueError that lists the keys if `key` is unknown.
    """
    report = grade(key, answer)
    _show_printed(report)
    print(report)
    return round(float(points(key) * report.passed / report.total), 2)


def grade(key: str, answer: Any) -> Report:
    """Run every case of an exercise on `answer`; never raises because of the answer.

    A real Ctrl-C still interrupts. Raises ValueError that lists the keys if `key` is unknown.
    """
    chosen, hidden = _find(key), _hidden.get(key, Hidden(abs, ()))
    total = chosen.num_cases + len(hidden.inputs)
    if not callable(answer):
        return Report(key, 0, total, "give the function itself, without calling it.")
    guard, outcomes = Guard(), []
    watched = Watched(answer, guard)
    try:
        with guarded(guard):
            _run(chain(chosen.cases(watched), hidden.cases(watched)), watched, outcomes)
    except TookTooLong:
        hint = (
            f"no result after {LIMIT_SECONDS:g} seconds for the input ({watched.last_call}): look"
            " for a loop that never ends."
        )
        outcomes.append((False, hint))
    hint = next((hint for passed, hint in outcomes if not passed), "")
    passed = sum(passed for passed, _ in outcomes)
    return Report(key, passed, total, _one_line(hint), guard.output.getvalue())


def _run(cases: Iterator, watched: Watched, outcomes: list[tuple[bool, str]]) -> None:
    """Fills `outcomes`; the last one says whether the answer left its arguments alone."""
    try:
        for passed, hint in cases:
            outcomes.append((bool(passed), hint))
    except (AnswerRaised, WrongForm) as error:
        outcomes.append((False, str(error)))
    except BaseException as error:
        if watched.must_pass(error):
            raise
        hint = watched.changed or (
            f"for the input ({watched.last_call}) your function returned something that cannot be"
            f" compared ({type(error).__name__}: {error})."
        )
        outcomes.append((False, hint))
    else:
        if watched.takes_mutable:
            tried = any(passed for passed, _ in outcomes)  # leaving all alone is no achievement
            outcomes.append((tried and not watched.changed, watched.changed))


def _one_line(hint: str) -> str:
    line = " ".join(hint[: 10 * LONGEST_HINT].split())
    return line if len(line) <= LONGEST_HINT else line[: LONGEST_HINT - 3] + "..."


def _show_printed(report: Report) -> None:
    if report.printed:
        print("Your function printed:")
        print("\n".join(f"    {line}" for line in report.printed.splitlines()))


def _find(key: str) -> Exercise:
    if key not in _exercises:
        raise ValueError(
            f"There is no exercise {key!r}. The keys are {', '.join(exercise_keys())}."
        )
    return _exercises[key]
