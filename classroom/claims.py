"""What a source says beside what was measured here, with a verdict that is computed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from classroom.readable import readable_number

CAPTION = "What the sources say, and what was measured here"
VERDICTS = ("reproduced", "partly", "undecided", "not reproduced")
COLOURS = {
    "reproduced": "#1F7A70",
    "partly": "#A4551E",
    "undecided": "#56606B",
    "not reproduced": "#C0392B",
}


@dataclass(frozen=True)
class Claim:
    """One claim. source: paper and section. says, measured: with their units. See `claim`.

    Raises ValueError if the verdict is none of VERDICTS.
    """

    source: str
    says: str
    measured: str
    verdict: str

    def __post_init__(self):
        if self.verdict not in VERDICTS:
            raise ValueError(f"A verdict is one of {', '.join(VERDICTS)}, got {self.verdict!r}.")


def verdict_of(
    target: float,
    measured: float,
    better: str,
    tolerance: float,
    partly_tolerance: float,
    scatter: float = 0.0,
) -> str:
    """Verdict from numbers alone.

    better: 'lower' or 'higher' says which side of the target also counts as reached, 'equal'
    accepts neither. shortfall <= tolerance: reproduced; <= partly_tolerance: partly; else not.
    scatter: how far `measured` may lie from its true value, such as two standard errors of a mean.
    If other verdicts would follow inside measured - scatter to measured + scatter, the verdict is
    undecided. Raises ValueError on another `better`, on NaN, on a negative scatter, or unless
    0 <= tolerance <= partly_tolerance.
    """
    if not (math.isfinite(target) and math.isfinite(measured)):
        raise ValueError(f"A claim needs finite numbers, got {target} and {measured}.")
    if not (math.isfinite(scatter) and scatter >= 0):
        raise ValueError(f"A scatter is a finite number of 0 or more, got {scatter}.")
    if not 0 <= tolerance <= partly_tolerance:
        raise ValueError(
            f"Tolerances must satisfy 0 <= tolerance <= partly_tolerance,"
            f" got {tolerance} and {partly_tolerance}."
        )
    if better not in ("lower", "higher", "equal"):
        raise ValueError(f"better is 'lower', 'higher' or 'equal', got {better!r}.")
    # A sum such as 0.95 + 0.05 is not exact in binary: allow for the rounding.
    slack = 1e-9 * max(abs(target), abs(measured))
    found = set()
    for shortfall in _shortfalls(target, measured, better, scatter):
        if shortfall <= tolerance + slack:
            found.add("reproduced")
        else:
            found.add("partly" if shortfall <= partly_tolerance + slack else "not reproduced")
    return found.pop() if len(found) == 1 else "undecided"


def _shortfalls(target: float, measured: float, better: str, scatter: float) -> tuple:
    """The least and the largest shortfall that the scatter allows."""
    if better == "equal":
        distance = abs(measured - target)
        return max(0.0, distance - scatter), distance + scatter
    shortfall = measured - target if better == "lower" else target - measured
    return shortfall - scatter, shortfall + scatter


def claim(
    source: str,
    says: str,
    target: float,
    measured: float,
    better: str,
    tolerance: float,
    partly_tolerance: float | None = None,
    unit: str = "",
    scatter: float = 0.0,
) -> Claim:
    """A claim whose verdict follows from its numbers.

    source: paper and section. says: what it states, in words. target, measured: in `unit`.
    better, tolerance, partly_tolerance, scatter: see `verdict_of`; partly_tolerance is twice the
    tolerance if not given. Raises ValueError as `verdict_of` does. Used in every chapter.
    """
    if partly_tolerance is None:
        partly_tolerance = 2 * tolerance
    verdict = verdict_of(target, measured, better, tolerance, partly_tolerance, scatter)
    shown = f"{measured:,}" if isinstance(measured, int) else readable_number(measured)
    if scatter:
        shown += f" ± {scatter:.2g}"
    return Claim(source, says, f"{shown} {unit}".strip(), verdict)


class ClaimsTable:
    """Claims as an HTML table, and as text. See `claims_table`."""

    def __init__(self, claims: Sequence[Claim], digits_in_text: bool):
        if not claims:
            raise ValueError("There is no claim to show: give at least one.")
        self.claims = list(claims)
        self.digits_in_text = digits_in_text

    def __repr__(self) -> str:
        lines = []
        for item in self.claims:
            measured = f" Measured: {item.measured}." if self.digits_in_text else ""
            lines.append(f"{_printed(item.verdict)}: {item.says} ({item.source}).{measured}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th scope="col" style="text-align:left">{title}</th>'
            for title in ("Source", "It says", "Measured here", "Verdict")
        )
        rows = "".join(_html_row(item) for item in self.claims)
        return (
            f"<table><caption>{CAPTION}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def claims_table(claims: Sequence[Claim], digits_in_text: bool = False) -> ClaimsTable:
    """Table of claims. A claim that fails is printed as failing, in capitals.

    digits_in_text: True puts the measured numbers into the text that nbval compares; keep False
    for what differs between machines. Raises ValueError if there is no claim.
    """
    return ClaimsTable(claims, digits_in_text)


def _printed(verdict: str) -> str:
    return verdict.upper() if verdict == "not reproduced" else verdict


def _html_row(item: Claim) -> str:
    left = 'style="text-align:left"'
    cells = "".join(f"<td {left}>{escape(text)}</td>" for text in (item.says, item.measured))
    verdict = (
        f'<td style="text-align:left;font-weight:bold;color:{COLOURS[item.verdict]}">'
        f"{_printed(item.verdict)}</td>"
    )
    return f'<tr><th scope="row" {left}>{escape(item.source)}</th>{cells}{verdict}</tr>'
