"""Build a course folder for nbgrader: python3 kit.py release [FOLDER] [--seed N] [--chapters NN]

FOLDER/source holds each chapter solved, with hidden tests in its check cells; FOLDER/release holds
what learners get; FOLDER/gradebook.db knows the exercises and their points. Every check cell ends
in the points that an answer earns, so that a part of the cases is a part of the points.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat

from tools.chapters import DATA, ROOT, TO_CHAPTER, read_source, sources, write_if_changed
from tools.copies import write_file
from tools.course import boxes, steps
from tools.editions import BEGIN, END, link_docs

CHECK = re.compile(r'classroom\.check\("(?P<key>ch\d\d\.\w+)", (?P<name>\w+)\)')
TO_DOC = re.compile(r"""(\]\(|(?:src|href)=["'])\.\./docs/(?P<name>[\w.]+)""")
GRADED = """\
### BEGIN HIDDEN TESTS
from tools.course.inputs import inputs as _hidden_inputs


{reference}


classroom.checks.hide("{key}", _reference, _hidden_inputs("{key}", {seed}))
### END HIDDEN TESTS
classroom.score("{key}", {name})"""


def main(arguments: list[str]) -> int:
    """Build the course folder; returns 0, or 1 if nbgrader refused an assignment."""
    asked = options().parse_args(arguments)
    folder = Path(asked.folder).resolve()
    chosen = [path for path in sources() if not asked.chapters or path.name[:2] in asked.chapters]
    unknown = set(asked.chapters) - {path.name[:2] for path in chosen}
    if boxes.ROOT.is_relative_to(folder):
        print(f"{folder} holds the kit: choose a folder for the course alone, such as ~/course.")
        return 2
    if unknown:
        print(f"There is no chapter {', '.join(sorted(unknown))}. FOLDER stands before --chapters.")
        return 2
    return release(folder, chosen, asked.seed)


def options() -> argparse.ArgumentParser:
    """The words that `kit.py release` takes."""
    parser = argparse.ArgumentParser(prog="kit.py release", description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", default="work/course", metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=0, help="draws the hidden tests; keep it")
    parser.add_argument("--chapters", nargs="+", default=[], metavar="NN")
    return parser


def release(folder: Path, chapters: list[Path], seed: int) -> int:
    """Write source, configuration and release of some chapters; returns 0, or 1 if one failed."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in (folder / "source").glob("*")} | {c.stem for c in chapters}
    for source in chapters:
        target = folder / "source" / source.stem / f"{source.stem}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        chapter = read_source(source, DATA)
        link_docs(chapter)
        lay_docs(chapter, target.parent / "docs", names)
        write_if_changed(course_edition(chapter, seed, names), target)
    write_file(folder / "nbgrader_config.py", steps.CONFIG.encode())
    api = steps.nbgrader(folder)
    failed = [
        source.stem
        for source in chapters
        if not steps.said(api.generate_assignment(source.stem, force=True), source.stem)
    ]
    print(f"{len(chapters) - len(failed)} assignments are ready in {folder / 'release'}.")
    print(f"Put what is handed in at {folder / 'submitted'}/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb,")
    print(f"then run: python3 kit.py grade {folder}")
    return 1 if failed else 0


def lay_docs(chapter: nbformat.NotebookNode, folder: Path, names: set[str]) -> None:
    """Lay the pictures and pages that a chapter links to beside it: nbgrader hands them out too.

    names: the chapters that a page may lead to.
    """
    texts = [cell.source for cell in chapter.cells if cell.cell_type == "markdown"]
    for name in sorted({found["name"] for text in texts for found in TO_DOC.finditer(text)}):
        folder.mkdir(exist_ok=True)
        content = (ROOT / "docs" / name).read_bytes()
        if name.endswith(".md"):
            page = content.decode().replace("](../notebooks/", "](")
            content = course_links(page, names, up="../..").encode()
        write_file(folder / name, content)


def course_links(text: str, names: set[str], up: str = "..") -> str:
    """Markdown whose links hold in a folder of its own, beside those of the chapters `names`.

    A link to another chapter becomes its words. up: where the chapters' folders are, seen from it.
    """

    def beside(found: re.Match) -> str:
        words, stem = found["words"], found["stem"]
        return f"[{words}]({up}/{stem}/{stem}.ipynb)" if stem in names else words

    return TO_CHAPTER.sub(beside, TO_DOC.sub(r"\1docs/\g<name>", text))


def course_edition(
    chapter: nbformat.NotebookNode, seed: int, names: set[str]
) -> nbformat.NotebookNode:
    """A chapter as nbgrader's source: solutions marked, hidden tests in the check cells.

    names: the chapters that it may lead to. Raises ValueError if a check cell is not the one
    line that a chapter has.
    """
    answers = {}
    for cell in chapter.cells:
        grading = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown":
            cell.source = course_links(cell.source, names)
        elif grading.get("solution"):
            answers[grading["grade_id"]] = cell.source
        elif grading.get("grade"):
            solution = answers[grading["grade_id"].removesuffix("-check")]
            cell.source = graded(cell.source, solution, seed)
    return chapter


def graded(check: str, solution: str, seed: int) -> str:
    """The text of a check cell of the course: hidden cases, then the points."""
    found = CHECK.fullmatch(check.strip())
    if not found:
        raise ValueError(f"this check is not of the form that a course needs: {check!r}")
    rows = [row for row in solution.splitlines() if row.strip() not in (BEGIN, END)]
    reference = re.sub(rf"\b{found['name']}\b", "_reference", "\n".join(rows)).strip()
    return GRADED.format(reference=reference, seed=seed, **found.groupdict())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
