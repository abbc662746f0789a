"""What a deck shows: slides cut from a chapter's source and from its stored outputs.

A cell of notebooks/source says in its header that it is a slide:

    # %% tags=["hide-input"] slide="Zeros do not make it faster" minutes=2 tour=2

`slide` is the one idea of the slide, a sentence; `minutes` is its time in the chapter's own deck;
with `tour` it is also in the deck across chapters, for that many minutes. A code cell shows its
picture, else its table, else its own lines and what they print, or what they print alone if they
are folded away; a text cell shows its lists, tables and quotations.
The question, the predictions, the exercises and the key points of a chapter are slides by
themselves. The prose between two slides becomes the notes of the speaker.
"""

import base64
import itertools
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

import jupytext
import nbformat
from markdown_it import MarkdownIt

from tools.chapters import fill_numbers, notebook_of

MINUTES = 2
MOST_LINES = 16
MOST_LETTERS = 330  # of a list on one slide
MOST_NOTES = 6  # paragraphs

LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
EXERCISE = re.compile(r"^### (Exercise \d+: [^(\n]+)", re.MULTILINE)
AT_THE_END = re.compile(r"^\*\*(\d+\. [^*\n]+?)\.?\*\*", re.MULTILINE)  # below "## Exercises"
QUESTION = re.compile(r"\*\*Question\.\*\*(.*?)\n\n", re.DOTALL)
ANSWER = re.compile(r"^No guess was locked\. ")
MARKDOWN = MarkdownIt("commonmark").enable("table")
SHOWN = {"bullet_list_open", "ordered_list_open", "table_open", "blockquote_open", "fence"}

Cell = nbformat.NotebookNode


@dataclass(frozen=True)
class Slide:
    """One slide. title: the idea, as text. body: HTML. picture: PNG or None. minutes: of the deck.

    alt: what the picture shows. notes: HTML for the speaker. tour: minutes in the deck across
    chapters, 0 if it is not in it. kind: opening, figure, predict, table, code or text.
    """

    title: str
    kind: str
    minutes: float
    body: str = ""
    picture: bytes | None = None
    alt: str = ""
    notes: str = ""
    tour: float = 0


def slides_of(source: Path) -> list[Slide]:
    """The slides of a chapter that is built, in order.

    Raises ValueError naming the cell that is marked as a slide and has nothing to show.
    """
    notebook = notebook_of(source)
    if not notebook.is_file():
        raise ValueError(f"{notebook.name} is not built yet: run `python3 kit.py build`.")
    cells = nbformat.read(notebook, 4).cells
    headers = [cell.metadata for cell in jupytext.read(source).cells]
    if len(headers) != len(cells):
        raise ValueError(f"{notebook.name} is older than its source: run `python3 kit.py build`.")
    tour = any("tour" in header for header in headers)
    slides = opening(cells[0].source, tour)
    told = 1
    for position, (header, cell) in enumerate(zip(headers, cells, strict=True)):
        try:
            slide = slide_of(header, cell, cells[position + 1 :])
        except ValueError as error:
            raise ValueError(f"{source.name}, cell {position}: {error}") from None
        if slide:
            notes = speaker_notes(cells[told:position], cells[position + 1 : position + 2])
            slides.append(Slide(**{**slide, "notes": notes + slide.get("notes", "")}))
            told = position + 1
    return [*slides, *exercises(cells), *key_points(cells)]


def opening(front: str, tour: bool) -> list[Slide]:
    """The title with the question of the chapter, and what one can do after it."""
    title = re.match(r"# (.*)", front)[1]
    question = QUESTION.search(front + "\n\n")
    body = f"<p class='question'>{html_of(question[1])}</p>" if question else ""
    notes = "<p>Read the question aloud, and wait for guesses.</p>"
    first = Slide(title, "opening", 1, body=body, notes=notes, tour=float(tour))
    objectives = list_items(front.partition("**Objectives.**")[2])
    if not objectives:
        return [first]
    return [first, Slide("After this you can", "text", 1, body=as_list(objectives))]


def slide_of(header: dict, cell: Cell, following: list[Cell]) -> dict | None:
    """The fields of the slide that a cell is, or None if it is none."""
    given = {"minutes": header.get("minutes", MINUTES), "tour": header.get("tour", 0)}
    question = next((text for text in texts(cell) if text.startswith("Predict ")), None)
    if question is not None:
        return {**given, **prediction(cell, following)}
    if "slide" not in header:
        if "minutes" in header or "tour" in header:
            raise ValueError('it has minutes and no slide: write slide="..." before them.')
        return None
    if cell.cell_type == "markdown":
        content = text_content(cell)
    else:
        content = code_content(cell, hidden="hide-input" in header.get("tags", []))
    return {**given, "title": fill_numbers(header["slide"]), **content}


def text_content(cell: Cell) -> dict:
    """The lists, tables and quotations of a text cell."""
    tokens = MARKDOWN.parse(without_links(cell.source))
    kept, depth = [], 0
    for token in tokens:
        if depth or token.type in SHOWN:
            kept.append(token)
            depth += token.nesting
    if not kept:
        raise ValueError("a slide of text shows lists, tables and quotations, and it has none.")
    return {"kind": "text", "body": MARKDOWN.renderer.render(kept, MARKDOWN.options, {})}


