"""The nbval settings: text is compared, pictures and HTML are not, and `;` hides a value."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

REPOSITORY = Path(__file__).resolve().parents[1]

SHOWN = """\
class Shown:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": "Figure: bars", "text/html": "<p>1.7</p>", "image/png": "bmV3"}
"""


def stored(source, count, **data):
    outputs = []
    if data:
        mimes = {"text/plain": data["text"]} | data.get("more", {})
        outputs = [new_output("execute_result", data=mimes, execution_count=count)]
    return new_code_cell(source, execution_count=count, outputs=outputs)


def write(folder, name, figure_text):
    pictures = {"text/html": "<p>2.9</p>", "image/png": "b2xk"}
    cells = [
        stored(SHOWN, 1),
        stored("Shown()", 2, text=figure_text, more=pictures),
        stored("7;", 3),
        stored("object()", 4, text="<object at 0x7fa305047600>"),
        stored("'12.3 ms for one frame'", 5, text="'45 ms for one frame'"),
    ]
    nbformat.write(new_notebook(cells=cells), folder / name)


def run(folder, **changes):
    """What pytest prints when it proves the notebooks in `folder` with the kit's conftest."""
    settings = (REPOSITORY / "conftest.py").read_text(encoding="utf-8")
    for name, value in changes.items():
        (line,) = [row for row in settings.splitlines() if row.startswith(f"{name} = ")]
        settings = settings.replace(line, f"{name} = {value!r}")
    (folder / "conftest.py").write_text(settings, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-rA", "-q", "-p", "no:cacheprovider"]
    command += ["--rootdir", folder, "--nbval", "--nbval-current-env"]
    command += [f"--nbval-sanitize-with={REPOSITORY / 'tests' / 'nbval_sanitize.cfg'}", folder]
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    variables = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=1200
    ).stdout


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    write(folder, "same.ipynb", "Figure: bars")
    write(folder, "other.ipynb", "Figure: lines")
    cells = [stored("import os; os._exit(1)", 1), stored("2", 2, text="2")]
    nbformat.write(new_notebook(cells=cells), folder / "ends.ipynb")
    return run(folder)


@pytest.mark.parametrize("cell", range(5))
def test_changed_pictures_addresses_and_times_pass(report, cell):
    assert f"PASSED same.ipynb::Cell {cell}" in report


def test_changed_text_fails(report):
    assert "FAILED other.ipynb::Cell 1" in report
    assert report.count("FAILED other") == 1


def test_a_line_says_which_chapter_runs_and_how_long_it_took(report):
    assert "same: never measured" in report
    assert "PASSED same.ipynb::memory" in report


def test_a_chapter_that_takes_too_much_memory_fails(tmp_path):
    write(tmp_path, "same.ipynb", "Figure: bars")
    report = run(tmp_path, CHAPTER_MB=20)
    assert re.search(r"same took \d+ MB", report)
    assert report.count("FAILED ") == 1


def test_a_kernel_that_ends_is_told_at_once(report):
    assert "FAILED ends.ipynb::Cell 0" in report
    assert "the kernel ended while the cell ran" in report
    assert "PASSED ends.ipynb::Cell" not in report
