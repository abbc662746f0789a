"""Are submissions scored right, and how long does it take? python3 -m studies.grading

Releases a course, hands in forty submissions of every kind (studies/grading_submissions.py),
grades them with nbgrader as `kit.py grade` does, two at a time, and compares the gradebook with
what each deserves. Writes data/results/grading.json.
"""

import csv
import tempfile
import time
from collections import Counter
from pathlib import Path

import nbformat
import psutil

from edu_lib.measure import save_result
from studies import frame
from studies.grading_submissions import PRECIOUS, SEED, Case, cases
from tools.chapters import sources
from tools.course import boxes, grade, release
from tools.course.supervise import Limits

NAME = "grading"
AT_ONCE = 2


def hand_in(folder: Path, chosen: list[Case]) -> dict[tuple[str, str], Case]:
    """Write each case as a submission of a student of its own; returns them by their names."""
    placed = {}
    for number, case in enumerate(chosen, 1):
        student, name = f"student{number:02d}", case.assignment
        place = folder / "submitted" / student / name
        place.mkdir(parents=True)
        made = case.change(nbformat.read(folder / "release" / name / f"{name}.ipynb", 4))
        content = made if isinstance(made, bytes) else nbformat.writes(made).encode()
        (place / (case.file or f"{name}.ipynb")).write_bytes(content)
        placed[student, name] = case
    return placed


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def points_of(folder: Path) -> dict[str, dict[str, float]]:
    """The points of each exercise of each assignment, as the released notebooks say."""
    found = {}
    for path in sorted((folder / "release").glob("*/*.ipynb")):
        grading = [cell.metadata.get("nbgrader", {}) for cell in nbformat.read(path, 4).cells]
        found[path.stem] = {
            each["grade_id"].removesuffix("-check"): float(each["points"])
            for each in grading
            if each.get("grade")
        }
    return found


def compare(folder: Path, placed: dict[tuple[str, str], Case]) -> list[dict]:
    """One row for each submission: its kind, its points in the gradebook, and those deserved."""
    graded = {(row["student"], row["assignment"]): row for row in read_table(folder / "grades.csv")}
    worth, rows = points_of(folder), []
    for key, case in placed.items():
        deserved = round(case.deserves(worth[case.assignment]), 2)
        given = float(graded[key]["points"])
        rows.append({
            "kind": case.kind, "assignment": case.assignment, "points": given,
            "deserved": deserved, "right": abs(given - deserved) < 0.005,
        })  # fmt: skip
    return rows


def children() -> set[int]:
    """Processes of this machine that came from this one."""
    return {process.pid for process in psutil.Process().children(recursive=True)}


def trial(folder: Path, chosen: list[Case]) -> dict:
    """Release, hand in, grade, compare. Raises AssertionError if anything outside was touched."""
    PRECIOUS.mkdir()
    names = {case.assignment for case in chosen}
    assert release.release(folder, [p for p in sources() if p.stem in names], SEED) == 0
    placed, before = hand_in(folder, chosen), children()
    start = time.perf_counter()
    assert grade.grade(folder, Limits(), AT_ONCE) == 0
    seconds = time.perf_counter() - start
    assert children() <= before, "a process was left behind"
    assert not list(PRECIOUS.iterdir()), "a file was written, or the folder removed"
    PRECIOUS.rmdir()
    rows = compare(folder, placed)
    kinds = Counter(row["kind"] for row in rows)
    right = Counter(row["kind"] for row in rows if row["right"])
    return {
        "submissions": len(rows), "scored_right": sum(row["right"] for row in rows),
        "seconds": round(seconds, 1), "at_once": AT_ONCE, "in_a_box": boxes.has_box(),
        "kinds": {k: {"submissions": n, "scored_right": right[k]} for k, n in kinds.items()},
        "rows": rows,
    }  # fmt: skip


def main() -> None:
    """Grade all forty, and keep the figures."""
    frame.options(__doc__, {}, again=False, threads=None)
    with tempfile.TemporaryDirectory() as folder:
        figures = trial(Path(folder) / "course", cases())
    for row in figures["rows"]:
        if not row["right"]:
            print(row)
    print(f"{figures['scored_right']} of {figures['submissions']} in {figures['seconds']:.0f} s")
    save_result(NAME, figures, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
