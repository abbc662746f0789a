"""The book as web pages: python3 kit.py site

Writes build/site: the chapters with their stored outputs, which are not executed, the techniques,
the glossary, what the library offers, and a search. The folder opens from a disk; no page loads
anything from elsewhere. Every link inside it is followed once, and a broken one is named.
"""

import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path

import nbformat

from edu_lib import OFFERED
from tools.chapters import ROOT, TO_CHAPTER, notebook_of, sources
from tools.editions import BEGIN, END
from tools.glossary import (
    GLOSSARY,
    Term,
    all_terms,
    as_markdown,
    explained_until,
    link_chapter,
    link_misunderstandings,
)
from tools.notebook_form import WIDGET_STATE, WIDGET_VIEW
from tools.site_check import problems_of

PAGES = Path(__file__).resolve().parent / "pages"
SOURCE, SITE = ROOT / "build" / "site_source", ROOT / "build" / "site"
DOCS, PICTURES = ROOT / "docs", ("*.png", "*.gif")
SPHINX = ("-b", "html", "-q", "-W", "--keep-going", "-j", "auto")

# a folder of docs/, which the book does not hold
TO_FOLDER = re.compile(r"\[([^\]]+)\]\(\w+/[^)]*\)")

INDEX = """# Thirty Frames

**From LeNet to CNNs at the edge, with every gain measured.**

A camera gives thirty frames a second, so a network has 33 milliseconds for each. The chapters tell
how networks came to fit, and measure it. Here they stand as they ran, a solution of each exercise
folded away. `python3 kit.py lab` opens them with holes for your own answers.

![Road scenes of the kit, the frames its networks will read](docs/thirty_frames.png)

```{{toctree}}
:maxdepth: 2
notebooks/index
```

```{{toctree}}
:maxdepth: 1
{pages}
api/index
```
"""
LIST = """# {title}

```{{toctree}}
:maxdepth: 1
{entries}
```
"""
DIRECTIVES = {True: "autoclass", False: "autofunction"}


def main(arguments: list[str]) -> int:
    """Build the book; returns 0 if Sphinx has nothing to say and every link leads somewhere."""
    if arguments:
        print(f"kit.py site takes no arguments, got: {' '.join(arguments)}")
        return 2
    if not all(notebook_of(source).is_file() for source in sources()):
        print("A chapter is not built yet: run `python3 kit.py build`.")
        return 1
    lay_out(SOURCE, sources(), OFFERED, sorted(DOCS.glob("*.md")))
    code = run_sphinx(SOURCE, SITE)
    problems = problems_of(SITE)
    for problem in problems:
        print(problem)
    print(SITE / "index.html")
    return 1 if code or problems else 0


