"""What a built chapter must look like. Each rule yields the problems it finds, as sentences."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat

from tools.chapters import KNOWN_TAGS

MAX_BYTES = 1_000_000
MAX_CODE_LINES = 30
MIN_COMPARED = 3
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")

HERE = re.escape(str(Path(__file__).resolve().parent.parent))
MACHINE_PATH = re.compile(rf"/home/|/Users/|/root/|/tmp/|[A-Za-z]:\\+Users|{HERE}")
BASE64 = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]*")
NAMELESS = re.compile(r"<[^>]*(?: at 0x[0-9a-f]+|Figure size)[^>]*>")
DESCRIBED = re.compile(r"(?:Figure|Explorer|DigitPad|Webcam): \S")
IMG = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
ALT = re.compile(r"""\balt=(?:"[^"]*[^"\s][^"]*"|'[^']*[^'\s][^']*')""", re.IGNORECASE)
MARKDOWN_IMG = re.compile(r"!\[(?P<alt>[^\]]*)\]\(")
# what is not prose: code, formulas, HTML, the addresses of links
NOT_PROSE = re.compile(
    r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$|<[^>]*>|\]\([^)]*\)", re.DOTALL
)
UNWANTED = re.compile(r"\b(?:simply|just|powerful)\b|!(?!\[)", re.IGNORECASE)
REFERENCES = re.compile(r"^(?:#+ |\*\*)References", re.MULTILINE)
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"

Notebook = nbformat.NotebookNode
Problems = Iterator[str]


def problems(path: Path) -> list[str]:
    """All problems of the notebook at `path`; empty if its form is right."""
    notebook = nbformat.read(path, 4)
    found = [problem for rule in RULES for problem in rule(notebook)]
    size = path.stat().st_size
    if size >= MAX_BYTES:
        found.append(f"the file has {size:,} bytes: stay below {MAX_BYTES:,}")
    return found


