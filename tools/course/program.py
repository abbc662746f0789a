"""What of a submission is run: the chapter's imports, the learner's own cells, answers and checks.

The cells of the chapter around the exercises train and time networks; no answer needs them.
"""

import ast
import hashlib
import json
import re
from dataclasses import asdict, dataclass, field

import nbformat

CHAPTER_CELL = re.compile(r"c\d{3}-[0-9a-f]{8}")  # ids that tools/chapters.py gives
HOLE = "Write your answer here, in place of this line."
TIDY = "torch.set_num_threads(1)"


@dataclass
class Unit:
    """One exercise. cells: the learner's own cells before it and the answer; check: its text."""

    name: str
    points: float
    cells: list[str]
    check: str


@dataclass
class Program:
    """Everything that is run for one submission, in order. imports: those of the chapter."""

    imports: str
    units: list[Unit] = field(default_factory=list)

    def key(self) -> str:
        """What two submissions share that run the same code."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()


def program_of(notebook: nbformat.NotebookNode) -> Program:
    """The program of a notebook of the course whose checks are in place."""
    program, waiting = Program(""), []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        grading = cell.metadata.get("nbgrader", {})
        if grading.get("grade"):
            unit = Unit(grading["grade_id"], float(grading["points"]), waiting, cell.source)
            program.units.append(unit)
            waiting = []
        elif grading.get("solution") or is_own(cell):
            waiting.append(cell.source)
        elif not program.imports:
            program.imports = imports_of(cell.source)
    return program


def is_own(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell is the learner's own: the chapter does not have it."""
    return "nbgrader" not in cell.metadata and not CHAPTER_CELL.fullmatch(cell.get("id", ""))


def is_hole(source: str) -> bool:
    """Whether an answer is still the hole that the course handed out."""
    return HOLE in source


def imports_of(source: str) -> str:
    """The import lines of the first cell of a chapter; empty if it cannot be read."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return ""
    lines = [ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join([*lines, TIDY] if "import torch" in lines else lines)
