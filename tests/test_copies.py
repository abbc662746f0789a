"""The learner's copies: laid out once, never overwritten, brought up to date where untouched."""

import errno
import json
import os

import pytest

from tools import copies

FIRST, SECOND, THIRD = b"first edition", b"second edition", b"third edition"
MINE = b"first edition, with my answer"
NAME = "01_convolution.ipynb"


@pytest.fixture
def folder(tmp_path):
    """The learner's folder with one copy of the first edition."""
    copies.lay_out({NAME: FIRST}, tmp_path / "work" / "labs")
    return tmp_path / "work" / "labs"


def lay_out(folder, edition):
    return copies.lay_out({NAME: edition}, folder)


def notebooks(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.ipynb")}


def test_the_first_opening_copies_every_edition(tmp_path):
    editions = {NAME: FIRST, "02_lenet_1998.ipynb": SECOND}
    assert copies.lay_out(editions, tmp_path / "new") == []
    assert notebooks(tmp_path / "new") == editions


def test_an_answer_stays_as_it_is(folder):
    (folder / NAME).write_bytes(MINE)
    assert lay_out(folder, FIRST) == []
    assert notebooks(folder) == {NAME: MINE}


def test_a_newer_edition_lies_beside_an_answer_once(folder):
    (folder / NAME).write_bytes(MINE)
    (sentence,) = lay_out(folder, SECOND)
    beside = {"01_convolution_newer.ipynb": SECOND}
    assert notebooks(folder) == {NAME: MINE} | beside
    assert "your copy stays as it is" in sentence
    assert "01_convolution_newer.ipynb" in sentence
    assert lay_out(folder, SECOND) == []
    (folder / "01_convolution_newer.ipynb").unlink()
    assert lay_out(folder, SECOND) == []
    assert notebooks(folder) == {NAME: MINE}


def test_an_answer_in_the_newer_edition_stays_too(folder):
    (folder / NAME).write_bytes(MINE)
    lay_out(folder, SECOND)
    (folder / "01_convolution_newer.ipynb").write_bytes(MINE + b" again")
    (sentence,) = lay_out(folder, THIRD)
    assert "01_convolution_newer_2.ipynb" in sentence
    assert notebooks(folder) == {
        NAME: MINE,
        "01_convolution_newer.ipynb": MINE + b" again",
        "01_convolution_newer_2.ipynb": THIRD,
    }


def test_an_untouched_copy_is_brought_up_to_date(folder):
    (sentence,) = lay_out(folder, SECOND)
    assert "you had not changed" in sentence
    assert notebooks(folder) == {NAME: SECOND}
    assert lay_out(folder, SECOND) == []


def test_a_copy_that_was_renamed_or_deleted_is_made_anew(folder):
    (folder / NAME).rename(folder / "mine.ipynb")
    assert lay_out(folder, FIRST) == []
    assert notebooks(folder) == {NAME: FIRST, "mine.ipynb": FIRST}


@pytest.mark.parametrize("record", [None, "", "[]", '{"other.ipynb": "0"}'])
def test_without_its_record_nothing_is_overwritten(folder, record):
    (folder / NAME).write_bytes(MINE)
    (folder / copies.RECORD).unlink()
    if record is not None:
        (folder / copies.RECORD).write_text(record)
    (sentence,) = lay_out(folder, FIRST)
    assert notebooks(folder) == {NAME: MINE, "01_convolution_newer.ipynb": FIRST}
    assert "your copy stays" in sentence
    assert lay_out(folder, FIRST) == []


@pytest.mark.parametrize("call", ["write_bytes", "replace"])
def test_a_full_disk_leaves_the_old_copy_whole(folder, monkeypatch, call):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    if call == "replace":
        monkeypatch.setattr(os, "replace", full)
    else:
        monkeypatch.setattr(copies.Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        lay_out(folder, SECOND)
    assert notebooks(folder) == {NAME: FIRST}
    assert {path.name for path in folder.iterdir()} == {NAME, copies.RECORD}


def test_solved_chapters_are_copied_with_links_that_hold(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["![a](../docs/a.png) [b](02_b.ipynb)\n", "../c"]},
        {"cell_type": "code", "source": "open('](../data')"},
    ]
    chapter = tmp_path / "notebooks" / NAME
    chapter.parent.mkdir()
    chapter.write_text(json.dumps({"cells": cells}))
    copied = json.loads(copies.solved(tmp_path)[NAME])["cells"]
    assert copied[0]["source"] == ["![a](../../docs/a.png) [b](02_b.ipynb)\n", "../c"]
    assert copied[1] == cells[1]
