"""The book: built from two chapters and a module, alone in its folder, every link checked."""

import re

import nbformat
import pytest
from bs4 import BeautifulSoup

from tools import browser, glossary, site, site_check
from tools.chapters import sources

FIRST = sources()[0]
CLAIMING = sources()[7]  # it has predictions, explorers, and a table of claims
# a page of every kind
JUDGED = ["index.html", "search.html", "genindex.html", "docs/glossary.html", "docs/course.html"]
JUDGED += ["api/index.html", "api/edu_lib.weights.html", f"notebooks/{FIRST.stem}.html"]
JUDGED += [f"notebooks/{CLAIMING.stem}.html"]
SEARCHED = "?q=budget"
needs_chromium = pytest.mark.skipif(browser.path() is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A book of two chapters and of one module of the library."""
    pytest.importorskip("sphinx", reason="Sphinx is not installed: requirements-dev.txt has it")
    folder = tmp_path_factory.mktemp("book")
    offered = {"edu_lib.weights": site.OFFERED["edu_lib.weights"]}
    site.lay_out(folder / "source", [FIRST, CLAIMING], offered, sorted(site.DOCS.glob("*.md")))
    assert site.run_sphinx(folder / "source", folder / "html") == 0
    return folder / "html"


def page(book, name):
    return BeautifulSoup((book / name).read_text(encoding="utf-8"), "html.parser")


def test_no_link_is_broken_and_nothing_is_loaded_from_elsewhere(book):
    assert site_check.problems_of(book) == []


def test_a_chapter_shows_its_stored_outputs_and_its_stills(book):
    chapter = page(book, f"notebooks/{FIRST.stem}.html")
    assert "the budget of one frame: 33.3 ms" in chapter.get_text()
    pictures = chapter.select(".bd-article img")
    widgets = [image for image in pictures if "hand-drawn digit" in image["alt"]]
    assert len(pictures) >= 3
    assert widgets


def test_a_chapter_has_its_number_and_a_solution_is_folded_away(book):
    chapter = page(book, f"notebooks/{FIRST.stem}.html")
    assert chapter.h1.get_text().startswith("00 Start here")
    assert "SOLUTION" not in chapter.get_text()
    folded = [each.get_text() for each in chapter.select("details.hide")]
    assert any("Show a solution" in each and "def frame_budget" in each for each in folded)


def test_the_first_use_of_a_term_leads_to_the_glossary(book):
    links = page(book, f"notebooks/{FIRST.stem}.html").select(".bd-article a")
    [link] = [each for each in links if each["href"] == "../docs/glossary.html#budget"]
    assert link.get_text().lower() == "budget"


def test_the_reference_has_signatures_and_the_words_of_the_docstrings(book):
    text = page(book, "api/edu_lib.weights.html").get_text()
    assert re.search(r"load_weights\(.*model", text)
    assert "Raises" in text
    assert str(site.ROOT) not in text


def test_each_parameter_that_a_docstring_explains_has_a_line(book):
    items = [each.get_text() for each in page(book, "api/edu_lib.weights.html").select("dd li")]
    assert any(item.startswith("half: store floating-point numbers") for item in items)
    assert not any("Raises" in item for item in items)


def test_the_search_knows_the_words(book):
    index = (book / "searchindex.js").read_text(encoding="utf-8")
    assert "budget" in index
    assert (book / "search.html").is_file()


@needs_chromium
@pytest.mark.browser
def test_an_opened_page_asks_for_nothing_outside_its_folder_and_can_be_dark(book):
    asked, errors = [], []
    with browser.opened(browser.path()) as opened:
        opened.on("request", lambda request: asked.append(request.url))
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.goto((book / "notebooks" / f"{FIRST.stem}.html").as_uri())
        opened.locator(".theme-switch-button:visible").click()
        opened.locator(".theme-change-button[data-mode=dark]:visible").click()
        opened.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    own = (book.as_uri(), "data:", "blob:")
    assert asked
    assert [url for url in asked if not url.startswith(own)] == []
    assert errors == []


@needs_chromium
@pytest.mark.browser
def test_axe_finds_no_barrier_in_the_light_and_in_the_dark(book):
    pytest.importorskip("axe_playwright_python", reason="requirements-dev.txt has it")
    with browser.opened(browser.path()) as opened:
        for name in JUDGED:
            opened.goto(f"{(book / name).as_uri()}{SEARCHED if name == 'search.html' else ''}")
            if name == "search.html":
                opened.locator("ul.search li").first.wait_for()
            # colours are judged as they stay, not on their way from light to dark
            opened.add_style_tag(content="* { transition: none !important; }")
            for theme in ("light", "dark"):
                opened.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
                assert browser.barriers(opened) == [], (name, theme)


def test_what_is_wrong_with_a_page_is_named(tmp_path):
    (tmp_path / "a.html").write_text(
        '<link rel="stylesheet" href="https://cdn.example/x.css"><script src="//cdn.example/y.js">'
        '</script><a href="b.html#there">x</a><a href="b.html#gone">x</a><a href="c.html">x</a>'
        '<img src="b.html"><a href="https://example.org">allowed</a><a href="#top" id="top">x</a>'
    )
    (tmp_path / "b.html").write_text('<p id="there">x</p>')
    assert sorted(site_check.problems_of(tmp_path)) == [
        "a.html: a picture without alt text",
        "a.html: b.html#gone leads nowhere",
        "a.html: c.html leads nowhere",
        "a.html: loads //cdn.example/y.js",
        "a.html: loads https://cdn.example/x.css",
    ]
    assert site_check.problems_of(tmp_path / "none") == [f"{tmp_path / 'none'} has no page"]


TERMS = "text\n\n**Terms.**\n\n- *Mask*: which stay. *N:M*: N of M stay.\n- *Gap*, *filler*: zeros."


def test_terms_are_read_where_they_stand():
    found = glossary.terms_of(TERMS + "\n\n**References.** *Book*: no term.", "08_pruning")
    both = "*Mask*: which stay. *N:M*: N of M stay."
    assert [(term.name, term.meaning) for term in found] == [
        ("Mask", both),
        ("N:M", both),
        ("Gap", "*Gap*, *filler*: zeros."),
        ("filler", "*Gap*, *filler*: zeros."),
    ]
    assert [term.label for term in found] == ["mask", "nm", "gap", "filler"]


def test_the_glossary_is_made_of_the_chapters_of_today():
    text = glossary.as_markdown(glossary.all_terms(), "../notebooks")
    assert glossary.GLOSSARY.read_text(encoding="utf-8") == text, "run python -m tools.glossary"
    anchors = re.findall(r"^## (.*)", text, re.MULTILINE)
    assert len(anchors) == len(set(anchors))


def test_only_a_first_use_in_prose_is_linked():
    terms = [glossary.Term("Mask", "", "08"), glossary.Term("IoU", "", "04")]
    text = "# The mask\n\n`mask` and [mask](x.md), a mask, a mask; iou is not IoU."
    cells = [nbformat.v4.new_markdown_cell(each) for each in ("front", text, "A mask again.")]
    chapter = nbformat.v4.new_notebook(cells=cells)
    glossary.link_chapter(chapter, terms, "g.md")
    assert chapter.cells[1].source == (
        "# The mask\n\n`mask` and [mask](x.md), a [mask](g.md#mask), a mask;"
        " iou is not [IoU](g.md#iou)."
    )
    assert chapter.cells[2].source == "A mask again."


def test_a_word_is_a_term_from_the_chapter_on_that_explains_it():
    terms = [glossary.Term("Hint", "", "11_late"), glossary.Term("Frame", "", "00_early")]
    assert [term.name for term in glossary.explained_until("10", terms)] == ["Frame"]
    assert glossary.explained_until("11", terms) == terms


def test_a_link_to_a_chapter_that_is_not_in_the_book_becomes_words():
    text = "See [02 LeNet](02_lenet_1998.ipynb) and [00](00_start_here.ipynb)."
    chapter = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    edition = site.book_edition(chapter, ["00_start_here"], [])
    assert edition.cells[0].source == "See 02 LeNet and [00](00_start_here.ipynb)."
