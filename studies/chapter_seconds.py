"""How many CPU seconds does each chapter need? python3 -m studies.chapter_seconds

Runs every built notebook once in a fresh kernel and adds up the user and system time of the kernel
and of what it started. Writes data/results/chapter_seconds.json: {chapter name: CPU seconds}. The
promise is 90 seconds a chapter.
"""

import sys

import nbformat
import psutil
from nbclient import NotebookClient

from edu_lib.measure import load_result, save_result
from tools.chapters import NOTEBOOKS, ROOT

COMMAND = "python3 -m studies.chapter_seconds"
NAME = "chapter_seconds"


def cpu_seconds(notebook_path) -> float:
    """CPU seconds of one run of a notebook, the start of its kernel included."""
    notebook = nbformat.read(notebook_path, 4)
    folder = {"metadata": {"path": str(ROOT / "notebooks")}}
    client = NotebookClient(notebook, timeout=600, resources=folder)
    with client.setup_kernel():
        kernel = psutil.Process(client.km.provisioner.pid)
        for position, cell in enumerate(notebook.cells):
            client.execute_cell(cell, position)
        times = kernel.cpu_times()
        parts = (times.user, times.system, times.children_user, times.children_system)
    return sum(parts)


def main(wanted: list[str]) -> None:
    """Measure the chapters whose numbers are given, or all; the others keep their figures."""
    try:
        known = load_result(NAME)
    except FileNotFoundError:
        known = {}
    seconds = {}
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        if wanted and path.name[:2] not in wanted and path.stem in known:
            seconds[path.stem] = known[path.stem]
            continue
        seconds[path.stem] = round(cpu_seconds(path), 1)
        print(f"{path.stem}: {seconds[path.stem]:.1f} CPU seconds", flush=True)
    save_result(NAME, seconds, COMMAND)


if __name__ == "__main__":
    main(sys.argv[1:])
