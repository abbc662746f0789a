"""Labs: equal to what the sources give, with no solution in them, and solvable step by step."""

import ast
import itertools
import json
import re
import textwrap
from pathlib import Path

import nbformat
import pytest

import kit
from tools import copies
from tools.chapters import NOTEBOOKS, notebook_of, read_source, sources
from tools.editions import BEGIN, END, LABS, lab_of, learner_edition
from tools.glossary import lab_anchor

NAMES = [source.stem for source in sources()]
LINK = re.compile(r"""(?:\]\(|(?:src|href)=["'])([^)"'#\s]+)""")
TOLD = 0.5
SOLUTION = re.compile(rf"{BEGIN}\n(.*?){END}", re.DOTALL)


@pytest.fixture(scope="module", params=sources(), ids=NAMES)
def source(request):
    return request.param


@pytest.fixture(scope="module")
def chapter(source):
    """The chapter as its text gives it, not executed."""
    return read_source(source)


@pytest.fixture(scope="module")
def lab(source):
    """The lab as it lies in notebooks/labs."""
    return nbformat.read(lab_of(source), 4)


def exercises(notebook):
    """(exercise cell, check cell) of a notebook, in order."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    pairs = itertools.pairwise(cells)
    return [(cell, after) for cell, after in pairs if "exercise" in cell.metadata.get("tags", [])]


def statements(code):
    """Every statement of some code, without its spelling."""
    tree = ast.parse(code)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    return {ast.unparse(node) for node in found}


def body_of(solution):
    """The solution as a function's body, whatever its indentation."""
    return "def answer():\n" + textwrap.indent(textwrap.dedent(solution), " ")


