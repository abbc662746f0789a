"""A docstring that says "Taught in chapter NN" is true: the chapter names what it documents."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def taught():
    """(file, name, chapter) of each public function or class whose docstring names a chapter."""
    found = []
    for path in sorted((ROOT / "edu_lib").rglob("*.py")):
        name_of_file = path.relative_to(ROOT / "edu_lib").as_posix()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                chapters = re.findall(r"aught in\s+chapter (\d\d)", ast.get_docstring(node) or "")
                found += [(name_of_file, node.name, chapter) for chapter in chapters]
    return found


@pytest.mark.parametrize(("file", "name", "chapter"), taught())
def test_the_chapter_names_what_it_teaches(file, name, chapter):
    [source] = (ROOT / "notebooks" / "source").glob(f"{chapter}_*.py")
    assert re.search(rf"\b{re.escape(name)}\b", source.read_text(encoding="utf-8")), file
