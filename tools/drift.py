"""Which compared outputs depend on the processor? python3 kit.py build --drift [NN ...]

PyTorch and the libraries below it choose their code by processor and by number of threads, and
each choice adds floats in another order. The last digits differ, and a training carries the
difference on to accuracies, masks and sizes. This tool executes each chapter once under each of
SETTINGS and names every compared cell whose outputs differ, between settings or from the stored
ones, after the replacements of tests/nbval_sanitize.cfg: the same eyes as nbval's.

The switches are documented: ATEN_CPU_CAPABILITY by PyTorch, ONEDNN_MAX_CPU_ISA in oneDNN's guide
(CPU Dispatcher Control), MKL_CBWR in oneMKL's (Conditional Numerical Reproducibility),
OPENBLAS_CORETYPE in OpenBLAS's read-me.
"""

import os
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbval.plugin import coalesce_streams, get_sanitize_patterns, transform_streams_for_comparison

from tools.chapters import ROOT, notebook_of, read_source

# Pictures and HTML carry measured digits. Their text/plain is what is compared.
NOT_COMPARED = {
    "text/html",
    "image/png",
    "image/jpeg",
    "image/svg+xml",
    "application/vnd.jupyter.widget-view+json",
}
TEXT_KINDS = ("stdout", "stderr", "ename", "evalue")
IGNORE = "nbval-ignore-output"
SANITIZE = ROOT / "tests" / "nbval_sanitize.cfg"
CELL_SECONDS = 3600
STORED = "as stored"

TWO_THREADS = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
ONE_THREAD = dict.fromkeys(TWO_THREADS, "1")
SETTINGS = {
    "free, 2 threads": TWO_THREADS,
    "free, 1 thread": ONE_THREAD,
    "AVX2, 2 threads": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        **TWO_THREADS,
    },
    "PyTorch's default code, oneDNN free, 2 threads": {
        "ATEN_CPU_CAPABILITY": "default",
        **TWO_THREADS,
    },
    "oldest code, 1 thread": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Nehalem",
        **ONE_THREAD,
    },
}

Outputs = dict[str, list[str]]


@dataclass(frozen=True)
class Drift:
    """A compared cell whose outputs differ: its number among the code cells, as nbval counts.

    outputs: what it shows -> the settings under which it shows that.
    """

    cell: int
    source: str
    outputs: dict[str, list[str]]

    def __str__(self) -> str:
        first = next(filter(None, map(str.strip, self.source.splitlines())), "")
        lines = [f"  Cell {self.cell}: {first}"]
        for text, settings in self.outputs.items():
            lines.append(f"    {'; '.join(settings)}:")
            lines += [f"      {row}" for row in text.splitlines() or ["(no output)"]]
        return "\n".join(lines)


def report(source: Path, settings: dict[str, dict[str, str]] = SETTINGS) -> int:
    """Run one chapter under each setting and print what drifts; returns the number of cells."""
    print(f"{source.stem} ...", flush=True)
    start = time.perf_counter()
    found = drifts(source, settings)
    for drift in found:
        print(drift, flush=True)
    spent = time.perf_counter() - start
    print(f"  {len(found)} compared cells drift; {len(settings)} runs, {spent:.0f} s", flush=True)
    return len(found)


def drifts(source: Path, settings: dict[str, dict[str, str]] = SETTINGS) -> list[Drift]:
    """The compared cells whose outputs differ between the settings, or from the stored notebook.

    The stored outputs take part only where the notebook has the cells of its source.
    """
    chapter = read_source(source)
    runs = {name: outputs_under(source, variables) for name, variables in settings.items()}
    target = notebook_of(source)
    if target.is_file():
        stored = nbformat.read(target, 4)
        if [cell.source for cell in stored.cells] == [cell.source for cell in chapter.cells]:
            runs = {STORED: code_outputs(stored)} | runs
    found = []
    cells = [cell for cell in chapter.cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells):
        # an ignored output may differ, yet the cell must not fail: its assertions stand for it
        seen = failures if IGNORE in cell.metadata.get("tags", []) else as_text
        shown = {name: seen(run[number]) for name, run in runs.items()}
        if len(set(shown.values())) > 1:
            found.append(Drift(number, cell.source, grouped(shown)))
    return found


def outputs_under(source: Path, variables: dict[str, str]) -> list[Outputs]:
    """What each code cell shows in a fresh kernel whose environment has `variables`."""
    chapter = read_source(source)
    client = NotebookClient(
        chapter,
        timeout=CELL_SECONDS,
        startup_timeout=CELL_SECONDS,
        allow_errors=True,
        resources={"metadata": {"path": str(notebook_of(source).parent)}},
    )
    with client.setup_kernel(env={**os.environ, **variables}):
        for position, cell in enumerate(chapter.cells):
            client.execute_cell(cell, position)
    return code_outputs(chapter)


def code_outputs(notebook: nbformat.NotebookNode) -> list[Outputs]:
    """The compared outputs of each code cell."""
    return [compared(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]


def compared(outputs: list[nbformat.NotebookNode]) -> Outputs:
    """The texts of one cell that nbval compares, by kind, after its replacements."""
    patterns = get_sanitize_patterns(SANITIZE.read_text(encoding="utf-8"))
    texts = defaultdict(list)
    for output in transform_streams_for_comparison(coalesce_streams(list(outputs))):
        kinds = {key: output[key] for key in TEXT_KINDS if key in output}
        for kind, text in {**kinds, **output.get("data", {})}.items():
            if kind not in NOT_COMPARED:
                texts[kind].append(sanitized(text, patterns))
    return dict(texts)


def sanitized(text: object, patterns: list[tuple[str, str]]) -> str:
    """`text` after the replacements, from top to bottom."""
    text = str(text)
    for pattern, replacement in patterns:
        text = re.sub(pattern, replacement, text)
    return text


def as_text(outputs: Outputs) -> str:
    """All compared texts of one cell, those of one kind together."""
    return "\n".join(text for kind in sorted(outputs) for text in outputs[kind])


def failures(outputs: Outputs) -> str:
    """The error that a cell ended with, or nothing."""
    pairs = zip(outputs.get("ename", []), outputs.get("evalue", []), strict=True)
    return "\n".join(f"{name}: {value}" for name, value in pairs)


def grouped(shown: dict[str, str]) -> dict[str, list[str]]:
    """text -> the settings that show it."""
    groups = defaultdict(list)
    for name, text in shown.items():
        groups[text].append(name)
    return dict(groups)
