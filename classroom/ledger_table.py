"""The ledger: one row a model, growing chapter by chapter, drawn against the frame budget."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from html import escape
from pathlib import Path

from classroom.plots.bars import frame_budget_bar
from classroom.plots.figure import image_html
from classroom.plots.style import FRAME_BUDGET_MS
from classroom.readable import readable_count, readable_number

LEDGER_FILE = Path(__file__).resolve().parents[1] / "data" / "results" / "ledger.json"
HEADINGS = ("Chapter", "Model", "Quality", "Params", "MACs", "File (bytes)", "p50 (ms)", "Backend")


@dataclass(frozen=True)
class LedgerRow:
    """One model. quality in quality_unit, file_bytes of the one file, p50_ms of one frame.

    chapter: two digits, such as "02". compressed: True colours its bar as a compressed model.
    Raises ValueError without a quality or without a positive time: such a row is not printed.
    """

    chapter: str
    model: str
    quality: float
    quality_unit: str
    params: int
    macs: int
    file_bytes: int
    p50_ms: float
    backend: str
    compressed: bool = False

    def __post_init__(self):
        if self.quality is None or not math.isfinite(self.quality):
            raise ValueError(f"{self.model}: a row without its quality is not printed.")
        if self.p50_ms is None or not (math.isfinite(self.p50_ms) and self.p50_ms > 0):
            raise ValueError(f"{self.model}: p50_ms must be positive milliseconds.")

    @property
    def inside(self) -> bool:
        """True if the model takes at most the 33 ms of one frame."""
        return self.p50_ms <= FRAME_BUDGET_MS


def read_ledger(path: Path | str = LEDGER_FILE) -> list[LedgerRow]:
    """The committed rows, in the file's order.

    Raises FileNotFoundError if there is no ledger yet, ValueError if the file is damaged; both
    say what to run.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            "No ledger is stored yet: run `python3 kit.py bench` to measure it."
        )
    known = {field.name for field in fields(LedgerRow)}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        return [LedgerRow(**{k: v for k, v in row.items() if k in known}) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"The ledger {path.name} is damaged ({error}): run `python3 kit.py bench` again."
        ) from error


class Ledger:
    """Table and frame-budget bars of ledger rows. See `ledger`."""

    def __init__(self, stored: Sequence[LedgerRow], mine: Sequence[LedgerRow], note: str = ""):
        self.entries = [(row, False) for row in stored] + [(row, True) for row in mine]
        self.note = note

    def __repr__(self) -> str:
        lines = [self.note] if self.note else []
        for row, is_mine in self.entries:
            place = "inside" if row.inside else "over"
            lines.append(f"{_name(row, is_mine)}: {place} the {FRAME_BUDGET_MS:.0f} ms budget")
        return "\n".join(lines) or "The ledger has no row yet."

    def _repr_html_(self) -> str:
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        if not self.entries:
            return note or "<p>The ledger has no row yet.</p>"
        head = "".join(f'<th scope="col">{heading}</th>' for heading in HEADINGS)
        body = "".join(_html_row(row, is_mine) for row, is_mine in self.entries)
        table = (
            "<table><caption>The ledger: one row a model</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )
        figure = self.figure()
        return note + table + image_html(figure.png, figure.alt)

    def figure(self):
        """Frame-budget bars of all rows, the learner's own marked "yours"."""
        return frame_budget_bar(
            [
                (_name(row, is_mine), row.p50_ms, "compressed" if row.compressed else "fp32")
                for row, is_mine in self.entries
            ]
        )


def ledger(upto: str, mine: Sequence[LedgerRow] = (), path: Path | str = LEDGER_FILE) -> Ledger:
    """All committed rows up to chapter `upto`, and the learner's own rows of this session.

    upto: two digits, such as "02". Without a stored ledger it says how to make one and shows the
    learner's rows. Raises ValueError if `upto` has another form or the file is damaged.
    """
    if not (len(upto) == 2 and upto.isdigit()):
        raise ValueError(f'upto is a chapter in two digits, such as "02", got {upto!r}.')
    try:
        stored = read_ledger(path)
    except FileNotFoundError as error:
        return Ledger([], mine, note=str(error))
    return Ledger([row for row in stored if row.chapter <= upto], mine)


def _name(row: LedgerRow, is_mine: bool) -> str:
    return f"{row.model} (yours)" if is_mine else row.model


def _html_row(row: LedgerRow, is_mine: bool) -> str:
    cells = [
        row.chapter, f"{row.quality:.2f} {row.quality_unit}", readable_count(row.params),
        readable_count(row.macs), f"{row.file_bytes:,}", readable_number(row.p50_ms), row.backend,
    ]  # fmt: skip
    shown = [f"<td>{escape(cell)}</td>" for cell in cells]
    name = f'<th scope="row">{escape(_name(row, is_mine))}</th>'
    weight = ' style="font-weight:bold"' if is_mine else ""
    return f"<tr{weight}>{shown[0]}{name}{''.join(shown[1:])}</tr>"
