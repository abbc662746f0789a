"""The glossary: what the chapters explain under "Terms", in one list. python -m tools.glossary

Writes docs/glossary.md. Each chapter ends with its terms, `*Kernel*: a small block of weights.`;
they stand there once, and everything else is made of them.
"""

import dataclasses
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat

from tools.chapters import NUMBER, ROOT, sources
from tools.copies import write_file

GLOSSARY, MISUNDERSTOOD = ROOT / "docs" / "glossary.md", ROOT / "docs" / "misunderstood.md"
NAMES = r"\*[^*]+\*(?: \([^)]*\))?(?:, \*[^*]+\*)*"
ENTRY = re.compile(rf"(?P<names>{NAMES}): (?P<meaning>.*?)(?=\s(?:{NAMES})(?:: | \w)|$)")
# no link into headings, code, formulas, links, tables, HTML, emphasised words
PROTECTED = re.compile(
    r"```.*?```|`[^`\n]*`|\[[^\]]*\]\([^)]*\)|^#.*?$|^\|.*?$|<[^>]*>|\*+[^*\n]+\*+",
    re.DOTALL | re.MULTILINE,
)
SHORTEST = 4  # letters: a shorter word is linked in capitals alone

HEAD = """# Glossary

Every term of the kit, and the chapters that explain it.
Made of the chapters by `python -m tools.glossary`.
"""


@dataclass(frozen=True)
class Term:
    """A word and what a chapter says it means. chapter: the stem of its source."""

    name: str
    meaning: str
    chapter: str

    @property
    def heading(self) -> str:
        """The heading of the word's entry: Winning ticket."""
        return self.name[0].upper() + self.name[1:]

    @property
    def label(self) -> str:
        """The anchor of that heading on GitHub and in the book: winning-ticket."""
        return anchor(self.heading)


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub and Sphinx make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def lab_anchor(heading: str) -> str:
    """The anchor of a heading, as JupyterLab makes it: Winning-ticket."""
    return heading.replace(" ", "-")


def terms_of(text: str, chapter: str) -> list[Term]:
    """The terms that a chapter's last text explains, in their order.

    Where one entry of a list explains several words, each of them gets the whole entry: "Ridge:
    where they meet" says nothing alone.
    """
    listed = text.partition("**Terms.**")[2].partition("**References.**")[0].strip()
    found = []
    for entry in re.split(r"^- ", listed, flags=re.MULTILINE):
        words = " ".join(entry.split())
        matches = list(ENTRY.finditer(words))
        together = listed.startswith("- ") and len(matches) > 1
        for match in matches:
            names = [name.strip() for name in match["names"].replace("*", "").split(", ")]
            alone = match[0] if len(names) > 1 else match["meaning"].strip()
            meaning = words if together else alone
            found += [Term(name, meaning, chapter) for name in names]
    return found


def all_terms() -> list[Term]:
    """The terms of every chapter, in alphabetical order, earlier chapters first."""
    found = []
    for source in sources():
        text = "\n".join(
            line.removeprefix("#").removeprefix(" ")
            for line in source.read_text(encoding="utf-8").splitlines()
        )
        found += terms_of(text, source.stem)
    names = {term.name.lower() for term in found}
    found = [in_the_singular(term, names) for term in found]
    return sorted(found, key=lambda term: (term.name.lower(), term.chapter))


def explained_until(number: str, terms: list[Term]) -> list[Term]:
    """Those that a chapter up to this number explains: before that, a word may mean what it says.

    A hint, a group or a connection is an everyday word until a chapter makes a term of it.
    """
    return [term for term in terms if term.chapter[:2] <= number]


def in_the_singular(term: Term, names: set[str]) -> Term:
    """The term, without its s if another chapter has it so."""
    single = term.name.removesuffix("s")
    return dataclasses.replace(term, name=single) if single.lower() in names else term


def as_markdown(terms: list[Term], chapters: str) -> str:
    """The glossary as a page. chapters: the folder of the notebooks, seen from the page."""
    by_label = defaultdict(list)
    for term in terms:
        by_label[term.label].append(term)
    lines = [HEAD]
    for same in by_label.values():
        lines.append(f"## {same[0].heading}\n")
        for term in same:
            number = term.chapter[:2]
            lines.append(f"- {term.meaning} [{number}]({chapters}/{term.chapter}.ipynb)")
        lines.append("")
    return "\n".join(lines)


def link_first_uses(
    text: str, terms: list[Term], used: set[str], page: str, to_anchor: Callable[[str], str]
) -> str:
    """Markdown in which the first use of each term leads to the glossary.

    used: the labels that the chapter has linked already; grows. page: the glossary's address.
    to_anchor: makes the anchor of a heading, as what shows the page does.
    """
    head, mark, tail = text.partition("**Terms.**")
    for term in terms:
        if term.label in used:
            continue
        name = term.name
        flags = 0 if len(name) < SHORTEST else re.IGNORECASE
        word = re.compile(rf"(?<![\w-]){re.escape(name)}s?(?![\w-])", flags)
        taken = [match.span() for match in PROTECTED.finditer(head)]
        for match in word.finditer(head):
            if not any(start < match.end() and match.start() < end for start, end in taken):
                link = f"[{match[0]}]({page}#{to_anchor(term.heading)})"
                head = head[: match.start()] + link + head[match.end() :]
                used.add(term.label)
                break
    return head + mark + tail


def link_chapter(
    notebook: nbformat.NotebookNode,
    terms: list[Term],
    page: str,
    to_anchor: Callable[[str], str] = anchor,
) -> None:
    """Link the first uses of all terms in the texts of a chapter, which is changed."""
    used: set[str] = set()
    for cell in notebook.cells[1:]:
        if cell.cell_type == "markdown":
            cell.source = link_first_uses(cell.source, terms, used, page, to_anchor)


def link_misunderstandings(
    notebook: nbformat.NotebookNode,
    number: str,
    page: str,
    to_anchor: Callable[[str], str] = anchor,
) -> None:
    """Let the last cell of a chapter lead to its part of docs/misunderstood.md, if there is one."""
    headings = re.findall(r"^## (.*)", MISUNDERSTOOD.read_text(encoding="utf-8"), re.MULTILINE)
    place = next((to_anchor(each) for each in headings if each.startswith(number)), None)
    if place is None:
        return
    head, mark, tail = notebook.cells[-1].source.partition("**Next.**")
    line = f"**Often misunderstood.** [Check yourself]({page}#{place})."
    notebook.cells[-1].source = "\n\n".join(filter(None, [head.rstrip(), line, mark + tail]))


def main(path: Path = GLOSSARY) -> int:
    """Write the glossary."""
    text = as_markdown(all_terms(), "../notebooks")
    if NUMBER.search(text):
        print("A term's meaning must not name a measured number.")
        return 1
    write_file(path, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
