"""What does each chapter take? python3 -m studies.chapter_seconds [NN ...]

Runs the cells of every chapter once in a fresh kernel. Adds up the user and system time of the
kernel and of what it started, and reads the most memory that they held. Writes
data/results/chapter_seconds.json: {chapter name: CPU seconds} and, under `peak_mb`, {chapter name:
MB of 10^6 bytes}. The promises are 90 seconds and 1,500 MB a chapter. Run it before `kit.py build`:
the chapters print it.
"""

from pathlib import Path

import jupytext
import psutil
from nbclient import NotebookClient

from edu_lib.measure import save_result
from studies import frame
from tools.chapters import NOTEBOOKS, sources
from tools.peak import PeakMemory

NAME = "chapter_seconds"
CELL_SECONDS = 3600


def cost(source: Path) -> tuple[float, float]:
    """CPU seconds and peak MB of one run of a chapter's cells, the start of its kernel included."""
    notebook = jupytext.read(source)
    folder = {"metadata": {"path": str(NOTEBOOKS)}}
    client = NotebookClient(notebook, timeout=CELL_SECONDS, resources=folder)
    with client.setup_kernel():
        kernel = psutil.Process(client.km.provisioner.pid)
        memory = PeakMemory(kernel.pid).start()
        for position, cell in enumerate(notebook.cells):
            client.execute_cell(cell, position)
        peak_mb = memory.stop()
        times = kernel.cpu_times()
        parts = (times.user, times.system, times.children_user, times.children_system)
    return sum(parts), peak_mb


def main() -> None:
    """Measure the chapters whose numbers are given, or all; others keep their figures."""
    words = {"nargs": "*", "metavar": "NN", "help": "numbers of chapters, such as 02"}
    wanted = frame.options(__doc__, {"chapters": words}, again=False, threads=None).chapters
    names = {source.stem for source in sources()}
    before = frame.stored_result(NAME)
    figures = {name: value for name, value in before.items() if name in names}
    peaks = {name: value for name, value in before.get("peak_mb", {}).items() if name in names}
    for source in sources():
        name = source.stem
        if wanted and source.name[:2] not in wanted:
            continue
        seconds, peak_mb = cost(source)
        figures[name], peaks[name] = round(seconds, 1), round(peak_mb)
        print(f"{name}: {seconds:.1f} CPU seconds, {peak_mb:,.0f} MB", flush=True)
        save_result(NAME, figures | {"peak_mb": peaks}, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