def lay_out(
    folder: Path, chapters: list[Path], offered: dict[str, tuple[str, ...]], pages: list[Path]
) -> None:
    """Write what Sphinx reads into `folder`, which is made anew.

    chapters: sources of chapters that are built. offered: {module: names} of the reference.
    pages: Markdown files of docs/; the glossary has the terms of these chapters.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "_static").mkdir(parents=True)
    shutil.copyfile(PAGES / "site.css", folder / "_static" / "site.css")
    for name in ("conf.py", "plain_docstrings.py"):
        shutil.copyfile(PAGES / name, folder / name)
    (folder / "docs").mkdir()
    for picture in (path for kind in PICTURES for path in sorted(DOCS.glob(kind))):
        shutil.copyfile(picture, folder / "docs" / picture.name)
    for path in pages:
        text = TO_FOLDER.sub(r"\1", path.read_text(encoding="utf-8"))
        (folder / "docs" / path.name).write_text(text, encoding="utf-8")
    names = [source.stem for source in chapters]
    terms = [term for term in all_terms() if term.chapter in names]
    glossary = folder / "docs" / GLOSSARY.name
    glossary.write_text(as_markdown(terms, "../notebooks"), encoding="utf-8")
    (folder / "notebooks").mkdir()
    for source in chapters:
        number = source.stem[:2]
        known = explained_until(number, terms)
        chapter = book_edition(nbformat.read(notebook_of(source), 4), names, known)
        number_title(chapter, number)
        link_misunderstandings(chapter, number, "../docs/misunderstood.md")
        nbformat.write(chapter, folder / "notebooks" / f"{source.stem}.ipynb")
    write_reference(folder / "api", offered)
    docs = sorted({f"docs/{path.stem}" for path in [*pages, glossary]})
    listed = LIST.format(title="Chapters", entries="\n".join(names))
    (folder / "notebooks" / "index.md").write_text(listed, encoding="utf-8")
    text = INDEX.format(pages="\n".join(docs))
    (folder / "index.md").write_text(text, encoding="utf-8")


def book_edition(
    chapter: nbformat.NotebookNode, names: list[str], terms: list[Term]
) -> nbformat.NotebookNode:
    """A chapter as the book shows it; the argument is changed.

    Widgets become stills, solutions are folded away, first uses of terms lead to the glossary, and
    a link to a chapter that is not among `names` becomes its words.
    """
    chapter.metadata.pop("widgets", None)
    for cell in chapter.cells:
        if cell.cell_type == "markdown":
            cell.source = TO_CHAPTER.sub(
                lambda found: found[0] if found["stem"] in names else found["words"], cell.source
            )
        if BEGIN in cell.source:
            fold_solution(cell)
        for output in cell.get("outputs", []):
            if "data" in output:
                output.data = as_still(output)
    link_chapter(chapter, terms, "../docs/glossary.md")
    return chapter


def fold_solution(cell: nbformat.NotebookNode) -> None:
    """Leave the marks of a solution out of a cell, and let a reader try before looking."""
    rows = cell.source.splitlines()
    cell.source = "\n".join(row for row in rows if row.strip() not in (BEGIN, END))
    cell.metadata.tags = [*cell.metadata.get("tags", []), "hide-input"]
    cell.metadata.mystnb = {"code_prompt_show": "Show a solution"}


def number_title(chapter: nbformat.NotebookNode, number: str) -> None:
    """Put the number, by which all pages name a chapter, into its title."""
    first = chapter.cells[0]
    first.source = re.sub(r"^# ", f"# {number} ", first.source)


def as_still(output: nbformat.NotebookNode) -> dict:
    """The data of an output without what needs a kernel; its picture with its alt text."""
    data = {key: value for key, value in output.data.items() if key != WIDGET_VIEW}
    data.pop(WIDGET_STATE, None)
    picture = data.pop("image/png", None)
    if picture and "<img" not in data.get("text/html", ""):
        alt = output.metadata.get("image/png", {}).get("alt") or data.get("text/plain", "")
        address = "data:image/png;base64," + picture.replace("\n", "")
        data["text/html"] = f'<img src="{address}" alt="{escape(alt)}">'
    return data


def write_reference(folder: Path, offered: dict[str, tuple[str, ...]]) -> None:
    """A page for each module of the library, made of its docstrings, and a list of them."""
    folder.mkdir()
    for module, names in offered.items():
        entries = [reference_of(module, name) for name in names]
        rows = [f"# {module}", "", "```{eval-rst}", f".. automodule:: {module}", "", *entries]
        (folder / f"{module}.md").write_text("\n".join([*rows, "```", ""]), encoding="utf-8")
    entries = "\n".join(f"{module.removeprefix('edu_lib.')} <{module}>" for module in offered)
    listed = LIST.format(title="What the library offers", entries=entries)
    (folder / "index.md").write_text(listed, encoding="utf-8")


def reference_of(module: str, name: str) -> str:
    """The directive that shows a function, a class, or the functions of a module."""
    value = getattr(importlib.import_module(module), name)
    if inspect.ismodule(value):
        return f".. automodule:: {value.__name__}\n   :members:\n"
    members = "   :members:\n" if inspect.isclass(value) else ""
    return f".. {DIRECTIVES[inspect.isclass(value)]}:: {module}.{name}\n{members}"


def run_sphinx(source: Path, target: Path) -> int:
    """Run Sphinx on `source`; returns its exit code. It speaks only of what is wrong."""
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", *SPHINX, str(source), str(target)]
    path = os.pathsep.join([str(source), str(ROOT)])  # the extension, and edu_lib
    variables = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, env=variables).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
