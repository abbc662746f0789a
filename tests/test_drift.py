"""The drift tool names what depends on the processor, and nothing else."""

import nbformat
import pytest

from tools import build, chapters, drift

# three settings of one variable stand for three processors
SETTINGS = {
    "small": {"KIT_TEST_DIGIT": "1"},
    "also small": {"KIT_TEST_DIGIT": "1"},
    "large": {"KIT_TEST_DIGIT": "9"},
}

SOURCE = """\
# %% [markdown]
# # A chapter that drifts

# %%
import os
digit = int(os.environ["KIT_TEST_DIGIT"])

# %%
print("exact:", 2 + 2)

# %%
print("accuracy", 90 + digit)

# %%
print(f"{digit}.5 ms")

# %% tags=["nbval-ignore-output"]
print("trained:", digit)

# %% tags=["nbval-ignore-output"]
assert digit < 5, "the verdict flips"

# %%
digit
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The source of a chapter in a kit of its own."""
    folder = tmp_path_factory.mktemp("kit") / "notebooks" / "source"
    folder.mkdir(parents=True)
    path = folder / "90_drifts.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture(scope="module")
def found(source):
    return drift.drifts(source, SETTINGS)


def test_compared_cells_that_differ_and_ignored_cells_that_fail_are_named(found):
    assert [each.cell for each in found] == [2, 5, 6]


def test_each_output_stands_beside_its_settings(found):
    small = ["small", "also small"]
    assert found[0].outputs == {"accuracy 91\n": small, "accuracy 99\n": ["large"]}
    assert found[1].outputs == {"": small, "AssertionError: the verdict flips": ["large"]}
    assert found[2].outputs == {"1": small, "9": ["large"]}
    assert str(found[0]) == (
        '  Cell 2: print("accuracy", 90 + digit)\n'
        "    small; also small:\n      accuracy 91\n"
        "    large:\n      accuracy 99"
    )


def test_the_stored_outputs_are_one_more_processor(source):
    target = chapters.notebook_of(source)
    notebook = chapters.read_source(source)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code[1].outputs = [nbformat.v4.new_output("stream", name="stdout", text="exact: 5\n")]
    nbformat.write(notebook, target)
    (first, *_) = drift.drifts(source, {"small": SETTINGS["small"]})
    assert first.cell == 1
    assert first.outputs == {"exact: 5\n": [drift.STORED], "exact: 4\n": ["small"]}
    target.unlink()


def test_pictures_and_what_nbval_replaces_are_not_compared():
    data = {"text/plain": "Figure: 12.3 ms at 0x7fa305047600", "image/png": "a", "text/html": "b"}
    output = nbformat.v4.new_output("display_data", data=data)
    assert drift.compared([output]) == {"text/plain": ["Figure: TIME at ADDRESS"]}


def test_the_settings_reach_the_libraries():
    """Four at least, two of them with PyTorch's code held, one thread and two."""
    variables = list(drift.SETTINGS.values())
    assert len(variables) >= 4
    assert {each.get("ATEN_CPU_CAPABILITY") for each in variables} == {None, "avx2", "default"}
    assert {each["OMP_NUM_THREADS"] for each in variables} == {"1", "2"}


def test_build_drift_counts_the_chapters_that_drift(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(build, "sources", lambda: [chapters.SOURCES / "08_pruning.py"])
    monkeypatch.setattr(drift, "report", lambda path: asked.append(path.stem) or 3)
    assert build.main(["--drift", "08"]) == 1
    assert asked == ["08_pruning"]
    assert build.main(["--drfit"]) == 2
    assert "knows --fresh and --drift" in capsys.readouterr().out
