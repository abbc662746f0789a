"""The learner's own copies of the chapters, in work/: git ignores them and no build touches them.

kit.py lays them out before any package is installed, so this needs the standard library alone.
"""

from __future__ import annotations  # an older Python must come as far as being refused by kit.py

import contextlib
import hashlib
import json
import os
import re
from pathlib import Path

RECORD = ".editions.json"  # in a folder of copies: the edition that each of them came from
LINK_UP = re.compile(r"""(\]\(|(?:src|href)=["'])\.\./""")
DOC = re.compile(r"\.\./\.\./docs/([\w.]+)")  # as a lab links to it


def labs(root: Path) -> dict[str, bytes]:
    """The learner's editions, by file name, and the templates that wait for a network."""
    editions = chapters_in(root / "notebooks" / "labs")
    templates = sorted((root / "notebooks" / "templates").glob("*.ipynb"))
    return {path.name: path.read_bytes() for path in (*editions, *templates)}


def labs_with_docs(root: Path) -> dict[str, dict[str, bytes]]:
    """By folder: the labs, and beside them the docs that they link to, for a home without the kit.

    The glossary names chapters: from there it leads to the labs.
    """
    editions = {name: lab.replace(b"../../docs/", b"../docs/") for name, lab in labs(root).items()}
    docs = {name: (root / "docs" / name).read_bytes() for name in linked_docs(root)}
    for name in docs:
        if name.endswith(".md"):
            docs[name] = docs[name].replace(b"](../notebooks/", b"](../labs/")
    return {"labs": editions, "docs": docs}


def linked_docs(root: Path) -> list[str]:
    """The names of the files in docs/ that the labs link to."""
    texts = (lab.decode() for lab in labs(root).values())
    return sorted({name for text in texts for name in DOC.findall(text)})


def solved(root: Path) -> dict[str, bytes]:
    """The solved chapters, by file name, with links that hold one folder further down."""
    return {path.name: one_deeper(path.read_bytes()) for path in chapters_in(root / "notebooks")}


def chapters_in(folder: Path) -> list[Path]:
    """The notebooks of a folder, in order."""
    return sorted(folder.glob("[0-9][0-9]_*.ipynb"))


def one_deeper(notebook: bytes) -> bytes:
    """A notebook file whose links to `../` work from a folder one level further down."""
    content = json.loads(notebook)
    for cell in content["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = [deeper_links(line) for line in lines_of(cell["source"])]
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def lines_of(source: str | list[str]) -> list[str]:
    """The lines of a cell, which a notebook file stores as a list or as one text."""
    return source.splitlines(keepends=True) if isinstance(source, str) else source


def deeper_links(text: str) -> str:
    """Markdown whose links and pictures at `../` are looked for at `../../`."""
    return LINK_UP.sub(r"\1../../", text)


def lay_out(editions: dict[str, bytes], folder: Path) -> list[str]:
    """Put each edition into `folder`, by its name; what the learner changed there stays as it is.

    A copy that the learner did not change is brought up to date. Beside one that was changed, a
    newer edition is laid under a name of its own, once. Returns a sentence for each newer edition.
    Raises OSError if the folder cannot be written; no file is ever half-written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = read_record(folder)
    sentences = []
    for name, edition in editions.items():
        sentences += lay_one(folder / name, edition, record.get(name))
        record[name] = digest(edition)  # kept at once: an interrupt must not make it look changed
        write_file(folder / RECORD, json.dumps(record, indent=1, sort_keys=True).encode())
    return sentences


def lay_one(copy: Path, edition: bytes, came_from: str | None) -> list[str]:
    """Lay out one edition. came_from: the digest of the edition seen last, or None."""
    if not copy.exists():
        write_file(copy, edition)
        return []
    present = copy.read_bytes()
    if present == edition or came_from == digest(edition):
        return []
    if came_from == digest(present):
        write_file(copy, edition)
        return [f"{copy.name}: brought up to date; you had not changed your copy."]
    newer = free_name(copy, edition)
    write_file(newer, edition)
    return [f"{copy.name}: your copy stays as it is; the newer edition is beside it, {newer.name}."]


def free_name(copy: Path, edition: bytes) -> Path:
    """NAME_newer.ipynb, or NAME_newer_2.ipynb and so on: the first that would overwrite nothing."""
    number = 1
    while True:
        end = "_newer" if number == 1 else f"_newer_{number}"
        path = copy.with_name(copy.stem + end + copy.suffix)
        if not path.exists() or path.read_bytes() == edition:
            return path
        number += 1


def read_record(folder: Path) -> dict[str, str]:
    """Digest of the edition that each copy came from; empty if there is no readable record."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def digest(content: bytes) -> str:
    """What names an edition in the record."""
    return hashlib.sha256(content).hexdigest()


def write_file(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, then rename it, if it does not stand there already."""
    if path.exists() and path.read_bytes() == content:
        return
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
