"""Grade a course folder with nbgrader: python3 kit.py grade FOLDER

Reads FOLDER/submitted/STUDENT/ASSIGNMENT. Writes FOLDER/grades.csv (a row a submission),
FOLDER/exercises.csv (a row an exercise), FOLDER/gradebook.db and FOLDER/feedback.
"""

import argparse
import csv
import io
import os
import re
import shutil
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from sqlalchemy.exc import SAWarning

from tools.copies import write_file
from tools.course import boxes, intake, steps
from tools.course.program import Program, program_of
from tools.course.supervise import Limits, Outcome, run

NO_BOX = (
    "bubblewrap (bwrap) is not on this machine: submissions run under limits and a fence, which"
    " hold mistakes and ordinary mischief and are no sandbox. See docs/course.md."
)
SUMS = ["student", "assignment", "points", "max_points", "state", "remarks"]
PARTS = ["student", "assignment", "exercise", "points", "max_points", "remark"]
LOOK = re.compile(
    r"\b(_hidden_inputs|_reference|hide|sys\.modules|gc|inspect|ctypes|subprocess|socket|os\.fork|"
    r"classroom\.score|classroom\.checks|setattr|__builtins__|builtins)\b"
)


def main(arguments: list[str]) -> int:
    """Grade everything that was handed in; returns 0, or 1 if nbgrader failed at something."""
    asked = options().parse_args(arguments)
    folder = Path(asked.folder).resolve()
    if not (folder / "gradebook.db").is_file() or not (folder / "release").is_dir():
        print(f"{folder} is no course folder: make one with `python3 kit.py release {folder}`.")
        return 2
    limits = Limits(asked.seconds, memory_gb=asked.memory_gb)
    print("Each submission runs in a bubblewrap box." if boxes.has_box() else NO_BOX)
    return grade(folder, limits, asked.at_once)


def options() -> argparse.ArgumentParser:
    """The words that `kit.py grade` takes."""
    parser = argparse.ArgumentParser(prog="kit.py grade", description=__doc__.split("\n")[0])
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("--seconds", type=float, default=180, help="for one submission")
    parser.add_argument("--memory-gb", type=float, default=2, help="for one submission")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="submissions")
    return parser


def grade(folder: Path, limits: Limits, at_once: int) -> int:
    """Run, score and answer every submission; returns 0, or 1 if nbgrader failed at something."""
    submissions = all_submissions(folder)
    print(f"{len(submissions)} submissions are graded.", flush=True)
    programs = {key_of(each): program(folder, each) for each in submissions}
    outcomes = run_all(folder, submissions, programs, limits, at_once)
    steps.ready = {programs[key].key(): found for key, found in outcomes.items()}
    steps.limits = limits
    shutil.rmtree(folder / steps.CHECKED_IN, ignore_errors=True)
    for submission in submissions:
        intake.write(submission, folder / steps.CHECKED_IN)
    warnings.filterwarnings("ignore", category=SAWarning)  # nbgrader's use of SQLAlchemy
    api = steps.nbgrader(folder, steps.CHECKED_IN)
    well = True
    for assignment in sorted({each.assignment for each in submissions}):
        well &= steps.said(api.autograde(assignment, "*", force=True, create=True), assignment)
        well &= steps.said(api.generate_feedback(assignment, force=True), assignment)
    steps.keep_to_this_machine(folder / "feedback")
    write_tables(folder, submissions, outcomes)
    print(f"Grades: {folder / 'grades.csv'}; feedback: {folder / 'feedback'}.")
    return 0 if well else 1


def key_of(submission: intake.Submission) -> tuple[str, str]:
    """What names a submission."""
    return submission.student, submission.assignment


def all_submissions(folder: Path) -> list[intake.Submission]:
    """What lies in `submitted` for the assignments that were released, in order."""
    released = {path.name for path in (folder / "release").iterdir() if path.is_dir()}
    places = sorted(path for path in (folder / "submitted").glob("*/*") if path.is_dir())
    for place in places:
        if place.name not in released:
            print(f"Left out: {place.relative_to(folder)}, which is no released assignment.")
    return [
        intake.take_in(folder, place.parent.name, place.name)
        for place in places
        if place.name in released
    ]


