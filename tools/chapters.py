"""Where the chapters lie, and how a source becomes a notebook's cells."""

import hashlib
import json
import re
from pathlib import Path

import jupytext
import nbformat

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "notebooks" / "source"
NOTEBOOKS = ROOT / "notebooks"
RESULTS = ROOT / "data" / "results"

NUMBER = re.compile(r"\{\{results\.(?P<path>[\w.\-/]+)(?::(?P<form>[^}]+))?\}\}")
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
KNOWN_TAGS = {"nbval-ignore-output", "raises-exception", "exercise", "check", "hide-input"}


def sources() -> list[Path]:
    """The source of each chapter, in order."""
    return sorted(SOURCES.glob("[0-9][0-9]_*.py"))


def notebook_of(source: Path) -> Path:
    """The notebook that is built from this source."""
    return NOTEBOOKS / source.with_suffix(".ipynb").name


def read_source(source: Path, results: Path = RESULTS) -> nbformat.NotebookNode:
    """The unexecuted notebook: cells with fixed ids, numbers filled in, nbgrader's metadata.

    Raises ValueError naming the number whose result file or key is missing.
    """
    notebook = jupytext.read(source)
    for position, cell in enumerate(notebook.cells):
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        cell["id"] = f"c{position:03d}-{digest}"
        if cell.cell_type == "markdown":
            cell.source = fill_numbers(cell.source, results)
        cell.metadata = cell_metadata(cell)
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def fill_numbers(text: str, results: Path = RESULTS) -> str:
    """Replace each {{results.NAME.key:.1f}} by that number of data/results/NAME.json."""

    def number(match: re.Match) -> str:
        name, *keys = match["path"].split(".")
        value = lookup(results / f"{name}.json", keys)
        return format(value, match["form"]) if match["form"] else str(value)

    return NUMBER.sub(number, text)


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


def cell_metadata(cell: nbformat.NotebookNode) -> dict:
    """Tags, and for exercises what nbgrader wants to know.

    In the source, `exercise="NAME"` marks the learner's cell and `check="NAME" points=2` the cell
    that checks it.
    """
    given = cell.metadata
    tags = list(given.get("tags", []))
    metadata: dict = {}
    if "exercise" in given:
        tags.append("exercise")
        metadata["nbgrader"] = grading(given["exercise"], solution=True)
    if "check" in given:
        tags.append("check")
        metadata["nbgrader"] = grading(f"{given['check']}-check", points=given["points"])
    if tags:
        metadata["tags"] = tags
    return metadata


def grading(grade_id: str, solution: bool = False, points: int = 0) -> dict:
    """nbgrader's metadata of a learner's cell (solution) or of a cell that gives points."""
    metadata = {
        "grade_id": grade_id,
        "schema_version": 3,
        "solution": solution,
        "grade": not solution,
        "locked": not solution,
        "task": False,
    }
    return metadata if solution else metadata | {"points": points}
