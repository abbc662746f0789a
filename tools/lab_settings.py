"""What JupyterLab is told for the kit: no news, and keys typed in a widget are the widget's own.

In command mode JupyterLab reads a bare key as an order to the notebook wherever the focus is, so
that an arrow leaves a dropdown for the next cell and an X cuts the cell. It spares a text field;
here it spares every control of a widget. Run by hand it writes the settings for the environment of
this Python: `python -m tools.lab_settings`. It uses the standard library alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tools import copies

COMMAND_MODE = ".jp-Notebook.jp-mod-commandMode:not(.jp-mod-readWrite) :focus"
OUTSIDE_WIDGETS = f"{COMMAND_MODE}:not(.jupyter-widgets *)"
# JupyterLab 4.6, @jupyterlab/notebook-extension:tracker: what a bare key does in command mode
BARE_KEYS = {
    "ArrowDown": "move-cursor-down",
    "ArrowUp": "move-cursor-up",
    "ArrowLeft": "move-cursor-heading-above-or-collapse",
    "ArrowRight": "move-cursor-heading-below-or-expand",
    "J": "move-cursor-down",
    "K": "move-cursor-up",
    "A": "insert-cell-above",
    "B": "insert-cell-below",
    "C": "copy-cell",
    "X": "cut-cell",
    "V": "paste-cell-below",
    "Z": "undo-cell-action",
    "D D": "delete-cell",
    "M": "change-cell-to-markdown",
    "R": "change-cell-to-raw",
    "Y": "change-cell-to-code",
}
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/shortcuts-extension:shortcuts": {
        "shortcuts": [
            {"command": f"notebook:{command}", "keys": keys.split(), **where}
            for keys, command in BARE_KEYS.items()
            for where in (
                {"selector": COMMAND_MODE, "disabled": True},
                {"selector": OUTSIDE_WIDGETS},
            )
        ]
    },
}


def file_of(environment: Path) -> Path:
    """Where the JupyterLab of a virtual environment looks for other defaults."""
    return environment / "share" / "jupyter" / "lab" / "settings" / "overrides.json"


def are_written(environment: Path) -> bool:
    """Whether the settings of today stand there: a newer kit may set more."""
    file = file_of(environment)
    return file.is_file() and file.read_text(encoding="utf-8") == json.dumps(SETTINGS)


def write(environment: Path) -> Path:
    """Write the settings for the JupyterLab of a virtual environment; returns the file.

    They are defaults: what somebody sets in JupyterLab goes before them.
    """
    file = file_of(environment)
    file.parent.mkdir(parents=True, exist_ok=True)
    copies.write_file(file, json.dumps(SETTINGS).encode())
    return file


if __name__ == "__main__":
    print(write(Path(sys.prefix)))
