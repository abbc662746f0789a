"""Checks of the exercises: `check("ch01.output_size", output_size)` in a check cell."""

from edu_lib.teach.checks import (
    ch00,
    ch01,
    ch02,
    ch03,
    ch04,
    ch05,
    ch06,
    ch07,
    ch08,
    ch09,
    ch10,
    ch11,
    ch12,
)
from edu_lib.teach.checks.checker import (
    CheckFailed,
    Report,
    check,
    exercise,
    exercise_keys,
    grade,
    points,
)

__all__ = [
    "CheckFailed",
    "Report",
    "ch00",
    "ch01",
    "ch02",
    "ch03",
    "ch04",
    "ch05",
    "ch06",
    "ch07",
    "ch08",
    "ch09",
    "ch10",
    "ch11",
    "ch12",
    "check",
    "exercise",
    "exercise_keys",
    "grade",
    "points",
]
