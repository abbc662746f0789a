"""Comparisons that accept any answer and never raise: what a check is built from."""

import math
from typing import Any

from torch import Tensor


def as_number(answer: Any) -> float:
    """The answer as a float; NaN if it is no single number. A bool is no number."""
    if isinstance(answer, bool):
        return math.nan
    try:
        return float(answer)
    except (TypeError, ValueError, RuntimeError):
        return math.nan


def is_close(answer: Any, expected: float, relative: float = 1e-6) -> bool:
    """True if the answer is a number within `relative` of the expected one (1e-9 about zero)."""
    return math.isclose(as_number(answer), expected, rel_tol=relative, abs_tol=1e-9)


def tensor_fault(answer: Any, expected: Tensor, tolerance: float = 1e-4) -> str:
    """Empty if the answer equals the expected tensor, else what is different, in a few words."""
    if not isinstance(answer, Tensor):
        return f"it returned {type(answer).__name__}, not a tensor"
    if answer.shape != expected.shape:
        return f"the result has shape {list(answer.shape)}, it should have {list(expected.shape)}"
    difference = (answer.detach().double() - expected.double()).abs().max()
    if not difference <= tolerance:
        return f"the values differ from the right ones by up to {float(difference):.2g}"
    return ""
