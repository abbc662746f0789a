"""How long each section of each chapter takes, for whoever plans a lesson: python -m tools.minutes

Writes docs/minutes.md. A chapter states its minutes; they are shared among its sections by their
words and lines of code. CPU seconds and memory are those of data/results/chapter_seconds.json.
"""

import json
import re
import sys
from pathlib import Path

from tools.chapters import DATA, ROOT, sources
from tools.copies import write_file

MINUTES = ROOT / "docs" / "minutes.md"
WORDS_A_CODE_LINE = 5  # a line of code is read as slowly as so many words
STATED = re.compile(r"^# \| *(\d+)[^|\n]*\|", re.MULTILINE)

HEAD = """# Minutes

For whoever plans a lesson. Made of the chapters by `python -m tools.minutes`. A chapter states its
minutes, and they are shared among its sections by their words and lines of code: take them as a
proportion. CPU seconds are measured, on the machine that data/results/chapter_seconds.json names; a
chapter that trains takes them again each time that it is run from top to bottom.
"""


def main(path: Path = MINUTES) -> int:
    """Write the page."""
    record = json.loads((DATA / "results" / "chapter_seconds.json").read_text(encoding="utf-8"))
    parts = [chapter_minutes(source, record) for source in sources()]
    write_file(path, "\n".join([HEAD, *parts]).encode())
    return 0


def chapter_minutes(source: Path, record: dict) -> str:
    """The part of the page on one chapter."""
    text = source.read_text(encoding="utf-8")
    title = re.search(r"^# # (.*)", text, re.MULTILINE)[1]
    total = stated_minutes(text)
    seconds = record.get(source.stem)
    measured = "not measured yet" if seconds is None else f"{seconds:.0f} CPU seconds"
    peak = record.get("peak_mb", {}).get(source.stem)
    memory = "" if peak is None else f", {peak:,} MB"
    rows = "\n".join(f"| {name} | {part:.0f} |" for name, part in section_minutes(text, total))
    return (
        f"## {source.stem[:2]} {title}\n\n"
        f"{total} minutes to read · {measured}{memory}\n\n"
        f"| section | minutes |\n|---|---|\n{rows}\n"
    )


def stated_minutes(text: str) -> int:
    """The minutes to read that a chapter states in its first table.

    Raises ValueError if it states none.
    """
    found = STATED.search(text)
    if not found:
        raise ValueError("the first table of the chapter does not begin with its minutes")
    return int(found[1])


def section_minutes(text: str, total: int) -> list[tuple[str, float]]:
    """(heading, minutes) of each section of a source; together they take `total`."""
    parts = re.split(r"^# ## (?!#)(.*)$", text, flags=re.MULTILINE)
    sections = [("before the first section", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    weights = [(name, weight_of(body)) for name, body in sections]
    whole = sum(weight for _, weight in weights)
    return [(name, max(1.0, total * weight / whole)) for name, weight in weights]


def weight_of(body: str) -> int:
    """The words of the prose of a section, and its lines of code as words."""
    lines = [line for line in body.splitlines() if line.strip() and not line.startswith("# %%")]
    prose = [line for line in lines if line.startswith("# ") or line == "#"]
    return sum(len(line.split()) - 1 for line in prose) + WORDS_A_CODE_LINE * (
        len(lines) - len(prose)
    )


if __name__ == "__main__":
    sys.exit(main())
