"""Every built chapter has the right form, and the checker finds what is wrong in broken ones."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import notebook_form
from tools.chapters import NOTEBOOKS

CHAPTERS = sorted(NOTEBOOKS.glob("*.ipynb"))
VIEW = {notebook_form.WIDGET_VIEW: {"model_id": "0" * 32, "version_major": 2, "version_minor": 0}}
FIRST = "# Pruning\n\n| minutes to read |\n|---|\n| 10 |\n\n**Objectives.** Count `n!` and $n!$."


def test_there_are_chapters():
    assert CHAPTERS, "no notebook stands in notebooks/: run `python3 kit.py build`"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_form_of_a_chapter(path):
    assert notebook_form.problems(path) == []


def printed(text):
    return new_output("stream", name="stdout", text=text)


def shown(**data):
    mimes = {key.replace("_", "/"): value for key, value in data.items()}
    return new_output("display_data", data=mimes)


def cell(source, *outputs, tags=(), grade_id=None):
    metadata = {"tags": list(tags)} | ({"nbgrader": {"grade_id": grade_id}} if grade_id else {})
    return new_code_cell(source, outputs=list(outputs), metadata=metadata)


@pytest.fixture
def chapter():
    """A small chapter whose form is right."""
    solution = f"def f():\n    {notebook_form.BEGIN}\n    return 1\n    {notebook_form.END}"
    html = "<p>x</p><img src='data:image/png;base64,/tmp/' alt='Two bars'>"
    cells = [
        new_markdown_cell(FIRST),
        cell("print(1)", printed("1\n")),
        cell("figure", shown(text_plain="Figure: two bars", text_html=html, image_png="/tmp/")),
        cell("slider", new_output("display_data", data={"text/plain": "IntSlider(3)"} | VIEW)),
        cell("time()", printed("12.3 ms\n"), tags=["nbval-ignore-output"]),
        cell("1 / 0", new_output("error", ename="E", evalue="e"), tags=["raises-exception"]),
        cell(solution, tags=["exercise"], grade_id="f"),
        new_markdown_cell("See ![a plot](plot.png) and <img src='a.png' alt='a'> <!-- note -->."),
        cell("check(f)", tags=["check"], grade_id="f-check"),
        new_markdown_cell("## Key points\n\n**References.** LeCun 1998."),
    ]
    notebook = new_notebook(cells=cells)
    for number, (_, code) in enumerate(notebook_form.code_cells(notebook), start=1):
        code.execution_count = number
    state = {"0" * 32: {"model_name": "IntSliderModel", "state": {}}}
    notebook.metadata["widgets"] = {notebook_form.WIDGET_STATE: {"state": state}}
    return notebook


def problems(chapter, folder):
    path = folder / "chapter.ipynb"
    nbformat.write(chapter, path)
    return notebook_form.problems(path)


def test_a_right_chapter_has_no_problem(chapter, tmp_path):
    assert problems(chapter, tmp_path) == []


def set_source(position, text):
    def damage(chapter):
        chapter.cells[position].source = text

    return damage


def add_source(position, text):
    def damage(chapter):
        chapter.cells[position].source += text

    return damage


def set_tags(position, *tags):
    def damage(chapter):
        chapter.cells[position].metadata["tags"] = list(tags)

    return damage


def set_output(position, output):
    def damage(chapter):
        chapter.cells[position].outputs = [output]

    return damage


def count_twice(chapter):
    chapter.cells[2].execution_count = 1


def not_run(chapter):
    chapter.cells[3].execution_count = None


def forget_widget(chapter):
    chapter.metadata.widgets[notebook_form.WIDGET_STATE]["state"] = {}


def empty_widget_entry(chapter):
    chapter.metadata.widgets["application/vnd.other"] = {}


def machine_path_in_widget(chapter):
    widgets = chapter.metadata.widgets[notebook_form.WIDGET_STATE]["state"]
    widgets["0" * 32]["state"]["value"] = "C:\\Users\\ann\\kit"


def remove(position):
    def damage(chapter):
        del chapter.cells[position]
        for number, (_, code) in enumerate(notebook_form.code_cells(chapter), start=1):
            code.execution_count = number

    return damage


def no_nbgrader(chapter):
    del chapter.cells[6].metadata["nbgrader"]


DAMAGES = {
    "a cell run twice": (count_twice, "not run from top to bottom"),
    "a cell not run": (not_run, "not run from top to bottom"),
    "an empty cell": (set_source(1, " \n"), "cell 1: empty"),
    "a misspelt tag": (set_tags(4, "nbval-ignore-outputs"), "unknown tag 'nbval-ignore-outputs'"),
    "an error": (set_tags(5), "cell 5: a stored error"),
    "a warning": (set_output(1, new_output("stream", name="stderr", text="w")), "stderr"),
    "a forgotten widget": (forget_widget, "cell 3: the state of its widget"),
    "an empty widget entry": (empty_widget_entry, "an entry with no state"),
    "a home folder": (add_source(1, "  # /home/ann"), "cell 1: names a folder of one machine"),
    "a Mac's folder": (set_output(1, printed("/Users/ann\n")), "one machine, /Users/"),
    "a Windows folder": (machine_path_in_widget, "the metadata: names a folder"),
    "a temporary folder": (set_output(1, shown(text_plain="'/tmp/x'")), "one machine, /tmp/"),
    "nothing compared": (set_tags(1, "nbval-ignore-output"), "2 cells have an output"),
    "an address": (set_output(1, shown(text_plain="<F at 0x7fa305047600>")), "2 cells have"),
    "a long cell": (add_source(1, "\nprint(2)" * 30), "cell 1: 31 lines of code"),
    "a bare picture": (set_output(2, shown(text_plain="<F>", image_png="x")), "without alt text"),
    "an empty alt": (
        set_output(1, shown(text_plain="x", text_html="<img alt=' '>")),
        "cell 1: an <img>",
    ),
    "a bare picture in text": (add_source(7, "![](a.png)"), "cell 7: a picture in the text"),
    "a bare img in text": (add_source(7, "<img src=a.png>"), "cell 7: a picture in the text"),
    "no solution": (set_source(6, "def f(): ..."), "cell 6: an exercise without"),
    "half a solution": (set_source(6, notebook_form.BEGIN), "cell 6: an exercise without"),
    "a stray solution": (
        add_source(1, f"\n{notebook_form.BEGIN}"),
        "cell that is no exercise",
    ),
    "no check": (remove(8), "no check cell follows"),
    "no grading": (no_nbgrader, "cell 6: no nbgrader metadata"),
    "no title": (set_source(0, FIRST[2:]), "level-1 title"),
    "no minutes": (set_source(0, FIRST.replace("minutes", "")), "the minutes"),
    "no objectives": (set_source(0, FIRST.replace("Objectives", "")), "the objectives"),
    "an exclamation mark": (add_source(7, " Well done!"), "the prose says '!'"),
    "a belittling word": (add_source(7, " Simply add."), "the prose says 'Simply'"),
    "an unfilled number": (add_source(7, " {{results.x.y}}"), "not filled in"),
    "no references": (set_source(9, "## Key points"), "lists no references"),
    "code at the end": (remove(9), "lists no references"),
    "a large file": (set_output(2, shown(text_plain="Figure: x", image_png="x" * 10**6)), "bytes"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_one_damage_gives_the_one_problem(name, chapter, tmp_path):
    damage, expected = DAMAGES[name]
    damage(chapter)
    found = problems(chapter, tmp_path)
    assert len(found) == 1, found
    assert expected in found[0]
