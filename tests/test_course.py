"""The course: what is released, how submissions are taken in, and what nbgrader makes of them."""

import os
import re
import runpy
from pathlib import Path

import nbformat
import pytest

from classroom.checks import checker, exercise_keys, grade, hide, points
from classroom.checks.guard import copied
from classroom.checks.hidden import agree
from studies import grading
from studies.grading_submissions import ONE, SIZE, answers, cases, solutions
from tools.chapters import read_source, sources
from tools.course import boxes, intake, program, release
from tools.course import grade as grading_command
from tools.course.inputs import MAKERS, WITHOUT, inputs

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kit.py grade needs Linux or macOS")
SAMPLE = ("half right", "copied cell", "broken file")  # all forty: python3 -m studies.grading
HEADING = re.compile(r"^### Exercise (\d): [^\n]+ \((\d) points?, (\d+) minutes\)$", re.M)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """(folder, figures) of a course of one chapter in which a sample of the forty was graded."""
    folder = tmp_path_factory.mktemp("course") / "course"
    chosen = [next(c for c in reversed(cases()) if c.kind == kind) for kind in SAMPLE]
    return folder, grading.trial(folder, chosen)


@pytest.mark.slow
def test_a_sample_is_scored_right(graded):
    figures = graded[1]
    assert [row["kind"] for row in figures["rows"] if not row["right"]] == []
    assert figures["submissions"] == len(SAMPLE)


@pytest.mark.slow
def test_the_released_notebook_holds_no_solution_and_no_hidden_test(graded):
    text = (graded[0] / "release" / ONE / f"{ONE}.ipynb").read_text(encoding="utf-8")
    assert not re.search("HIDDEN|_reference|SOLUTION", text)
    notebook = nbformat.reads(text, 4)
    holes = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("solution")]
    assert len(holes) == len(solutions(ONE))
    assert all(program.is_hole(cell.source) for cell in holes)
    assert "widgets" not in notebook.metadata
    assert not any(cell.get("outputs") for cell in notebook.cells)


@pytest.mark.slow
def test_points_in_the_notebook_the_check_and_the_gradebook_are_one_number(graded):
    released = grading.points_of(graded[0])[ONE]
    rows = grading.read_table(graded[0] / "exercises.csv")
    assert {row["exercise"] for row in rows} == set(released)
    for row in rows:
        key = row["exercise"].replace("-", ".", 1)
        assert float(row["max_points"]) == released[row["exercise"]] == points(key)


@pytest.mark.slow
def test_feedback_shows_hints_and_no_hidden_test_no_path_and_no_script_from_elsewhere(graded):
    pages = sorted((graded[0] / "feedback").glob("*/*/*.html"))
    assert len(pages) == len(SAMPLE)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(
            r"HIDDEN|_hidden|_reference|Traceback \(most|<script[^>]*src=.http", text
        )
        assert str(graded[0].parent) not in text
    shown = " ".join(pages[0].read_text(encoding="utf-8").split())
    assert "padding adds pixels on both sides" in shown


@pytest.mark.slow
def test_the_table_tells_what_was_odd(graded):
    rows = {row["student"]: row for row in grading.read_table(graded[0] / "grades.csv")}
    assert "is there 2 times" in rows["student02"]["remarks"]
    assert rows["student03"]["state"] == "unreadable"


def test_grading_a_folder_that_is_no_course(tmp_path, capsys):
    assert grading_command.main([str(tmp_path)]) == 2
    assert "is no course folder" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [([str(boxes.ROOT.parent)], "holds the kit"), (["x", "--chapters", "77"], "no chapter 77")],
)
def test_a_release_that_cannot_be_made(words, said, capsys):
    assert release.main(words) == 2
    assert said in capsys.readouterr().out


