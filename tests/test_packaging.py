"""The front door: what a wheel holds, what an import costs, and that the README is true."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import edu_lib as edu

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"IPython", "anywidget", "classroom", "ipywidgets", "matplotlib", "roads", "torchvision"}
RUNTIMES = {"onnx", "onnxruntime", "onnxscript"}


def python(program, *arguments, **options):
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **options)


def files_of(folder):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder],
        capture_output=True, text=True, cwd=ROOT, check=True,
    ).stdout.split()  # fmt: skip
    return {name for name in listed if (ROOT / name).exists()}


@pytest.mark.parametrize(
    ("project", "package"), [(".", "edu_lib"), ("roads", "roads"), ("classroom", "classroom")]
)
def test_a_wheel_holds_its_package_alone_and_all_of_it(project, package, tmp_path):
    program = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
    told = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        capture_output=True, text=True, cwd=ROOT / project, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    with zipfile.ZipFile(tmp_path / told.stdout.split()[-1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        metadata = next(name for name in wheel.namelist() if name.endswith("METADATA"))
        requires = re.findall(r"Requires-Dist: (.*)", wheel.read(metadata).decode())
    assert names == files_of(package) - {f"{package}/pyproject.toml"}
    extras = {line.partition("extra == ")[2].strip("'\"") for line in requires if "extra" in line}
    assert extras == ({"classroom", "roads"} if project == "." else set())


def packages():
    found = (path.parent for path in (ROOT / "edu_lib").rglob("__init__.py"))
    return sorted(".".join(path.relative_to(ROOT).parts) for path in found)


def test_no_subpackage_loads_what_only_chapters_need():
    program = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    print(name, *{module.partition(".")[0] for module in sys.modules})
"""
    runs_files = ("edu_lib.deploy", "edu_lib.reporting")
    light = [name for name in packages() if not name.startswith(runs_files)]
    runtimes = [name for name in packages() if name.startswith(runs_files)]
    told = python(program, *light, *runtimes, check=True).stdout.splitlines()
    assert len(told) == len(light) + len(runtimes)
    for line in told:
        name, *loaded = line.split()
        unwanted = HEAVY if name in runtimes else HEAVY | RUNTIMES
        assert not unwanted & set(loaded), name


def test_import_edu_lib_loads_torch_and_next_to_nothing_else():
    program = "import torch, sys; before = set(sys.modules); import edu_lib; " \
              "print(*sorted(set(sys.modules) - before))"  # fmt: skip
    assert python(program, check=True).stdout.split() == ["edu_lib"]


def test_a_chapter_pays_for_no_runtime_and_no_reader_of_notebooks():
    """A grader imports `classroom` once a submission; nbformat alone takes two seconds."""
    loaded = python("import sys, classroom; print(*sys.modules)", check=True).stdout.split()
    assert not {"nbformat", "jsonschema", "torchvision", *RUNTIMES} & set(loaded)


def test_every_offered_name_is_there():
    for name in edu.__all__:
        assert getattr(edu, name) is not None
    with pytest.raises(AttributeError, match="dir\\(edu_lib\\) lists"):
        edu.prun  # noqa: B018


def test_the_ten_lines_of_the_readme_run(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"## On your own network.*?```python\n(.*?)```", text, re.S)[1]
    assert len([line for line in block.splitlines() if line.strip()]) == 10
    told = subprocess.run(
        [sys.executable, "-c", block + "assert torch.equal(again(X), small(X))"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == ["small.30f", "small_int8.onnx"]


def table_rows():
    text = (ROOT / "docs" / "techniques.md").read_text(encoding="utf-8")
    return [line.split("|")[1:-1] for line in text.splitlines() if re.match(r"\| [a-z0-9]", line)][
        1:
    ]


def test_the_table_of_techniques_names_what_there_is():
    text = (ROOT / "docs" / "techniques.md").read_text(encoding="utf-8")
    assert "(docs/techniques.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"`edu\.(\w+)", text):
        assert name in edu.__all__, name
    assert len(table_rows()) > 15
    for row in table_rows():
        chapter = row[4].strip()
        assert list((ROOT / "notebooks" / "source").glob(f"{chapter}_*.py")), row


def test_the_table_holds_every_technique_that_the_library_offers():
    calls = {name for row in table_rows() for name in re.findall(r"`edu\.(\w+)", "|".join(row))}
    helpers = {
        "correct_bias", "distillation_loss", "entropy_bits", "plan_channels", "soft_target_loss",
        "sparsity_of",
    }  # fmt: skip
    offered = {
        name for module, names in edu.OFFERED.items() if ".techniques." in module for name in names
    }
    assert calls == offered - helpers