def code_content(cell: Cell, hidden: bool) -> dict:
    """The picture of a code cell, else its table, else its lines and what they print.

    hidden: the chapter folds the lines away, and the slide shows what they print alone.
    """
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            alt = output.metadata.get("image/png", {}).get("alt") or data.get("text/plain", "")
            picture = base64.b64decode(data["image/png"])
            return {"kind": "figure", "picture": picture, "alt": alt}
        if "<table" in data.get("text/html", ""):
            return {"kind": "table", "body": data["text/html"]}
    printed = "".join(texts(cell)).strip()
    source = "" if hidden else cell.source
    lines = len(source.splitlines()) + len(printed.splitlines())
    if lines > MOST_LINES:
        raise ValueError(f"{lines} lines are too many for a slide: at most {MOST_LINES}.")
    if "### BEGIN SOLUTION" in cell.source:
        raise ValueError("a slide must not show a solution.")
    output = f"<pre class='printed'>{escape(printed)}</pre>" if printed else ""
    shown = f"<pre><code>{escape(source)}</code></pre>" if source else ""
    if not shown + output:
        raise ValueError("a slide of hidden lines shows what they print, and they print nothing.")
    return {"kind": "code", "body": shown + output}


def prediction(cell: Cell, following: list[Cell]) -> dict:
    """The question of a prediction with its options, and the answer, which comes at a key press."""
    html = next(o.data["text/html"] for o in cell.outputs if "text/html" in o.get("data", {}))
    body = html.replace("<p><b>Predict:</b> ", "<p class='question'>", 1)
    name = cell.source.strip().splitlines()[-1]
    revealed = next((each for each in following if f"{name}.reveal(" in each.source), None)
    answers = re.findall(r"<p>(.*?)</p>", outputs_html(revealed)) if revealed else []
    if answers:
        sentence = ANSWER.sub("", re.sub(r"<[^>]+>", "", answers[0]))
        body += f"<p class='answer fragment'>{sentence}</p>"
    notes = "".join(f"<p>{text}</p>" for text in answers[1:])
    return {"title": "Predict", "kind": "predict", "body": body, "notes": notes}


def exercises(cells: list[Cell]) -> list[Slide]:
    """One slide that names the exercises of a chapter; none if there are none."""
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    found = EXERCISE.findall(text) or AT_THE_END.findall(text.partition("## Exercises\n")[2])
    if not found:
        return []
    notes = "<p>Open the learner's edition: <code>kit.py lab</code>. Each check gives hints.</p>"
    return [
        Slide("Your turn" if part == 0 else "Your turn, continued", "text", MINUTES,
              body=as_list(items), notes=notes)
        for part, items in enumerate(parts_of([text.strip() for text in found]))
    ]  # fmt: skip


def key_points(cells: list[Cell]) -> list[Slide]:
    """The key points of a chapter, on as many slides as they need."""
    text = cells[-1].source.partition("## Key points")[2].partition("**Terms.**")[0]
    return [Slide("What to keep", "text", 1, body=as_list(p)) for p in parts_of(list_items(text))]


def parts_of(items: list[str]) -> list[list[str]]:
    """A list cut into parts, each of which fits on a slide: as few as will do, and as even."""
    parts: list[list[str]] = []
    for item in items:
        if parts and letters(parts[-1]) + len(item) <= MOST_LETTERS:
            parts[-1].append(item)
        else:
            parts.append([item])
    ways = itertools.combinations(range(1, len(items)), len(parts) - 1) if parts else ()
    cuts = (
        [items[start:end] for start, end in itertools.pairwise([0, *way, len(items)])]
        for way in ways
    )
    return min(cuts, key=lambda cut: max(map(letters, cut)), default=[])


def letters(items: list[str]) -> int:
    """How many letters a list has."""
    return sum(map(len, items))


def speaker_notes(before: list[Cell], after: list[Cell]) -> str:
    """The prose before a slide, and what the next text says is to be seen on it."""
    prose = [text for cell in before for text in paragraphs(cell)][-MOST_NOTES:]
    seen = [text for cell in after for text in paragraphs(cell) if text.startswith("**See")]
    return "".join(f"<p>{html_of(text)}</p>" for text in prose + seen)


def paragraphs(cell: Cell) -> list[str]:
    """The paragraphs of a text cell that are read aloud; exercises are left out."""
    if cell.cell_type != "markdown":
        return []
    blocks = cell.source.partition("### Exercise")[0].split("\n\n")
    return [text for text in blocks if not text.startswith(("#", "|", "- ", "*Hint", "1. ", ">"))]


def list_items(text: str) -> list[str]:
    """The entries of a Markdown list, as Markdown without line breaks."""
    entries = re.findall(r"^(?:- |\d+\. )(.*(?:\n {2,}.*)*)", text, re.MULTILINE)
    return [" ".join(entry.split()) for entry in entries]


def as_list(items: list[str]) -> str:
    """Markdown entries as an HTML list."""
    return "<ul>" + "".join(f"<li>{html_of(item)}</li>" for item in items) + "</ul>"


def html_of(text: str) -> str:
    """A line of Markdown as HTML, its links as plain text."""
    return MARKDOWN.renderInline(without_links(" ".join(text.split())))


def without_links(text: str) -> str:
    """Markdown with the words of its links, and not their addresses: a deck stands alone."""
    return LINK.sub(r"\1", text)


def texts(cell: Cell) -> list[str]:
    """What a code cell printed, or says of its value."""
    outputs = cell.get("outputs", [])
    return [o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs]


def outputs_html(cell: Cell) -> str:
    """The HTML among the outputs of a cell."""
    return "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)
