"""The pages for instructors and learners name what is there."""

import re

import pytest

from classroom.checks import exercise_keys
from tools import minutes
from tools.chapters import ROOT, sources

DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
KEY = re.compile(r"\bch\d\d\.[a-z]\w+")


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.stem)
def test_every_link_and_every_exercise_that_is_named_is_there(path):
    text = path.read_text(encoding="utf-8")
    for link in LINK.findall(text):
        assert "://" in link or (path.parent / link).exists(), link
    assert set(KEY.findall(text)) <= set(exercise_keys())


def test_the_misunderstandings_are_those_of_chapters():
    text = (DOCS / "misunderstood.md").read_text(encoding="utf-8")
    parts = re.findall(r"^## (\d\d) ", text, re.MULTILINE)
    assert parts == [source.name[:2] for source in sources()]


def test_the_guide_has_a_row_for_each_chapter_and_ninety_minutes_are_ninety():
    text = (DOCS / "instructor.md").read_text(encoding="utf-8")
    objectives, workshop = text.partition("## A workshop of 90 minutes")[::2]
    rows = re.findall(r"^\| (\d\d) \|", objectives, re.MULTILINE)
    assert rows == [source.name[:2] for source in sources()]
    assert set(KEY.findall(objectives)) == set(exercise_keys())
    minutes_told = re.findall(r"^\| (\d+) \|", workshop.partition("\n## ")[0], re.MULTILINE)
    assert sum(map(int, minutes_told)) == 90
    page = minutes.MINUTES.read_text(encoding="utf-8")
    sums = re.search(r"^\| all \|(.*)\|  \|", page, re.MULTILINE)[1].split("|")
    read, solve = int(sums[0]), int(sums[-1])
    assert f"about {round((read + solve) / 60)} hours" in workshop


def test_the_minutes_are_those_of_the_chapters(tmp_path):
    minutes.main(tmp_path / "minutes.md", tmp_path / "README.md")
    for path in (minutes.MINUTES, minutes.README):
        made = (tmp_path / path.name).read_text(encoding="utf-8")
        assert path.read_text(encoding="utf-8") == made, "run python -m tools.editions"
    listed = KEY.findall(minutes.MINUTES.read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(exercise_keys())


def test_a_first_start_is_told_as_it_was_measured():
    found = {"cpu_seconds": {step: 1.2 + n for n, step in enumerate(minutes.NEWCOMER_STEPS)}}
    told = "clone 1, install 2, lab and first result 3; at the second start 4."
    assert told in minutes.first_start(found)
    assert minutes.first_start({}) == ""


def test_the_minutes_of_a_chapter_are_all_that_it_states():
    assert minutes.stated_minutes("# | 40, and 10 for labelling | 7 |") == 50


def test_the_minutes_of_the_sections_add_up():
    text = "# %% [markdown]\n# # A\n#\n# ## B\n# " + "word " * 90 + "\n# ## C\n# " + "word " * 90
    sections = minutes.section_minutes(text, 20)
    assert [name for name, _ in sections] == ["before the first section", "B", "C"]
    assert sections[1][1] == pytest.approx(sections[2][1]) == pytest.approx(9.8, abs=0.3)