# what the chapters say


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_each_exercise_states_its_points_and_minutes(source):
    cells = read_source(source).cells
    stated = [match for cell in cells for match in HEADING.findall(cell.source)]
    graded_cells = [
        c.metadata.nbgrader for c in cells if c.metadata.get("nbgrader", {}).get("grade")
    ]
    assert len(stated) == len(graded_cells) >= 3
    assert [int(number) for number, _, _ in stated] == list(range(1, len(stated) + 1))
    assert [int(number) for _, number, _ in stated] == [each["points"] for each in graded_cells]


# hidden tests


def test_every_exercise_has_hidden_inputs_or_a_reason_to_have_none():
    assert set(MAKERS) | WITHOUT == set(exercise_keys())
    assert not set(MAKERS) & WITHOUT


@pytest.fixture(scope="module")
def references():
    """The chapters' own answers, by key."""
    found = {}
    for source in sources():
        names: dict = {}
        first = next(c for c in read_source(source).cells if c.cell_type == "code")
        exec(program.imports_of(first.source), names)
        for name, text in solutions(source.stem).items():
            exec(text, names)
            function = re.search(r"^def (\w+)", text, re.M)[1]
            found[name.replace("-", ".", 1)] = names[function]
    return found


@pytest.mark.parametrize(
    "path", sorted(Path(__file__).parent.glob("check_answers/ch*.py")), ids=str
)
def test_hidden_tests_accept_every_right_answer(path, references):
    for key, name, answer in runpy.run_path(str(path))["RIGHT"]:
        for arguments in inputs(key, seed=3):
            given = answer(*copied(arguments))
            assert agree(given, references[key](*copied(arguments))), f"{key} {name}"


def test_the_seed_decides_what_is_asked():
    assert inputs("ch01.output_size", 1) == inputs("ch01.output_size", 1)
    assert inputs("ch01.output_size", 1) != inputs("ch01.output_size", 2)
    with pytest.raises(ValueError, match="has no hidden inputs"):
        inputs("ch99.none", 0)


@pytest.fixture
def hidden_size(references):
    """Hidden cases of one exercise, taken away afterwards."""
    key = "ch01.output_size"
    hide(key, references[key], inputs(key, seed=3))
    yield key, references[key]
    checker._hidden.pop(key)


def test_an_answer_that_knows_the_visible_cases_alone_fails_a_hidden_one(hidden_size, capsys):
    key, right = hidden_size
    seen = {(n, k): right(n, k, s, p) for n, k, s, p in VISIBLE}

    def learned_by_heart(n, k, s, p):
        print(n, k, s, p, "is asked")
        return seen[n, k]

    report = grade(key, learned_by_heart)
    assert "a hidden one does not" in report.hint
    assert 0 < report.passed < report.total
    assert report.total == 11
    for arguments in inputs(key, seed=3):
        assert str(arguments[0]) not in report.hint
        assert " ".join(map(str, arguments)) not in report.printed


VISIBLE = [(32, 5, 1, 0), (28, 5, 1, 2), (28, 2, 2, 0), (224, 11, 4, 2), (15, 4, 4, 0),
           (7, 7, 1, 0), (10, 3, 3, 1)]  # fmt: skip


def test_a_right_answer_passes_all(hidden_size):
    report = grade(*hidden_size)
    assert (report.passed, report.total, report.hint) == (11, 11, "")


def test_leaving_the_arguments_alone_earns_nothing_by_itself():
    assert grade("ch01.convolve", lambda X, kernel: X).passed == 0


# what is handed in


@pytest.fixture
def course(tmp_path):
    """A course folder as far as taking in needs it: the released chapter 01."""
    source = next(path for path in sources() if path.stem == ONE)
    released = read_source(source)
    for cell in released.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = f'raise NotImplementedError("{program.HOLE}")'
    place = tmp_path / "release" / ONE
    place.mkdir(parents=True)
    nbformat.write(released, place / f"{ONE}.ipynb")
    (tmp_path / "submitted" / "ada" / ONE).mkdir(parents=True)
    return tmp_path, released


