"""Building chapters: from made-up sources to executed notebooks, byte for byte the same twice."""

import errno
import json
import os

import nbformat
import pytest

from tools import build, chapters

SOURCE = """\
# %% [markdown]
# # A chapter
#
# LeNet makes {{results.lenet.seeds.0.error:.2f}} % errors.
# The paper says {{published.lecun.error}} %.

# %%
import ipywidgets, time
print("compared")

# %%
slider = ipywidgets.IntSlider(value=3)
slider

# %% tags=["nbval-ignore-output"]
print(time.time_ns())

# %% exercise="ch90.double"
def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% check="ch90.double" points=2
assert double(2) == 4
"""


@pytest.fixture
def kit_folder(tmp_path, monkeypatch):
    """A kit with one chapter, 90_made_up, and the result files it cites."""
    sources = tmp_path / "notebooks" / "source"
    sources.mkdir(parents=True)
    (sources / "90_made_up.py").write_text(SOURCE)
    for kind, name, figures in (
        ("results", "lenet", {"seeds": [{"error": 0.8912}]}),
        ("published", "lecun", {"error": 0.95}),
    ):
        (tmp_path / "data" / kind).mkdir(parents=True)
        (tmp_path / "data" / kind / f"{name}.json").write_text(json.dumps(figures))
    monkeypatch.setattr(chapters, "SOURCES", sources)
    monkeypatch.setattr(build, "read_source", lambda path: chapters.read_source(path, data(path)))
    return tmp_path


def data(source):
    return source.parents[2] / "data"


@pytest.fixture
def source(kit_folder):
    return kit_folder / "notebooks" / "source" / "90_made_up.py"


def read(source):
    return chapters.read_source(source, data(source))


def edit(source, old, new):
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new))


# from text to cells


def test_numbers_are_filled_from_result_files(source):
    text = read(source).cells[0].source
    assert "LeNet makes 0.89 % errors.\nThe paper says 0.95 %." in text


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("{{results.alexnet.error}}", "alexnet.json, and there is no such file"),
        ("{{results.lenet.accuracy}}", "lenet.json has no accuracy"),
        ("{{results.lenet.seeds.7.error}}", "lenet.json has no seeds.7.error"),
        ("{{results.lenet.seeds.0.error.deep}}", "has no seeds.0.error.deep"),
        ("{{results.lenet.seeds:.1f}}", "cannot be written"),
        ("{{ results.lenet.seeds }}", "names no number"),
        ("{{results.lenet.seeds.0.error:.1f}", "names no number"),
    ],
)
def test_a_missing_number_is_named(source, number, message):
    edit(source, "{{published.lecun.error}}", number)
    with pytest.raises(ValueError, match=message):
        read(source)


def test_cell_ids_are_fixed_and_follow_the_text(source):
    before = [cell.id for cell in read(source).cells]
    assert [cell.id for cell in read(source).cells] == before
    assert len(set(before)) == len(before)
    edit(source, 'print("compared")', 'print("changed")')
    after = [cell.id for cell in read(source).cells]
    assert [old == new for old, new in zip(before, after, strict=True)].count(False) == 1


def test_cell_ids_do_not_follow_the_numbers(source):
    before = [cell.id for cell in read(source).cells]
    (data(source) / "published" / "lecun.json").write_text('{"error": 0.8}')
    assert [cell.id for cell in read(source).cells] == before


def test_nbgrader_metadata(source):
    """The keys of nbgrader's schema, version 3, for an answer and for a test that gives points."""
    exercise, check = read(source).cells[4:6]
    assert exercise.metadata.tags == ["exercise"]
    assert exercise.metadata.nbgrader == {
        "schema_version": 3,
        "grade_id": "ch90-double",
        "solution": True,
        "grade": False,
        "locked": False,
        "task": False,
    }
    assert check.metadata.tags == ["check"]
    assert check.metadata.nbgrader == {
        "schema_version": 3,
        "grade_id": "ch90-double-check",
        "solution": False,
        "grade": True,
        "locked": True,
        "task": False,
        "points": 2,
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('exercise="ch90.double"', 'exercize="ch90.double"', "unknown in its header: exercize"),
        (" points=2", "", "needs points=NUMBER"),
        ('exercise="ch90.double"', 'exercise="double it"', "is no name for an exercise"),
        ("assert double(2) == 4", '\n# %% exercise="ch90.double"\n1', "used by two cells"),
    ],
)
def test_a_wrong_cell_header_is_named(source, old, new, message):
    edit(source, old, new)
    with pytest.raises(ValueError, match=message):
        read(source)


