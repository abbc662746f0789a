"""Each chapter is built from its source as the source stands now, numbers included."""

import nbformat
import pytest

from tools.chapters import NOTEBOOKS, notebook_of, read_source, sources


def test_each_source_has_a_notebook_and_each_notebook_a_source():
    notebooks = {path.name for path in NOTEBOOKS.glob("*.ipynb")}
    assert sources(), "notebooks/source holds no chapter"
    assert {notebook_of(source).name for source in sources()} == notebooks


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_a_notebook_equals_its_source(source):
    """A difference means: run `python3 kit.py build NN`."""
    assert notebook_of(source).is_file(), "not built yet"
    built, wanted = nbformat.read(notebook_of(source), 4), read_source(source)
    keys = ("id", "cell_type", "source", "metadata")
    for cell, text in zip(built.cells, wanted.cells, strict=True):
        assert {key: cell[key] for key in keys} == {key: text[key] for key in keys}
    assert built.metadata.kernelspec == wanted.metadata.kernelspec
