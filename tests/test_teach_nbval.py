"""The nbval settings: text is compared, pictures and HTML are not, and `;` hides a value."""

import shutil
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


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copy(REPOSITORY / "conftest.py", folder)
    write(folder, "same.ipynb", "Figure: bars")
    write(folder, "other.ipynb", "Figure: lines")
    command = [sys.executable, "-m", "pytest", "-rA", "-q", "-p", "no:cacheprovider"]
    command += ["--rootdir", folder, "--nbval", "--nbval-current-env"]
    command += [f"--nbval-sanitize-with={REPOSITORY / 'tests' / 'nbval_sanitize.cfg'}", folder]
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    return run.stdout


@pytest.mark.parametrize("cell", range(5))
def test_changed_pictures_addresses_and_times_pass(report, cell):
    assert f"PASSED same.ipynb::Cell {cell}" in report


def test_changed_text_fails(report):
    assert "FAILED other.ipynb::Cell 1" in report
    assert report.count("FAILED ") == 1