def code_of(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def rows(code):
    """The lines of some code, without spaces."""
    return {"".join(row.split()) for row in code.splitlines() if row.strip()}


def share(solution, present):
    """How much of a solution stands in a lab. Half is allowed: chapters show steps before."""
    return len(solution & present) / len(solution)


# what is committed


def test_each_chapter_has_a_lab_and_each_lab_a_chapter():
    assert {path.stem for path in LABS.glob("*.ipynb")} == set(NAMES)


def test_a_lab_equals_its_source(source, chapter, lab):
    """A difference means: run `python3 kit.py build NN`, or `python -m tools.editions`."""
    assert lab == learner_edition(chapter)


def test_a_lab_from_the_executed_chapter_is_the_same(source, lab):
    assert learner_edition(nbformat.read(notebook_of(source), 4)) == lab


def test_a_lab_is_small_and_valid(source, lab):
    nbformat.validate(lab)
    assert lab_of(source).stat().st_size < 100_000


# no solution survives


def test_no_solution_survives_in_text(source, chapter, lab):
    whole = lab_of(source).read_text(encoding="utf-8")
    assert BEGIN not in whole
    assert END not in whole
    present = {row for code in code_of(lab) for row in rows(code)}
    for cell, _ in exercises(chapter):
        for solution in SOLUTION.findall(cell.source):
            assert share(rows(solution), present) < TOLD


def test_no_solution_survives_as_code_of_another_spelling(chapter, lab):
    present = set().union(*map(statements, code_of(lab)))
    for cell, _ in exercises(chapter):
        for solution in SOLUTION.findall(cell.source):
            own = statements(body_of(solution)) - {ast.unparse(ast.parse(body_of(solution)))}
            assert share(own, present) < TOLD


def test_no_output_and_no_state_survives(lab):
    assert set(lab.metadata) == {"kernelspec", "language_info"}
    for cell in lab.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert not cell.get("attachments")
        assert set(cell.metadata) <= {"tags", "nbgrader", "jupyter", "editable", "deletable"}


def test_a_solution_that_is_kept_is_found(chapter):
    """The tests of text can fail: the chapter itself holds every solution whole."""
    present = {row for code in code_of(chapter) for row in rows(code)}
    for cell, _ in exercises(chapter):
        for solution in SOLUTION.findall(cell.source):
            assert share(rows(solution), present) == 1


# holes, contracts, locks


def test_a_hole_keeps_its_contract_and_says_what_to_do(chapter, lab):
    pairs = exercises(lab)
    assert len(pairs) == len(exercises(chapter)) >= 2
    for (solved, _), (hole, check) in zip(exercises(chapter), pairs, strict=True):
        before, after = ast.parse(solved.source), ast.parse(hole.source)
        for full, empty in zip(functions(before), functions(after), strict=True):
            assert ast.unparse(full.args) == ast.unparse(empty.args)
            assert ast.get_docstring(full) == ast.get_docstring(empty)
        key = ast.literal_eval(ast.parse(check.source).body[-1].value.args[0])
        assert hole.source.count(f'raise NotImplementedError("{key}: write your answer here') == 1


def functions(tree):
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_cells_keep_their_ids_and_grading_and_checks_are_locked(chapter, lab):
    assert [cell.id for cell in lab.cells] == [cell.id for cell in chapter.cells]
    for cell, before in zip(lab.cells, chapter.cells, strict=True):
        grading = cell.metadata.get("nbgrader")
        assert grading == before.metadata.get("nbgrader")
        if grading:
            assert cell.metadata["deletable"] is False
            assert cell.metadata["editable"] is not grading["locked"]


def test_the_argument_stays_as_it_is(chapter):
    before = json.dumps(chapter)
    learner_edition(chapter)
    assert json.dumps(chapter) == before


def test_a_chapter_without_an_exercise_is_refused_in_a_sentence():
    text = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A chapter")])
    with pytest.raises(ValueError, match="the chapter has no exercise"):
        learner_edition(text)


# links


def broken_links(notebook, folder):
    """The relative links of a notebook that lies in `folder` and lead nowhere."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    links = {link for text in texts for link in LINK.findall(text)}
    return {link for link in links if "//" not in link and not (folder / link).exists()}


def test_links_hold_in_every_edition(source, lab):
    assert not broken_links(nbformat.read(notebook_of(source), 4), NOTEBOOKS)
    assert not broken_links(lab, LABS)
    solved = copies.one_deeper(notebook_of(source).read_bytes()).decode()
    # work/solutions lies as deep as notebooks/labs, and holds the same names
    assert not broken_links(nbformat.reads(solved, 4), LABS)


def test_terms_lead_to_their_entries_and_the_end_to_the_misunderstandings(source, lab):
    text = "\n".join(cell.source for cell in lab.cells if cell.cell_type == "markdown")
    for page in ("glossary", "misunderstood"):
        anchors = re.findall(rf"\]\(\.\./\.\./docs/{page}\.md#([^)]+)\)", text)
        lines = (kit.ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8").splitlines()
        there = {lab_anchor(line.removeprefix("## ")) for line in lines if line.startswith("## ")}
        assert anchors
        assert set(anchors) <= there
    assert anchors[-1].startswith(source.name[:2])


def test_the_copies_lie_as_deep_as_the_labs(tmp_path):
    (tmp_path / "notebooks" / "labs").mkdir(parents=True)
    for solutions in (False, True):
        folder = Path(kit.lay_out_chapters(tmp_path, solutions))
        assert len(folder.parts) == len(LABS.relative_to(kit.ROOT).parts)


# an exercise needs its imports alone


def imports_of(notebook):
    """What the import lines of the first code cell bring."""
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    rows = [node for node in ast.parse(first.source).body if isinstance(node, IMPORTS)]
    names: dict = {}
    exec("\n".join(map(ast.unparse, rows)), names)
    return names


IMPORTS = (ast.Import, ast.ImportFrom)


def test_an_exercise_is_checked_without_the_chapter_before_it(chapter, capsys):
    imported = imports_of(chapter)
    for cell, check in exercises(chapter):
        names = dict(imported)
        exec(cell.source, names)
        exec(check.source, names)
        assert "checks pass" in capsys.readouterr().out


def test_an_untouched_hole_is_told_that_it_is_not_done(lab):
    imported = imports_of(lab)
    for cell, check in exercises(lab):
        names = dict(imported)
        exec(cell.source, names)
        with pytest.raises(Exception, match="not done yet: replace the line that raises"):
            exec(check.source, names)