# from cells to a notebook


def test_two_builds_are_byte_for_byte_the_same_and_fresh_takes_new_outputs(source, capsys):
    target = chapters.notebook_of(source)
    assert build.build(source)
    first = target.read_bytes()
    notebook = nbformat.read(target, 4)
    assert [cell.get("execution_count") for cell in notebook.cells] == [None, 1, 2, 3, 4, 5]
    assert notebook.metadata.widgets
    assert "written" in capsys.readouterr().out

    assert build.build(source)
    assert target.read_bytes() == first
    assert "unchanged" in capsys.readouterr().out

    assert build.build(source, fresh=True)
    fresh = nbformat.read(target, 4)
    changed = [a != b for a, b in zip(notebook.cells, fresh.cells, strict=True)]
    assert changed == [False, False, False, True, False, False]
    assert fresh.metadata == notebook.metadata


def test_a_changed_source_takes_new_outputs(source):
    target = chapters.notebook_of(source)
    build.build(source)
    before = nbformat.read(target, 4)
    edit(source, 'print("compared")', 'print("changed")')
    assert build.build(source)
    after = nbformat.read(target, 4)
    assert after.cells[1].outputs[0].text == "changed\n"
    assert after.cells[3].outputs != before.cells[3].outputs


@pytest.mark.parametrize(
    ("statement", "reason"),
    [("1 / 0", "ZeroDivisionError"), ("import os; os._exit(1)", "the kernel ended")],
)
def test_a_failing_cell_is_named_and_nothing_is_written(source, capsys, statement, reason):
    edit(source, "slider\n\n", f"slider\n{statement}\n\n")
    identity = read(source).cells[2].id
    target = chapters.notebook_of(source)
    target.write_text("what stood there before")
    assert not build.build(source)
    printed = capsys.readouterr().out
    assert f"cell 2 (id {identity})" in printed
    assert reason in printed
    assert "\x1b" not in printed
    assert target.read_text() == "what stood there before"
    assert [path.name for path in target.parent.iterdir() if path.is_file()] == [target.name]


def test_a_cell_that_runs_too_long_is_named(source, capsys, monkeypatch):
    monkeypatch.setattr(build, "CELL_SECONDS", 1)
    edit(source, "slider\n\n", "time.sleep(60)\n\n")
    assert not build.build(source)
    assert "it ran longer than 1 s" in capsys.readouterr().out


def test_a_build_writes_the_learners_edition_too(source, monkeypatch):
    monkeypatch.setattr(build, "execute", lambda notebook, folder: notebook)
    assert build.build(source)
    lab = nbformat.read(source.parents[1] / "labs" / "90_made_up.ipynb", 4)
    assert "return 2 * x" not in lab.cells[4].source
    assert 'raise NotImplementedError("ch90.double: write your answer here' in lab.cells[4].source


def test_a_full_disk_leaves_what_stood_there(source, capsys, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(build, "execute", lambda notebook, folder: notebook)
    monkeypatch.setattr(os, "replace", full)
    target = chapters.notebook_of(source)
    target.write_text("what stood there before")
    assert not build.build(source, fresh=True)
    assert "No space left" in capsys.readouterr().out
    assert target.read_text() == "what stood there before"
    assert [path.name for path in target.parent.iterdir() if path.is_file()] == [target.name]


def test_an_unknown_chapter(kit_folder, capsys):
    assert build.main(["77", "90"]) == 2
    assert "no chapter 77" in capsys.readouterr().out
    assert list((kit_folder / "notebooks").glob("*.ipynb")) == []


def test_the_exit_code_counts_what_failed(source):
    edit(source, "slider\n\n", "1 / 0\n\n")
    assert build.main(["90"]) == 1
