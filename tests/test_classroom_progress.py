"""The learner's progress: kept in the learner's folder alone, and further hints step by step."""

import json

import pytest

import classroom
from classroom.checks import CheckFailed, record


def right(frames_per_second):
    return 1000 / frames_per_second


def wrong(frames_per_second):
    return frames_per_second


@pytest.fixture
def labs(tmp_path, monkeypatch):
    """A learner's folder with copies of two chapters."""
    folder = tmp_path / "work" / "labs"
    folder.mkdir(parents=True)
    for name in ("00_start_here.ipynb", "01_convolution.ipynb"):
        (folder / name).write_text("{}")
    monkeypatch.chdir(folder)
    record._failures.clear()
    return folder


def test_a_pass_is_kept_and_shown(labs, capsys):
    assert "Progress: 0 of" in repr(classroom.progress())
    classroom.check("ch00.frame_budget", right)
    assert json.loads((labs / record.NAME).read_text()) == ["ch00.frame_budget"]
    shown = classroom.progress()
    assert "00 start here: 1 of" in repr(shown)
    assert 'href="00_start_here.ipynb"' in shown._repr_html_()
    assert "01 convolution: 0 of" in repr(shown)


def test_nothing_is_kept_elsewhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    classroom.check("ch00.frame_budget", right)
    with pytest.raises(CheckFailed) as failure:
        classroom.check("ch00.frame_budget", wrong)
    assert list(tmp_path.iterdir()) == []
    assert not any(step in str(failure.value) for step in record.STEPS[1:])
    assert "kit.py lab" in repr(classroom.progress())


def test_each_failure_says_one_step_more_until_a_pass(labs, capsys):
    def fail():
        with pytest.raises(CheckFailed) as failure:
            classroom.check("ch00.frame_budget", wrong)
        return str(failure.value)

    said = [fail() for _ in range(5)]
    assert [text.removeprefix(said[0]).strip() for text in said] == [*record.STEPS, record.STEPS[3]]
    classroom.check("ch00.frame_budget", right)
    assert fail() == said[0]


@pytest.mark.parametrize("content", ["", "{", '{"a": 1}', "[1, null]"])
def test_a_record_that_cannot_be_read_is_begun_anew(labs, content, capsys):
    (labs / record.NAME).write_text(content)
    assert record.passed() == set()
    classroom.check("ch00.frame_budget", right)
    assert record.passed() == {"ch00.frame_budget"}


def test_a_full_disk_fails_no_right_answer(labs, monkeypatch, capsys):
    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(record.os, "replace", full)
    classroom.check("ch00.frame_budget", right)
    assert not list(labs.glob("*.partial"))
