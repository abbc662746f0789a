"""How many CPU seconds does each chapter need? python3 -m studies.chapter_seconds [NN ...]

Runs the cells of every chapter once in a fresh kernel and adds up the user and system time of the
kernel and of what it started. Writes data/results/chapter_seconds.json: {chapter name: CPU
seconds}. The promise is 90 seconds a chapter. Run it before `kit.py build`: the chapters print it.
"""

import sys
from pathlib import Path

import jupytext
import psutil
from nbclient import NotebookClient

from edu_lib.measure import load_result, save_result
from tools.chapters import NOTEBOOKS, sources

COMMAND = "python3 -m studies.chapter_seconds"
NAME = "chapter_seconds"


def cpu_seconds(source: Path) -> float:
    """CPU seconds of one run of a chapter's cells, the start of its kernel included."""
    notebook = jupytext.read(source)
    folder = {"metadata": {"path": str(NOTEBOOKS)}}
    client = NotebookClient(notebook, timeout=600, resources=folder)
    with client.setup_kernel():
        kernel = psutil.Process(client.km.provisioner.pid)
        for position, cell in enumerate(notebook.cells):
            client.execute_cell(cell, position)
        times = kernel.cpu_times()
        parts = (times.user, times.system, times.children_user, times.children_system)
    return sum(parts)


def main(wanted: list[str]) -> None:
    """Measure the chapters whose numbers are given, or all; others keep their figures."""
    names = {source.stem for source in sources()}
    try:
        seconds = {name: value for name, value in load_result(NAME).items() if name in names}
    except FileNotFoundError:
        seconds = {}
    for source in sources():
        if wanted and source.name[:2] not in wanted:
            continue
        seconds[source.stem] = round(cpu_seconds(source), 1)
        print(f"{source.stem}: {seconds[source.stem]:.1f} CPU seconds", flush=True)
        save_result(NAME, seconds, COMMAND)


if __name__ == "__main__":
    main(sys.argv[1:])