def run_from_top_to_bottom(notebook: Notebook) -> Problems:
    """Code cells are numbered 1 to n, as in a fresh kernel; else nbval would compare nothing."""
    counts = [cell.execution_count for _, cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"not run from top to bottom in a fresh kernel: the cells are numbered {counts}"
    for position, cell in code_cells(notebook):
        if not cell.source.strip():
            yield f"cell {position}: empty"


def known_tags(notebook: Notebook) -> Problems:
    """A misspelt tag would change nothing and say nothing."""
    for position, cell in enumerate(notebook.cells):
        for tag in sorted(tags(cell) - KNOWN_TAGS):
            yield f"cell {position}: unknown tag {tag!r}"


def no_stored_error(notebook: Notebook) -> Problems:
    """No cell failed, unless it is tagged so, and none wrote to stderr."""
    for position, cell in code_cells(notebook):
        kinds = {output.output_type for output in cell.outputs}
        if "error" in kinds and "raises-exception" not in tags(cell):
            yield f"cell {position}: a stored error; tag it raises-exception if it is meant"
        if any(output.get("name") == "stderr" for output in cell.outputs):
            yield f"cell {position}: stored text on stderr"


def widget_states(notebook: Notebook) -> Problems:
    """Each widget that a cell shows has its state stored, or static pages show nothing."""
    kinds = notebook.metadata.get("widgets", {})
    states = kinds.get(WIDGET_STATE, {}).get("state", {})
    if any("state" not in kind for kind in kinds.values()):
        yield "metadata.widgets holds an entry with no state"
    for position, output in outputs(notebook):
        view = output.get("data", {}).get(WIDGET_VIEW)
        if view and view["model_id"] not in states:
            yield f"cell {position}: the state of its widget is not stored"


def no_machine_path(notebook: Notebook) -> Problems:
    """No folder of the machine that built the chapter."""
    parts = [(f"cell {position}", cell) for position, cell in enumerate(notebook.cells)]
    for where, part in [*parts, ("the metadata", notebook.metadata)]:
        for text in strings(part):
            found = MACHINE_PATH.search(BASE64.sub("", text))
            if found:
                yield f"{where}: names a folder of one machine, {found[0]}"
                break


def really_compared(notebook: Notebook) -> Problems:
    """nbval compares the text of at least three cells."""
    compared = [
        cell
        for _, cell in code_cells(notebook)
        if "nbval-ignore-output" not in tags(cell) and any(map(is_compared, cell.outputs))
    ]
    if len(compared) < MIN_COMPARED:
        yield f"{len(compared)} cells have an output that is compared: {MIN_COMPARED} are needed"


def short_cells(notebook: Notebook) -> Problems:
    """A code cell has at most 30 lines of code; blank lines and comments do not count."""
    for position, cell in code_cells(notebook):
        rows = [row.strip() for row in cell.source.splitlines()]
        length = sum(bool(row) and not row.startswith("#") for row in rows)
        if length > MAX_CODE_LINES:
            yield f"cell {position}: {length} lines of code, {MAX_CODE_LINES} are allowed"


def alternative_text(notebook: Notebook) -> Problems:
    """Every picture has a text for those who cannot see it."""
    for position, output in outputs(notebook):
        data = output.get("data", {})
        pictures = IMG.findall(data.get("text/html", ""))
        described = bool(pictures) or DESCRIBED.match(data.get("text/plain", ""))
        if any(kind in data for kind in PICTURES) and not described:
            yield f"cell {position}: a picture without alt text: classroom.show(figure, alt=...)"
        if not all(map(ALT.search, pictures)):
            yield f"cell {position}: an <img> without alt text"
    for position, cell in markdown_cells(notebook):
        empty = [found for found in MARKDOWN_IMG.finditer(cell.source) if not found["alt"].strip()]
        if empty or not all(map(ALT.search, IMG.findall(cell.source))):
            yield f"cell {position}: a picture in the text without alt text"


def exercises_with_checks(notebook: Notebook) -> Problems:
    """An exercise holds its solution between the markers, and the next code cell checks it."""
    cells = list(code_cells(notebook))
    following = [cell for _, cell in cells[1:]] + [None]
    for (position, cell), after in zip(cells, following, strict=True):
        lines = [row.strip() for row in cell.source.splitlines()]
        markers = [row for row in lines if row in (BEGIN, END)]
        is_exercise = "exercise" in tags(cell)
        if is_exercise and (not markers or markers != [BEGIN, END] * (len(markers) // 2)):
            yield f"cell {position}: an exercise without {BEGIN} and {END}"
        if markers and not is_exercise:
            yield f"cell {position}: a solution in a cell that is no exercise"
        if is_exercise and (after is None or "check" not in tags(after)):
            yield f"cell {position}: no check cell follows the exercise"
        if {"exercise", "check"} & tags(cell) and "nbgrader" not in cell.metadata:
            yield f"cell {position}: no nbgrader metadata"


def front_matter(notebook: Notebook) -> Problems:
    """The first cell has the title, the minutes and the objectives."""
    cells = notebook.cells
    text = cells[0].source if cells and cells[0].cell_type == "markdown" else ""
    if not re.match(r"# \S", text):
        yield "the first cell is no text that begins with a level-1 title"
    for word in ("minutes", "objectives"):
        if word not in text.lower():
            yield f"the first cell does not state the {word}"


def voice(notebook: Notebook) -> Problems:
    """No exclamation mark in the prose, and none of the words that belittle an effort."""
    for position, cell in markdown_cells(notebook):
        if "{{" in NOT_PROSE.sub(" ", cell.source):
            yield f"cell {position}: a number that was not filled in"
        for found in UNWANTED.finditer(NOT_PROSE.sub(" ", cell.source)):
            yield f"cell {position}: the prose says {found[0]!r}"


def ends_with_references(notebook: Notebook) -> Problems:
    """The last cell is text that lists the references."""
    last = notebook.cells[-1] if notebook.cells else None
    if last is None or last.cell_type != "markdown" or not REFERENCES.search(last.source):
        yield "the last cell lists no references"


RULES = (
    run_from_top_to_bottom,
    known_tags,
    no_stored_error,
    widget_states,
    no_machine_path,
    really_compared,
    short_cells,
    alternative_text,
    exercises_with_checks,
    front_matter,
    voice,
    ends_with_references,
)


def tags(cell: Notebook) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", []))


def code_cells(notebook: Notebook) -> Iterator[tuple[int, Notebook]]:
    """(position, cell) of each code cell."""
    return ((n, cell) for n, cell in enumerate(notebook.cells) if cell.cell_type == "code")


def markdown_cells(notebook: Notebook) -> Iterator[tuple[int, Notebook]]:
    """(position, cell) of each cell of text."""
    return ((n, cell) for n, cell in enumerate(notebook.cells) if cell.cell_type == "markdown")


def outputs(notebook: Notebook) -> Iterator[tuple[int, Notebook]]:
    """(position of its cell, output) of each output."""
    return ((n, output) for n, cell in code_cells(notebook) for output in cell.outputs)


def is_compared(output: Notebook) -> bool:
    """Whether nbval finds text in an output that says more than a type and an address."""
    text = output.get("text", "") or output.get("data", {}).get("text/plain", "")
    return output.output_type != "error" and bool(NAMELESS.sub("", text).strip())


def strings(part: object) -> Iterator[str]:
    """Every text below `part`, pictures left out."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key not in PICTURES:
                yield from strings(value)
    elif isinstance(part, list):
        for value in part:
            yield from strings(value)
    elif isinstance(part, str):
        yield part
