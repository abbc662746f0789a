"""Comparisons and cases that accept any answer: what a check is built from.

A case is a pair (passed, hint). `number_case` and `tensor_case` know a few results that come from
known mistakes, and name the mistake in the hint.
"""

import math
from typing import Any

import numpy as np
from torch import Tensor

from classroom.readable import describe


class WrongForm(Exception):
    """An answer that has not the form asked for; the message is the hint. Ends the check."""


def parts(answer: Any, *names: str) -> list:
    """The parts of an answer that has several, such as (parameters, MACs).

    Accepts a tuple, a list, or a one-dimensional array or tensor. Raises WrongForm otherwise.
    """
    if isinstance(answer, Tensor | np.ndarray) and answer.ndim == 1:
        answer = answer.tolist()
    if not isinstance(answer, tuple | list) or len(answer) != len(names):
        raise WrongForm(
            f"return {len(names)} things, ({', '.join(names)}), not {describe(answer)}."
        )
    return list(answer)


def as_number(answer: Any) -> float:
    """The answer as a float; NaN if it is no single number. A bool or a text is no number."""
    if isinstance(answer, bool | str | bytes):
        return math.nan
    try:
        if isinstance(answer, np.ndarray):
            return float(answer.item())
        return float(answer)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return math.nan


def is_close(answer: Any, expected: float, relative: float = 1e-6) -> bool:
    """True if the answer is a number within `relative` of the expected one (1e-9 about zero)."""
    return math.isclose(as_number(answer), expected, rel_tol=relative, abs_tol=1e-9)


def is_whole(answer: Any) -> bool:
    """Whether the answer is an integer by its type, of Python, NumPy or PyTorch."""
    if isinstance(answer, Tensor):
        return answer.ndim == 0 and not answer.is_floating_point() and not answer.is_complex()
    return isinstance(answer, int | np.integer) and not isinstance(answer, bool)


def tensor_fault(answer: Any, expected: Tensor, tolerance: float = 1e-4) -> str:
    """Empty if the answer equals the expected tensor, else what is different, in a few words."""
    if not isinstance(answer, Tensor):
        return f"it returned {type(answer).__name__}, not a tensor"
    if answer.shape != expected.shape:
        return f"the result has shape {list(answer.shape)}, it should have {list(expected.shape)}"
    if not expected.numel():
        return ""
    difference = (answer.detach().double() - expected.double()).abs().max()
    if not difference <= tolerance:
        return f"the values differ from the right ones by up to {float(difference):.2g}"
    return ""


def number_case(
    answer: Any,
    expected: float,
    asked: str,
    why: str,
    mistakes: dict[str, float] | None = None,
    relative: float = 1e-6,
) -> tuple[bool, str]:
    """The case that an answer is one number. asked: what for. why: the idea behind the number.

    mistakes: the name of a known mistake, and the number that it gives.
    """
    if is_close(answer, expected, relative):
        return True, ""
    reason = _reason(answer, expected, why, mistakes or {})
    shown = f"{expected:,.0f}" if float(expected).is_integer() else f"{expected:,.7g}"
    return False, f"{asked}: {shown}, yours gives {describe(answer)}; {reason}."


def _reason(answer: Any, expected: float, why: str, mistakes: dict[str, float]) -> str:
    given = as_number(answer)
    if answer is None:
        return f"{why} (a function without `return` gives None)"
    if math.isnan(given):
        return f"{why} (return one number)"
    for relative in (1e-6, 1e-3):
        near = {name: wrong for name, wrong in mistakes.items() if is_close(given, wrong, relative)}
        if near:
            return min(near, key=lambda name: abs(given - near[name]))
        if _is_rounded(given, expected):
            return "do not round"
    return why


def _is_rounded(given: float, expected: float) -> bool:
    """Whether a number is the expected one, rounded, or cut to a whole one."""
    if not math.isfinite(expected):
        return False
    rounded = [round(expected, digits) for digits in range(5)]
    return any(is_close(given, each) for each in (*rounded, expected // 1, -(-expected // 1)))


def tensor_case(
    answer: Any,
    expected: Tensor,
    asked: str,
    why: str,
    mistakes: dict[str, Tensor] | None = None,
    tolerance: float = 1e-4,
) -> tuple[bool, str]:
    """The case that an answer is this tensor; mistakes: what known mistakes give."""
    fault = tensor_fault(answer, expected, tolerance)
    if not fault:
        return True, ""
    known = (mistakes or {}).items()
    named = (name for name, wrong in known if not tensor_fault(answer, wrong, tolerance))
    return False, f"{asked}: {fault}; {next(named, why)}."
