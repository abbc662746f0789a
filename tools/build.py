"""Build the chapters: python3 kit.py build [NN ...] [--fresh | --drift]

Each notebooks/source/NN_name.py is executed from top to bottom in a fresh kernel and written to
notebooks/NN_name.ipynb. Built again with nothing changed, the file stays the same byte for byte:
cells that train or time (tag nbval-ignore-output) then keep the outputs they have, unless --fresh
is given. --drift writes nothing: it names the compared cells whose outputs depend on the
processor (tools/drift.py).
"""

import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from tools import drift
from tools.chapters import notebook_of, read_source, sources, write_if_changed
from tools.editions import write_lab

CELL_SECONDS = 3600
COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # how a terminal is told to colour a traceback

# widgets get the ids 000...0, 000...1, and so on, instead of random ones
STABLE_WIDGETS = """
import itertools as _itertools, types as _types, comm.base_comm as _base_comm
_numbers = _itertools.count()
_base_comm.uuid = _types.SimpleNamespace(
    uuid4=lambda: _types.SimpleNamespace(hex=f"{next(_numbers):032x}")
)
"""


def main(arguments: list[str]) -> int:
    """Build the chapters named by their numbers, or all; returns the number that failed.

    With --drift, the number of chapters in which a compared cell drifts.
    """
    options = {word for word in arguments if word.startswith("-")}
    if options - {"--fresh", "--drift"}:
        print("kit.py build knows --fresh and --drift, and the numbers of chapters, such as 08.")
        return 2
    wanted = [word for word in arguments if word not in options]
    chosen = [path for path in sources() if not wanted or path.name[:2] in wanted]
    unknown = set(wanted) - {path.name[:2] for path in chosen}
    if unknown:
        there = ", ".join(path.name[:2] for path in sources()) or "none yet"
        missing = ", ".join(sorted(unknown))
        print(f"There is no chapter {missing} in notebooks/source; there are: {there}.")
        return 2
    if "--drift" in options:
        return sum(drift.report(path) > 0 for path in chosen)
    return sum(not build(path, "--fresh" in options) for path in chosen)


def build(source: Path, fresh: bool = False) -> bool:
    """Execute one source and write its notebook; True if it ran. Prints what it did."""
    start = time.perf_counter()
    target = notebook_of(source)
    print(f"{source.stem} ...", end=" ", flush=True)
    try:
        notebook = execute(read_source(source), target.parent)
        if target.exists() and not fresh:
            keep_outputs(notebook, nbformat.read(target, 4))
        changed = write_if_changed(notebook, target)
        write_lab(source, notebook)
    except (ValueError, OSError) as error:
        print(f"failed\n{error}")
        return False
    state = "written" if changed else "unchanged"
    print(f"{state} after {time.perf_counter() - start:.0f} s")
    return True


def execute(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Run all cells in a fresh kernel that works in `folder`; keep outputs and widget states.

    Raises ValueError naming the cell that raised, took too long, or ended the kernel.
    """
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    with client.setup_kernel():
        client.kc.execute(STABLE_WIDGETS, silent=True, store_history=False)
        for position, cell in enumerate(notebook.cells):
            run_cell(client, cell, position)
        client.set_widgets_metadata()
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.validate(notebook)
    return notebook


def run_cell(client: NotebookClient, cell: nbformat.NotebookNode, position: int) -> None:
    """Run one cell; raises ValueError with its position, its id and the reason if it fails."""
    try:
        client.execute_cell(cell, position)
    except CellExecutionError as error:
        reason = COLOURS.sub("", str(error))
    except CellTimeoutError:
        reason = f"it ran longer than {CELL_SECONDS} s"
    except DeadKernelError:
        reason = "the kernel ended while it ran"
    else:
        return
    raise ValueError(f"cell {position} (id {cell.id}): {reason}")


def keep_outputs(notebook: nbformat.NotebookNode, before: nbformat.NotebookNode) -> None:
    """If nothing but trained or timed outputs differs from `before`, take those from `before`."""
    pairs = list(zip(notebook.cells, before.cells, strict=False))
    same = len(notebook.cells) == len(before.cells) and all(
        new.id == old.id
        and new.source == old.source
        and new.metadata == old.metadata
        and (is_ignored(new) or new.get("outputs") == old.get("outputs"))
        for new, old in pairs
    )
    if not same:
        return
    for new, old in pairs:
        if is_ignored(new):
            new["outputs"] = old["outputs"]
    notebook.metadata = before.metadata


def is_ignored(cell: nbformat.NotebookNode) -> bool:
    """Whether the outputs of this cell may differ from run to run."""
    return drift.IGNORE in cell.metadata.get("tags", [])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