def take(folder, content, name=f"{ONE}.ipynb"):
    """Take in one file."""
    path = folder / "submitted" / "ada" / ONE / name
    path.write_bytes(content if isinstance(content, bytes) else nbformat.writes(content).encode())
    return intake.take_in(folder, "ada", ONE)


def unit(submission, name):
    """One exercise of what is run for a submission."""
    return next(u for u in program.program_of(submission.notebook).units if u.name == name)


def test_a_cell_of_the_learners_own_is_run_and_the_chapters_are_not(course):
    folder, released = course
    notebook = answers({SIZE: "output_size = helper"})(released)
    place = next(i for i, c in enumerate(notebook.cells) if program_name(c) == SIZE)
    notebook.cells.insert(place, nbformat.v4.new_code_cell("helper = lambda n, k, s, p: 1"))
    found = unit(take(folder, notebook), f"{SIZE}-check")
    assert found.cells == ["helper = lambda n, k, s, p: 1", "output_size = helper"]
    assert "import torch" in program.program_of(released).imports


def program_name(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def test_checks_come_from_the_course_whatever_the_learner_made_of_them(course):
    folder, released = course
    notebook = answers({})(released)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = "100.0"
            cell.metadata["nbgrader"]["points"] = 100
    found = unit(take(folder, notebook), f"{SIZE}-check")
    assert found.check.startswith("classroom.check(")
    assert found.points == 2


def test_an_untouched_notebook_is_empty(course):
    folder, released = course
    assert take(folder, released).state == intake.EMPTY


BROKEN = [
    b"", b"{", b"[]", b'{"cells": 1}', b"\xff\xfe", b"[" * 100_000,
    b'{"nbformat": 4, "cells": [{"source": 1}]}',
    b'{"nbformat": 4, "cells": [{"cell_type": "code", "metadata": 7, "source": ""}]}',
]  # fmt: skip


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_is_told_to_be_unreadable(course, content):
    submission = take(course[0], content)
    assert submission.state == intake.UNREADABLE
    assert "is no notebook" in submission.remarks[0]


def test_a_missing_file_a_link_and_a_huge_file(course, monkeypatch):
    folder, released = course
    assert "there is no notebook" in intake.take_in(folder, "ada", ONE).remarks[0]
    (folder / "submitted" / "ada" / ONE / "link.ipynb").symlink_to(
        folder / "release" / ONE / f"{ONE}.ipynb"
    )
    assert "there is no notebook" in intake.take_in(folder, "ada", ONE).remarks[0]
    monkeypatch.setattr(intake, "MOST_BYTES", 1000)
    assert "larger than" in take(folder, released).remarks[0]


@pytest.mark.parametrize(
    ("written", "taken", "told"),
    [("2026-11-28 10:00:00 UTC", "2026-11-28 10:00:00 UTC", []),
     ("soon", "", ["timestamp.txt holds no time"])],
)  # fmt: skip
def test_the_time_of_a_submission_goes_with_it(course, tmp_path, written, taken, told):
    folder, released = course
    (folder / "submitted" / "ada" / ONE / "timestamp.txt").write_text(written)
    submission = take(folder, answers({})(released))
    assert (submission.time, submission.remarks) == (taken, told)
    intake.write(submission, tmp_path / "out")
    assert (tmp_path / "out" / "ada" / ONE / "timestamp.txt").is_file() == bool(taken)


def test_an_old_notebook_format_is_read(course):
    folder, released = course
    old = nbformat.convert(answers({})(released), 3)
    submission = take(folder, nbformat.writes(old, version=3).encode())
    assert submission.state == intake.ANSWERED


def test_a_text_that_a_spreadsheet_would_run_is_quoted(tmp_path):
    grading_command.write_table(tmp_path / "t.csv", ["student"], [["=1+1"], [2.0]])
    assert (tmp_path / "t.csv").read_text().splitlines() == ["student", "'=1+1", "2.0"]
