"""No test writes into data/results: trial figures there would be taken for measured ones."""

import os
import sys

from edu_lib.measure.results import RESULTS_FOLDER

WRITES = ("w", "a", "x", "+")


def refuse_results(event: str, arguments: tuple) -> None:
    """An audit hook: stops what would write a file in data/results."""
    if event == "open":
        path, mode = arguments[0], arguments[1] or ""
        target = path if any(letter in mode for letter in WRITES) else None
    else:
        target = arguments[1] if event == "os.rename" else None
    if isinstance(target, (str, os.PathLike)):
        folder = os.path.dirname(os.path.abspath(target))
        if folder == str(RESULTS_FOLDER):
            raise PermissionError(f"a test must not write {target}: give it another folder")


sys.addaudithook(refuse_results)
