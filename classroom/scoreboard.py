"""The scoreboard: every claim that a built chapter judges, gathered in one place.

A chapter judges claims with `classroom.claims_table`. The scoreboard reads the tables out of the
built notebooks, so it can say nothing else than the chapters do. Used in chapter 15.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from classroom.claims import CAPTION, COLOURS, VERDICTS, Claim

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
NONE = "No claim has this verdict."
SAME = "the same"
CHAPTER_FILE = re.compile(r"(\d\d)_\w+\.ipynb")


@dataclass(frozen=True)
class Chapter:
    """A chapter and its claims. number: two digits. title: its first heading."""

    number: str
    title: str
    claims: tuple[Claim, ...]


def judged_claims(folder: Path | str = NOTEBOOKS, before: str = "15") -> list[Chapter]:
    """The chapters below `before` that judge claims, in order, as they were built.

    folder: where the built notebooks lie. before: two digits, the chapter that asks.
    Raises FileNotFoundError if the folder holds no built chapter with a claim, ValueError if a
    notebook or one of its tables is damaged.
    """
    chapters = []
    for path in sorted(Path(folder).glob("*.ipynb")):
        named = CHAPTER_FILE.fullmatch(path.name)
        if named and named[1] < before:
            notebook = _read(path)
            claims = tuple(claim for table in _tables(notebook) for claim in _claims(table, path))
            if claims:
                chapters.append(Chapter(named[1], _title(notebook), claims))
    if not chapters:
        raise FileNotFoundError(
            f"{folder} holds no built chapter with a claim: run `python3 kit.py build`."
        )
    return chapters


def _read(path: Path) -> NotebookNode:
    import nbformat  # takes two seconds, which chapters without a scoreboard are spared

    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises errors of many kinds, its own and json's
        raise ValueError(
            f"{path.name} is no readable notebook: run `python3 kit.py build {path.name[:2]}`."
        ) from error


def _title(notebook: NotebookNode) -> str:
    headings = re.findall(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)
    return headings[0] if headings else "untitled"


def _tables(notebook: NotebookNode) -> list[str]:
    """HTML of every claims table among the outputs."""
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pages = ["".join(output.get("data", {}).get("text/html", "")) for output in shown]
    return [page for page in pages if f"<caption>{CAPTION}</caption>" in page]


def _claims(table: str, path: Path) -> list[Claim]:
    try:
        rows = ElementTree.fromstring(table).findall("tbody/tr")
        texts = _with_sources([[cell.text or "" for cell in row] for row in rows])
        return [
            Claim(source, says, found, verdict.lower()) for source, says, found, verdict in texts
        ]
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(
            f"A claims table of {path.name} is damaged ({error}): "
            f"run `python3 kit.py build {path.name[:2]}`."
        ) from error


def _with_sources(rows: list[list[str]]) -> list[list[str]]:
    """Rows whose source is "the same", of the row before, with that source's name."""
    before = ""
    for row in rows:
        if row[0].startswith(SAME):
            place = row[0].removeprefix(SAME)
            row[0] = before.split(",")[0] + place if place else before
        before = row[0]
    return rows


class Scoreboard:
    """Claims as one HTML table, and their verdicts counted as text. See `scoreboard`.

    verdict: the one that all of them have, or None where every claim is shown.
    """

    def __init__(self, chapters: Sequence[Chapter], verdict: str | None = None):
        self.chapters = list(chapters)
        shown = "Every claim that the kit judged" if verdict is None else f"Claims {verdict}"
        self.caption = f"{shown}, chapter by chapter"

    @property
    def counts(self) -> dict[str, int]:
        """Verdict -> number of claims, every verdict listed."""
        found = Counter(claim.verdict for chapter in self.chapters for claim in chapter.claims)
        return {verdict: found[verdict] for verdict in VERDICTS}

    def __repr__(self) -> str:
        lines = []
        for chapter in self.chapters:
            lines.append(f"{chapter.number} {chapter.title}")
            lines += [f"  {claim.verdict}: {claim.says}" for claim in chapter.claims]
        return "\n".join(lines) or NONE

    def _repr_html_(self) -> str:
        if not self.chapters:
            return f"<p>{NONE}</p>"
        titles = ("Source", "It says", "Measured", "Verdict")
        left = 'style="text-align:left"'
        head = "".join(f'<th scope="col" {left}>{title}</th>' for title in titles)
        body = "".join(_chapter_rows(chapter) for chapter in self.chapters)
        return (
            f"<table><caption>{self.caption}</caption><thead><tr>{head}</tr></thead>{body}</table>"
        )


def _chapter_rows(chapter: Chapter) -> str:
    left = 'style="text-align:left"'
    name = escape(f"{chapter.number} {chapter.title}")
    lines = [f'<tr><th scope="rowgroup" colspan="4" {left}>{name}</th></tr>']
    for claim in chapter.claims:
        cells = [f"<td {left}>{escape(t)}</td>" for t in (claim.source, claim.says, claim.measured)]
        mark = f"text-align:left;white-space:nowrap;font-weight:bold;color:{COLOURS[claim.verdict]}"
        lines.append(f'<tr>{"".join(cells)}<td style="{mark}">{claim.verdict}</td></tr>')
    return f"<tbody>{''.join(lines)}</tbody>"


def scoreboard(
    folder: Path | str = NOTEBOOKS, verdict: str | None = None, before: str = "15"
) -> Scoreboard:
    """Every claim of the built chapters below `before`; `verdict` keeps those of one verdict.

    Raises ValueError if `verdict` is none of VERDICTS, and as `judged_claims` does.
    Used in chapter 15.
    """
    if verdict is not None and verdict not in VERDICTS:
        raise ValueError(f"A verdict is one of {', '.join(VERDICTS)}, got {verdict!r}.")
    chapters = judged_claims(folder, before)
    if verdict is not None:
        kept = [
            Chapter(each.number, each.title, tuple(c for c in each.claims if c.verdict == verdict))
            for each in chapters
        ]
        chapters = [chapter for chapter in kept if chapter.claims]
    return Scoreboard(chapters, verdict)