def program(folder: Path, submission: intake.Submission) -> Program:
    """What is run for a submission: its cells, with the checks as the teacher's source has them."""
    name = submission.assignment
    source = intake.nbformat.read(folder / "source" / name / f"{name}.ipynb", 4)
    checks = {intake.name_of(cell): cell.source for cell in source.cells}
    made = program_of(submission.notebook)
    for unit in made.units:
        unit.check = checks[unit.name]
    return made


def run_all(folder, submissions, programs, limits, at_once) -> dict[tuple, dict[str, Outcome]]:
    """The outcomes of every submission, `at_once` at the same time; empty ones are not run."""

    def one(submission: intake.Submission) -> dict[str, Outcome]:
        made = programs[key_of(submission)]
        if submission.state == intake.ANSWERED:
            found = run(made, folder, limits)
        else:
            text = f"Nothing to check: the notebook is {submission.state}."
            found = {unit.name: Outcome(0.0, text) for unit in made.units}
        total = sum(outcome.points for outcome in found.values())
        print(f"  {submission.student} {submission.assignment}: {total:g}", flush=True)
        return found

    with ThreadPoolExecutor(max(1, at_once)) as pool:
        results = list(pool.map(one, submissions))
    return dict(zip(map(key_of, submissions), results, strict=True))


def write_tables(folder: Path, submissions: list, outcomes: dict) -> None:
    """Write grades.csv and exercises.csv from the gradebook."""
    handed_in = {key_of(each): each for each in submissions}
    sums, parts = [], []
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}", steps.COURSE_ID) as book:
        for assignment in book.assignments:
            for student in book.students:
                key = (student.id, assignment.name)
                if key not in handed_in:
                    sums.append([*key, "", assignment.max_score, "not submitted", ""])
                    continue
                rows = rows_of(book, key, outcomes[key])
                parts += rows
                late = book.find_submission(key[1], key[0]).late_submission_penalty or 0.0
                sums.append(sum_of(handed_in[key], rows, late))
    write_table(folder / "grades.csv", SUMS, sums)
    write_table(folder / "exercises.csv", PARTS, parts)


def rows_of(book: Gradebook, key: tuple[str, str], outcomes: dict[str, Outcome]) -> list[list]:
    """A row for each exercise of one submission, with the points as the gradebook has them."""
    student, assignment = key
    try:
        notebook = book.find_submission_notebook(assignment, assignment, student)
    except MissingEntry:
        return []
    return [
        [*key, grade.name.removesuffix("-check"), grade.score, grade.max_score,
         outcomes[grade.name].stopped]
        for grade in notebook.grades
    ]  # fmt: skip


def sum_of(submission: intake.Submission, rows: list[list], late: float) -> list:
    """The row of one submission. Words that a teacher should look at stand in its remarks.

    late: points that nbgrader takes away for handing in late.
    """
    remarks = [*submission.remarks, *(f"{row[2]}: {row[5]}" for row in rows if row[5])]
    own = [c.source for c in submission.notebook.cells if intake.is_own(c) or is_answer(c)]
    words = sorted({word for text in own for word in LOOK.findall(text)})
    if words:
        remarks.append(f"read its code: it names {', '.join(words)}")
    if late:
        remarks.append(f"late: {late:g} points less")
    points, most = (sum(row[place] for row in rows) for place in (3, 4))
    total = max(0.0, round(points - late, 2))
    return [*key_of(submission), total, most, submission.state, "; ".join(remarks)]


def is_answer(cell) -> bool:
    """Whether a cell of a framed notebook is an answer."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def write_table(path: Path, head: list[str], rows: list[list]) -> None:
    """Write a CSV file whole; a text that a spreadsheet would take for a formula is quoted."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(head)
    for row in rows:
        table.writerow(
            [f"'{x}" if isinstance(x, str) and x[:1] in tuple("=+-@") else x for x in row]
        )
    write_file(path, text.getvalue().encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
