"""Where the chapters lie, and how a source becomes a notebook's cells."""

import hashlib
import json
import re
from pathlib import Path

import jupytext
import nbformat

from tools.copies import write_file

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "notebooks" / "source"
NOTEBOOKS = ROOT / "notebooks"
DATA = ROOT / "data"

NUMBER = re.compile(r"\{\{(?P<kind>results|published)\.(?P<path>[\w.\-]+)(?::(?P<form>[^}]+))?\}\}")
UNFILLED = re.compile(r"\{\{[^}\n]*(?:results|published)[^\n]*")
# a chapter's link to another one
TO_CHAPTER = re.compile(r"\[(?P<words>[^\]]+)\]\((?P<stem>\d\d_\w+)\.ipynb(?:#[^)]*)?\)")
GRADE_ID = re.compile(r"[a-zA-Z0-9_-]+")  # nbgrader takes no other characters
OWN_KEYS = {"tags", "exercise", "check", "points"}
SLIDE_KEYS = {"slide", "minutes", "tour"}  # tools/slide_content.py reads them in the source
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
KNOWN_TAGS = {"nbval-ignore-output", "raises-exception", "exercise", "check", "hide-input"}


def sources() -> list[Path]:
    """The source of each chapter, in order."""
    return sorted(SOURCES.glob("[0-9][0-9]_*.py"))


def notebook_of(source: Path) -> Path:
    """The notebook that is built from this source, one folder above it."""
    return source.parent.parent / source.with_suffix(".ipynb").name


def read_source(source: Path, data: Path = DATA) -> nbformat.NotebookNode:
    """The unexecuted notebook: cells with fixed ids, numbers filled in, nbgrader's metadata.

    Raises ValueError naming the number whose result file or key is missing, or the cell whose
    header holds a key that is not known.
    """
    notebook = jupytext.read(source)
    for position, cell in enumerate(notebook.cells):
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        cell["id"] = f"c{position:03d}-{digest}"
        if cell.cell_type == "markdown":
            cell.source = fill_numbers(cell.source, data)
        cell.metadata = cell_metadata(cell, position)
    refuse_repeated_names(notebook)
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def write_if_changed(notebook: nbformat.NotebookNode, target: Path) -> bool:
    """Write `notebook` in a fixed form, through a temporary name; False if it stood there so."""
    content = json.loads(nbformat.writes(notebook))
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if target.exists() and target.read_text(encoding="utf-8") == text:
        return False
    write_file(target, text.encode())
    return True


def fill_numbers(text: str, data: Path = DATA) -> str:
    """Replace each {{results.NAME.key:.1f}} by that number of data/results/NAME.json.

    {{published.NAME.key}} takes it from data/published. Raises ValueError naming what is missing.
    """

    def number(match: re.Match) -> str:
        name, *keys = match["path"].split(".")
        value = lookup(data / match["kind"] / f"{name}.json", keys)
        try:
            return format(value, match["form"] or "").replace("%", " %")  # as all prose has it
        except (ValueError, TypeError) as error:
            raise ValueError(f"{match[0]} cannot be written: {error}") from None

    filled = NUMBER.sub(number, text)
    left = UNFILLED.search(filled)
    if left:
        raise ValueError(f"{left[0]!r} names no number: write {{{{results.NAME.key:.1f}}}}")
    return filled


def lookup(path: Path, keys: list[str]) -> object:
    """The value below `keys` in a result file; list positions are numbers."""
    if not path.is_file():
        raise ValueError(f"the prose asks for a number of {path.name}, and there is no such file")
    value = json.loads(path.read_text(encoding="utf-8"))
    for key in keys:
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (KeyError, IndexError, ValueError, TypeError):
            raise ValueError(
                f"{path.name} has no {'.'.join(keys)}, which the prose asks for"
            ) from None
    return value


def cell_metadata(cell: nbformat.NotebookNode, position: int) -> dict:
    """Tags, and for exercises what nbgrader wants to know.

    In the source, `exercise="NAME"` marks the learner's cell and `check="NAME" points=2` the cell
    that checks it. Raises ValueError for another key, a name nbgrader refuses or missing points.
    """
    # jupytext notes blank lines and headings of a cell under keys of its own
    given = {key: cell.metadata[key] for key in cell.metadata if not key.startswith("lines_to")}
    unknown = sorted(set(given) - OWN_KEYS - SLIDE_KEYS)
    if unknown:
        raise ValueError(f"cell {position}: unknown in its header: {', '.join(unknown)}")
    tags = list(given.get("tags", []))
    metadata: dict = {}
    if "exercise" in given:
        tags.append("exercise")
        metadata["nbgrader"] = grading(given["exercise"], solution=True)
    if "check" in given:
        if not isinstance(given.get("points"), int):
            raise ValueError(f"cell {position}: check={given['check']!r} needs points=NUMBER")
        tags.append("check")
        metadata["nbgrader"] = grading(f"{given['check']}-check", points=given["points"])
    if "hide-input" in tags:
        metadata["jupyter"] = {"source_hidden": True}
    if tags:
        metadata["tags"] = tags
    return metadata


def refuse_repeated_names(notebook: nbformat.NotebookNode) -> None:
    """Raise ValueError if two cells have the same grade_id: nbgrader would lose one of them."""
    names = [
        cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata
    ]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"used by two cells: {', '.join(repeated)}; name each exercise once")


def grading(grade_id: str, solution: bool = False, points: int = 0) -> dict:
    """nbgrader's metadata of a learner's cell (solution) or of a cell that gives points.

    nbgrader takes no dots: ch01.size becomes ch01-size. Raises ValueError for another odd name.
    """
    grade_id = grade_id.replace(".", "-")
    if not GRADE_ID.fullmatch(grade_id):
        raise ValueError(f"{grade_id!r} is no name for an exercise: use letters, digits, . - and _")
    metadata = {
        "grade_id": grade_id,
        "schema_version": 3,
        "solution": solution,
        "grade": not solution,
        "locked": not solution,
        "task": False,
    }
    return metadata if solution else metadata | {"points": points}
