"""Every relative link of a lab leads somewhere, wherever labs are laid out."""

import fnmatch
import re
from pathlib import Path

import nbformat
import pytest

import kit
from tools import copies
from tools.chapters import ROOT, read_source, sources
from tools.course import release
from tools.editions import LABS, link_docs

LINK = re.compile(r"""(?:\]\(|(?:src|href)=["'])([^)"'#\s]+)""")
CHAPTER = "12_multi_task_learning"  # it shows a picture of docs/ and leads to other chapters


def texts_of(path):
    """The Markdown of a notebook or of a page."""
    if path.suffix == ".md":
        return [path.read_text(encoding="utf-8")]
    cells = nbformat.read(path, 4).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def links(folder):
    """(file, target) of every relative link of the notebooks and pages below a folder."""
    pages = [path for path in sorted(folder.rglob("*")) if path.suffix in (".ipynb", ".md")]
    found = {
        (path, path.parent / link)
        for path in pages
        for text in texts_of(path)
        for link in LINK.findall(text)
        if "//" not in link
    }
    assert len(pages) >= 1
    return found


def broken(folder):
    """The links that lead nowhere."""
    return [(path.name, str(target)) for path, target in links(folder) if not target.exists()]


def test_in_the_checkout():
    assert not broken(LABS)


@pytest.mark.parametrize("solutions", [False, True])
def test_in_the_learners_own_folder(solutions, tmp_path):
    for name in ("notebooks", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    folder = tmp_path / kit.lay_out_chapters(tmp_path, solutions)
    assert len(list(folder.glob("*.ipynb"))) >= len(sources())
    assert not broken(folder)


def test_in_a_home_on_a_hub(tmp_path):
    for name, editions in copies.labs_with_docs(ROOT).items():
        copies.lay_out(editions, tmp_path / "work" / name)
    assert (tmp_path / "work" / "docs" / "glossary.md").is_file()
    assert not broken(tmp_path)
    inside = [target.resolve().is_relative_to(tmp_path) for _, target in links(tmp_path)]
    assert len(inside) > 50
    assert all(inside)


def test_in_the_image_of_the_hub():
    """The image copies the checkout but for what .dockerignore names."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for _, target in links(LABS):
        parts = target.resolve().relative_to(ROOT).parts
        below = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        assert not any(fnmatch.fnmatch(path, each) for path in below for each in ignored)


def edition(source: Path, names, folder):
    """Write a chapter as the source of a course."""
    chapter = read_source(source)
    place = folder / source.stem
    place.mkdir(parents=True)
    link_docs(chapter)
    release.lay_docs(chapter, place / "docs", names)
    made = release.course_edition(chapter, 0, names)
    nbformat.write(made, place / f"{source.stem}.ipynb")


def test_in_a_course_of_all_chapters(tmp_path):
    names = {source.stem for source in sources()}
    for source in sources():
        edition(source, names, tmp_path)
    assert not broken(tmp_path)
    assert len(links(tmp_path)) > len(names)


@pytest.mark.slow
def test_in_a_course_of_one_chapter_as_nbgrader_hands_it_out(tmp_path):
    chosen = [source for source in sources() if source.stem == CHAPTER]
    assert release.release(tmp_path, chosen, seed=0) == 0
    handed_out = tmp_path / "release" / CHAPTER
    docs = {"thirty_frames.png", "glossary.md", "misunderstood.md"}
    assert {target.name for _, target in links(handed_out)} == {*docs, f"{CHAPTER}.ipynb"}
    assert not broken(handed_out)
