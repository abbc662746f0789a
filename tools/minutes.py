"""How long each chapter, section and exercise takes: python -m tools.minutes

Writes docs/minutes.md, for whoever plans a lesson, and the numbers of the README's table. A chapter
states its minutes and those of its exercises; the first are shared among its sections by their
words and lines of code. CPU seconds and memory are those of data/results/chapter_seconds.json, what
a first start costs those of newcomer.json, where that has been measured.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.chapters import DATA, ROOT, sources
from tools.copies import write_file

MINUTES, README = ROOT / "docs" / "minutes.md", ROOT / "README.md"
NEWCOMER_STEPS = ("clone", "install", "first_result", "again")
WORDS_A_CODE_LINE = 5  # a line of code is read as slowly as so many words
STATED = re.compile(r"^# \| *(\d[^|\n]*)\|", re.MULTILINE)
EXERCISE = re.compile(
    r"^# ### Exercise \d+: (?P<title>[^\n]*) \((?P<points>\d+) points?, (?P<minutes>\d+) minutes\)"
    r".*?^# %%[^\n]* exercise=\"(?P<key>[\w.]+)\"",
    re.MULTILINE | re.DOTALL,
)
FIRST_START = re.compile(r"(<!-- first start -->).*?(<!-- -->)", re.DOTALL)  # in the README
ROW = re.compile(r"^(\| \[(\d\d) [^|]*\|[^|]*\|).*$", re.MULTILINE)  # of the README's table

HEAD = """# Minutes

For whoever plans a lesson. Made of the chapters by `python -m tools.minutes`. A chapter states its
minutes, and they are shared among its sections by their words and lines of code: take them as a
proportion. The minutes of an exercise come on top. CPU seconds are measured, on the machine that
data/results/chapter_seconds.json names; a chapter that trains takes them again each time that it is
run from top to bottom.

| chapter | minutes to read | exercises | points | minutes for them | CPU seconds |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Exercise:
    """What a chapter states of an exercise."""

    key: str
    title: str
    points: int
    minutes: int


def main(path: Path = MINUTES, readme: Path = README) -> int:
    """Write the page, and the README with the numbers of its table to `readme`."""
    record = result("chapter_seconds")
    numbers = {source.stem[:2]: numbers_of(source, record) for source in sources()}
    rows = [table_row([number, *cells]) for number, cells in numbers.items()]
    sums = [sum(cells) for cells in list(zip(*numbers.values(), strict=True))[:-1]]
    parts = [chapter_minutes(source, record) for source in sources()]
    page = HEAD + "\n".join([*rows, table_row(["all", *sums, ""]), "", *parts])
    write_file(path, page.encode())
    read_and_run = {number: [cells[0], *cells[-2:]] for number, cells in numbers.items()}
    front = README.read_text(encoding="utf-8")
    front = ROW.sub(lambda row: row[1] + table_row(read_and_run[row[2]])[1:], front)
    told = first_start(result("newcomer"))
    front = FIRST_START.sub(lambda found: found[1] + told + found[2], front)
    write_file(readme, front.encode())
    return 0


def result(name: str) -> dict:
    """What stands in a result file; nothing if it was never measured."""
    path = DATA / "results" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def first_start(found: dict) -> str:
    """What the README says of a newcomer's wait. found: the figures of studies.newcomer."""
    if not found:
        return ""
    seconds = {step: f"{found['cpu_seconds'][step]:.0f}" for step in NEWCOMER_STEPS}
    return (
        " From nothing to the first digit that a network reads, in CPU seconds, downloads not"
        f" counted: clone {seconds['clone']}, install {seconds['install']}, lab and first result"
        f" {seconds['first_result']}; at the second start {seconds['again']}."
    )


def numbers_of(source: Path, record: dict) -> list:
    """A chapter's row: minutes to read; exercises, their points and minutes; CPU seconds."""
    text = source.read_text(encoding="utf-8")
    tasks = exercises_of(text)
    points, minutes = sum(task.points for task in tasks), sum(task.minutes for task in tasks)
    seconds = record.get(source.stem)
    measured = "" if seconds is None else f"{seconds:.0f}"
    return [stated_minutes(text), len(tasks), points, minutes, measured]


def table_row(cells: list) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def exercises_of(text: str) -> list[Exercise]:
    """The exercises of a source, in order."""
    return [
        Exercise(each["key"], each["title"], int(each["points"]), int(each["minutes"]))
        for each in EXERCISE.finditer(text)
    ]


def chapter_minutes(source: Path, record: dict) -> str:
    """The part of the page on one chapter."""
    text = source.read_text(encoding="utf-8")
    title = re.search(r"^# # (.*)", text, re.MULTILINE)[1]
    total = stated_minutes(text)
    seconds = record.get(source.stem)
    measured = "not measured yet" if seconds is None else f"{seconds:.0f} CPU seconds"
    peak = record.get("peak_mb", {}).get(source.stem)
    memory = "" if peak is None else f", {peak:,} MB"
    rows = [table_row([name, f"{part:.0f}"]) for name, part in section_minutes(text, total)]
    tasks = [
        table_row([f"{task.title}: `{task.key}`", task.points, task.minutes])
        for task in exercises_of(text)
    ]
    return "\n".join(
        [
            f"## {source.stem[:2]} {title}\n",
            f"{total} minutes to read · {measured}{memory}\n",
            *("| section | minutes |", "|---|---|", *rows, ""),
            *("| exercise | points | minutes |", "|---|---|---|", *tasks, ""),
        ]
    )


def stated_minutes(text: str) -> int:
    """The minutes to read that a chapter states in its first table, all its parts together.

    Raises ValueError if it states none.
    """
    found = STATED.search(text)
    if not found:
        raise ValueError("the first table of the chapter does not begin with its minutes")
    return sum(map(int, re.findall(r"\d+", found[1])))


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
