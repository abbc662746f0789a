"""The decks: cut from the chapters, alone in their folder, with no slide that overflows."""

import hashlib
import io
import json
import re

import nbformat
import pytest
from PIL import Image

from tools import browser, slide_page, slides
from tools.chapters import sources
from tools.slide_content import MOST_LETTERS, Slide, parts_of, slides_of

EXTERNAL = re.compile(r"""(?:src|href)=["'](?:\w+:)?//|@import|url\(["']?(?:\w+:)?//""")
LOADED = re.compile(r"""(?:src|href)=["']([^"'#:]+)["']|url\(["']?([^)"':]+)["']?\)""")
# of a deck laid out for paper: how many pixels each page leaves free at the edge where it has least
MARGINS = """() => [...document.querySelectorAll('.pdf-page')].map(page => {
  const place = page.getBoundingClientRect();
  return Math.min(...[...page.querySelectorAll('section *:not(aside.notes, aside.notes *)')]
    .map(each => each.getBoundingClientRect()).filter(box => box.width > 0)
    .map(box => Math.min(box.left - place.left, box.top - place.top,
                         place.right - box.right, place.bottom - box.bottom)));
})"""
FIRST = sources()[0]
needs_chromium = pytest.mark.skipif(browser.path() is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The deck of the first chapter."""
    folder = tmp_path_factory.mktemp("slides")
    slides.write_decks([FIRST], folder, with_tour=True)
    return folder


@pytest.fixture(scope="module")
def chapters():
    """The slides of every chapter."""
    return [(source.stem, slides_of(source)) for source in sources()]


@pytest.fixture
def chapter(tmp_path):
    """Writes a chapter of one slide, given its header and its output, and returns its source."""

    def write(header, source="figure", *outputs, kind="code"):
        body = "\n".join(f"# {row}" for row in source.splitlines()) if kind != "code" else source
        text = f"# %% [markdown]\n# # A title\n\n# %% {header}\n{body}\n"
        text += "\n# %% [markdown]\n# ## Key points\n#\n# - One.\n"
        path = tmp_path / "notebooks" / "source" / "01_small.py"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        new = nbformat.v4
        cell = new.new_markdown_cell(source) if kind != "code" else new.new_code_cell(source)
        if kind == "code":
            cell.outputs = list(outputs)
        cells = [new.new_markdown_cell("# A title"), cell]
        cells += [new.new_markdown_cell("## Key points\n\n- One.")]
        nbformat.write(new.new_notebook(cells=cells), path.parents[1] / "01_small.ipynb")
        return path

    return write


def test_every_vendored_file_is_the_one_that_was_looked_at():
    told = json.loads((slide_page.VENDOR / "vendored.json").read_text())
    there = {path.name for path in slide_page.VENDOR.iterdir()} - {"vendored.json"}
    assert told.keys() == there
    for name, entry in told.items():
        content = (slide_page.VENDOR / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"], name
        assert all(entry[key] for key in ("package", "version", "licence", "file"))


def test_a_deck_loads_nothing_from_outside_its_folder(folder):
    for page in [*folder.glob("*.html"), *folder.glob("parts/*.css")]:
        text = page.read_text(encoding="utf-8")
        assert not EXTERNAL.search(text), page.name
        loaded = LOADED.findall(text)
        assert loaded or page.suffix == ".css"
        for names in loaded:
            assert (page.parent / "".join(names)).exists(), names


def test_the_parts_of_a_deck_are_its_own_and_told(folder):
    told = json.loads((folder / "parts" / "vendored.json").read_text())
    assert {"reveal.js", "reveal_LICENSE.txt"} <= told.keys()
    assert not [name for name in told if "ort" in name]
    assert all((folder / "parts" / name).is_file() for name in told)


def test_a_chapter_has_a_question_figures_with_alt_text_and_key_points():
    deck = slides_of(FIRST)
    assert deck[0].kind == "opening"
    assert "thirty pictures a second" in deck[0].body
    assert deck[-1].title == "What to keep"
    figures = [slide for slide in deck if slide.kind == "figure"]
    assert figures
    for slide in figures:
        assert slide.picture.startswith(b"\x89PNG")
        assert slide.alt


def test_no_deck_shows_a_solution_and_all_have_minutes(chapters):
    for _, deck in chapters:
        for slide in deck:
            assert "BEGIN SOLUTION" not in slide.body
            assert slide.minutes > 0
            assert slide.title.strip()


def test_the_deck_across_chapters_takes_at_most_ninety_minutes(chapters):
    number, minutes = slides.count(slides.tour_of(chapters))
    assert 75 <= minutes <= 90
    assert number < minutes


def test_the_notes_say_which_minute_it_is():
    deck = [Slide("a", "text", 2, notes="<p>Say it.</p>"), Slide("b", "text", 3)]
    assert "Minute 2 to 5." in slide_page.section(deck[1], "01", "", 2)
    assert "<p>Say it.</p>" in slide_page.section(deck[0], "01", "", 0)


def test_a_prediction_becomes_a_slide_whose_answer_comes_later(chapters):
    deck = dict(chapters)["08_pruning"]
    asked = next(slide for slide in deck if slide.kind == "predict")
    question, _, answer = asked.body.partition("<p class='answer fragment'>")
    assert "<li>it falls below 50 %</li>" in question
    assert "it loses 1 to 50 points" in answer


@pytest.mark.parametrize(
    ("header", "source", "kind", "says"),
    [
        ('[markdown] slide="x"', "Prose alone.", "markdown", "lists, tables and quotations"),
        ('slide="x"', "a = 1\n" * 30, "code", "30 lines are too many"),
        ('slide="x"', "### BEGIN SOLUTION\n1\n### END SOLUTION", "code", "show a solution"),
        ("minutes=2", "a = 1", "code", "minutes and no slide"),
        ('tags=["hide-input"] slide="x"', "a = 1", "code", "they print nothing"),
    ],
)
def test_a_cell_that_can_be_no_slide_is_named(chapter, header, source, kind, says):
    with pytest.raises(ValueError, match=rf"01_small.py, cell 1: .*{says}"):
        slides_of(chapter(header, source, kind=kind))


def test_code_and_what_it_prints_are_a_slide(chapter):
    printed = nbformat.v4.new_output("stream", name="stdout", text="7 < 8\n")
    slide = slides_of(chapter('slide="Shown" minutes=3', "print('7 < 8')", printed))[1]
    assert (slide.title, slide.kind, slide.minutes) == ("Shown", "code", 3)
    assert "7 &lt; 8</pre>" in slide.body


def test_of_lines_that_are_folded_away_a_slide_shows_what_they_print(chapter):
    printed = nbformat.v4.new_output("stream", name="stdout", text="a table\n")
    header = 'tags=["hide-input"] slide="Shown"'
    slide = slides_of(chapter(header, "long = 1\n" * 30 + "print(table)", printed))[1]
    assert slide.body == "<pre class='printed'>a table</pre>"


def test_an_unknown_chapter_is_named(capsys):
    assert slides.main(["77"]) == 2
    assert "no chapter 77" in capsys.readouterr().out


def test_a_list_is_cut_evenly():
    items = ["a" * 105, "b" * 72, "c" * 65, "d" * 95]
    assert parts_of(items) == [items[:2], items[2:]]
    assert parts_of(items[:3]) == [items[:3]]
    assert parts_of(["a" * 2 * MOST_LETTERS, "b"]) == [["a" * 2 * MOST_LETTERS], ["b"]]
    assert parts_of([]) == []


def picture_of(width, height):
    """A PNG of that size."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "orange").save(buffer, "PNG")
    return buffer.getvalue()


@needs_chromium
@pytest.mark.browser
def test_no_slide_overflows_and_one_that_does_is_found(folder, tmp_path):
    slide_page.write_parts(tmp_path)
    deck = [
        Slide("fits", "text", 1, body="<p>short</p>"),
        Slide("too long", "text", 1, body="<p>long</p>" * 30),
        Slide("too wide", "code", 1, body=f"<pre style='white-space:pre'>{'x' * 300}</pre>"),
        Slide("title " * 60, "text", 1, body="<p>below it</p>" * 7),
        Slide("small print", "figure", 1, picture=picture_of(1000, 830), alt="a picture"),
        Slide("large print", "figure", 1, picture=picture_of(1000, 500), alt="a picture"),
    ]
    broken = slide_page.write_deck(tmp_path, "broken", "Broken", [("01", deck)])
    asked = []
    with browser.opened(browser.path()) as page:
        page.on("request", lambda request: asked.append(request.url))
        assert browser.too_large(page, folder / f"{FIRST.stem}.html") == []
        found = browser.too_large(page, broken)
        pdf = browser.print_pdf(page, folder / f"{FIRST.stem}.html")
        margins = page.evaluate(MARGINS)
    assert [sentence.split(":")[0] for sentence in found] == [
        f"broken, slide {number}" for number in (2, 3, 4, 5)
    ]
    assert re.search(r"its picture is shrunk to 6\d %", found[-1])
    assert len(re.findall(rb"/Type /Page\b", pdf.read_bytes())) == len(margins)
    assert len(margins) == len(slides_of(FIRST))
    assert min(margins) >= 20
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)


@needs_chromium
@pytest.mark.browser
def test_axe_finds_no_barrier_on_a_slide(folder):
    pytest.importorskip("axe_playwright_python", reason="requirements-dev.txt has it")
    with browser.opened(browser.path()) as page:
        for name, shown in ((FIRST.stem, (0, 2, 4)), ("index", ())):
            page.goto((folder / f"{name}.html").as_uri())
            assert browser.barriers(page) == []
            for number in shown:
                page.evaluate(f"Reveal.slide({number})")
                assert browser.barriers(page) == []
