"""Makes of each submission a notebook that nbgrader can grade, whatever was handed in.

What is in `submitted` is only read. The released notebook gives the frame; the answers and the
learner's own cells come from the submission. So a deleted check, a check moved above its answer, a
copied or split answer, another file name or a broken file costs nobody else anything.
"""

import json
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbgrader.utils import parse_utc

from tools.copies import write_file
from tools.course.program import imports_of, is_hole, is_own

MOST_BYTES = 20_000_000
MOST_OWN_CELLS = 200
UNREADABLE = "unreadable"
EMPTY = "empty"
ANSWERED = "answered"
TASK = "### Exercise"


@dataclass
class Submission:
    """What one learner handed in for one assignment. state: answered, empty or unreadable.

    time: when, as nbgrader writes it into timestamp.txt, or empty.
    """

    student: str
    assignment: str
    notebook: nbformat.NotebookNode
    state: str = ANSWERED
    remarks: list[str] = field(default_factory=list)
    time: str = ""


def take_in(folder: Path, student: str, assignment: str) -> Submission:
    """Read folder/submitted/student/assignment against the released notebook."""
    released = nbformat.read(folder / "release" / assignment / f"{assignment}.ipynb", 4)
    place = folder / "submitted" / student / assignment
    remarks: list[str] = []
    time = time_of(place / "timestamp.txt", remarks)
    try:
        cells = read_cells(choose(place, assignment, remarks))
    except ValueError as error:
        bare, remarks = framed(released, {}, []), [*remarks, str(error)]
        return Submission(student, assignment, bare, UNREADABLE, remarks, time)
    answers = answers_of(cells, released, remarks)
    holes = all(is_hole(text) for text in answers.values())
    own = [cell for cell in cells if is_own(cell) and cell.cell_type == "code"]
    if len(own) > MOST_OWN_CELLS:
        remarks.append(f"only the first {MOST_OWN_CELLS} own cells are run")
    notebook = framed(released, answers, placed(cells, own[:MOST_OWN_CELLS]))
    return Submission(student, assignment, notebook, EMPTY if holes else ANSWERED, remarks, time)


def time_of(path: Path, remarks: list[str]) -> str:
    """When a submission was collected, by nbgrader's file; a time that is none is left out."""
    if not path.is_file() or path.is_symlink():
        return ""
    with path.open("rb") as file:
        text = file.read(100).decode("ascii", "replace").strip()
    try:
        parse_utc(text)
    except (ValueError, OverflowError):
        remarks.append("timestamp.txt holds no time")
        return ""
    return text


def choose(place: Path, assignment: str, remarks: list[str]) -> Path:
    """The notebook of a submission, by its name or as the only one; raises ValueError if none."""
    found = sorted(
        path
        for path in place.glob("*.ipynb")
        if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
    )
    named = [path for path in found if path.stem == assignment]
    if not found:
        raise ValueError("there is no notebook in the folder")
    chosen = named[0] if named else max(found, key=lambda path: path.stat().st_mtime)
    if len(found) > 1:
        remarks.append(f"{len(found)} notebooks were handed in, {chosen.name} is graded")
    elif not named:
        remarks.append(f"the file was renamed to {chosen.name}")
    return chosen


def read_cells(path: Path) -> list[nbformat.NotebookNode]:
    """The cells of a notebook file, of any version of the format; raises ValueError if broken."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path.name} is larger than {MOST_BYTES / 1e6:.0f} MB")
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), 4)
        cells = [plain(cell) for cell in notebook.cells]
    except (Exception, RecursionError) as error:  # whatever a hostile file makes a library raise
        raise ValueError(f"{path.name} is no notebook ({type(error).__name__})") from None
    return cells


def plain(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A cell with what grading needs; raises if it is not of the form of a cell."""
    grading = cell.get("metadata", {}).get("nbgrader", {})
    name = grading.get("grade_id") if isinstance(grading, dict) else None
    source = cell["source"]
    kept = nbformat.from_dict({"cell_type": str(cell["cell_type"]), "metadata": {}, "source": ""})
    kept.source = source if isinstance(source, str) else "".join(source)
    json.dumps(kept.source).encode()
    kept["id"] = str(cell.get("id", ""))
    if isinstance(name, str):
        kept.metadata["nbgrader"] = {"grade_id": name}
    return kept


def answers_of(cells: list, released: nbformat.NotebookNode, remarks: list[str]) -> dict[str, str]:
    """The text of each answer by its name. Of copies, holes are dropped and the rest joined."""
    answers = {}
    for frame in released.cells:
        grading = frame.metadata.get("nbgrader", {})
        if not grading.get("solution"):
            continue
        name = grading["grade_id"]
        texts = [
            cell.source for cell in cells if cell.cell_type == "code" and name_of(cell) == name
        ]
        filled = list(dict.fromkeys(text for text in texts if not is_hole(text) and text.strip()))
        answers[name] = "\n\n".join(filled) if filled else frame.source
        if not texts:
            remarks.append(f"the cell of {name} is missing")
        elif len(texts) > 1:
            remarks.append(f"the cell of {name} is there {len(texts)} times")
    return answers


def name_of(cell: nbformat.NotebookNode) -> str:
    """The name by which nbgrader knows a cell, or an empty text."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def placed(cells: list, own: list) -> list[tuple[str, str]]:
    """(name of the answer that follows, text) of each own cell; what comes last gets ""."""
    result, names = [], [name_of(cell) for cell in cells]
    for cell in own:
        after = names[next(i for i, other in enumerate(cells) if other is cell) :]
        name = next((name for name in after if name), "")
        result.append((name.removesuffix("-check"), cell.source))
    return result


def framed(released: nbformat.NotebookNode, answers: dict, own: list) -> nbformat.NotebookNode:
    """The released notebook's exercises with these answers, and own cells before them."""
    frame, kept = deepcopy(released), []
    title, imports = frame.cells[0], next(c for c in frame.cells if c.cell_type == "code")
    imports.source = imports_of(imports.source)
    kept += [title, imports]
    for before, cell in zip([title, *frame.cells], frame.cells, strict=False):
        grading = cell.metadata.get("nbgrader", {})
        if grading.get("solution"):
            name = grading["grade_id"]
            if before.cell_type == "markdown":
                before.source = before.source[max(0, before.source.find(TASK)) :]
                kept.append(before)
            texts = [text for place, text in own if place == name]
            kept += [new_cell(f"own-{name}-{number}", text) for number, text in enumerate(texts)]
            cell.source = answers.get(name, cell.source)
        if grading:
            kept.append(cell)
    frame.cells = kept
    return frame


def new_cell(name: str, text: str) -> nbformat.NotebookNode:
    """A cell of the learner's own, under an id of its own."""
    cell = nbformat.v4.new_code_cell(text)
    cell["id"] = name[:64]
    return cell


def write(submission: Submission, folder: Path) -> None:
    """Lay the notebook where nbgrader looks for it; a time stamp goes with it."""
    target = folder / submission.student / submission.assignment
    target.mkdir(parents=True, exist_ok=True)
    text = nbformat.writes(submission.notebook)
    write_file(target / f"{submission.assignment}.ipynb", text.encode("utf-8", "replace"))
    if submission.time:
        write_file(target / "timestamp.txt", submission.time.encode())
