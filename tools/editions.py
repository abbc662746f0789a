"""The learner's editions, notebooks/labs/NN_name.ipynb: python -m tools.editions

A lab is made from the text of a chapter alone. Each solution becomes a hole that raises
NotImplementedError; the contract above it stays. No cell has an output, so nothing shows what a
solution or a prediction has to say. First uses of terms lead to the glossary, and the end to what
is often misunderstood. `kit.py build` writes the lab of each chapter that it builds.
"""

import copy
import re
import sys
from pathlib import Path

import nbformat

from tools import glossary, minutes
from tools.chapters import NOTEBOOKS, notebook_of, read_source, sources, write_if_changed
from tools.copies import deeper_links

LABS = NOTEBOOKS / "labs"
DOCS = "../docs"  # seen from a chapter
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
SOLUTION = re.compile(
    rf"^(?P<indent>[ \t]*){BEGIN}[ \t]*\n.*?^[ \t]*{END}[ \t]*$", re.MULTILINE | re.DOTALL
)
HOLE = 'raise NotImplementedError("{name}: write your answer here, in place of this line.")'


def main(arguments: list[str]) -> int:
    """Write every lab whose chapter's text has changed, the glossary and the minutes; returns 0."""
    if arguments:
        print(f"tools.editions takes no arguments, got: {' '.join(arguments)}")
        return 2
    for source in sources():
        state = "written" if write_lab(source, read_source(source)) else "unchanged"
        print(f"{lab_of(source).name}: {state}")
    return glossary.main() + minutes.main()


def write_lab(source: Path, chapter: nbformat.NotebookNode) -> bool:
    """Write the lab of a chapter that was read from `source`; False if it stood there so."""
    lab_of(source).parent.mkdir(exist_ok=True)
    return write_if_changed(learner_edition(chapter), lab_of(source))


def lab_of(source: Path) -> Path:
    """The learner's edition that is built from this source."""
    notebook = notebook_of(source)
    return notebook.parent / "labs" / notebook.name


def learner_edition(chapter: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A chapter as the learner gets it: holes for solutions, no outputs, no states of widgets.

    The argument, executed or not, stays as it is. Cells keep their ids and nbgrader's metadata;
    what nbgrader locks, JupyterLab locks too. Raises ValueError if a solution has no end, or if
    there is no exercise.
    """
    lab = copy.deepcopy(chapter)
    link_docs(lab)
    lab.metadata = {key: lab.metadata[key] for key in ("kernelspec", "language_info")}
    for cell in lab.cells:
        if cell.cell_type == "markdown":
            cell.source = deeper_links(cell.source)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.source = with_hole(cell)
        grading = cell.metadata.get("nbgrader")
        if grading:
            cell.metadata["deletable"] = False
            cell.metadata["editable"] = not grading["locked"]
    return lab


def link_docs(chapter: nbformat.NotebookNode) -> None:
    """Lead from a chapter, which is changed, to the glossary and to what is misunderstood."""
    number = number_of(chapter)
    terms = glossary.explained_until(number, glossary.all_terms())
    glossary.link_chapter(chapter, terms, f"{DOCS}/glossary.md", glossary.lab_anchor)
    page = f"{DOCS}/misunderstood.md"
    glossary.link_misunderstandings(chapter, number, page, glossary.lab_anchor)


def number_of(chapter: nbformat.NotebookNode) -> str:
    """The number of a chapter, by its first exercise: ch08-mask.

    Raises ValueError if it has none.
    """
    ids = (cell.metadata.get("nbgrader", {}).get("grade_id") for cell in chapter.cells)
    first = next(filter(None, ids), None)
    if first is None:
        raise ValueError("the chapter has no exercise: its lab would have nothing to solve")
    return first[2:4]


def with_hole(cell: nbformat.NotebookNode) -> str:
    """The text of a cell with each solution replaced by a line that says what to do."""
    name = cell.metadata.get("nbgrader", {}).get("grade_id", "exercise").replace("-", ".", 1)
    text = SOLUTION.sub(lambda found: found["indent"] + HOLE.format(name=name), cell.source)
    if BEGIN in text or END in text:
        raise ValueError(f"{name}: {BEGIN} and {END} do not come in pairs")
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
