"""Runs the program of one submission, in a process of its own: python -m tools.course.worker

Reads one line of JSON (the task) and writes one line of JSON for each step. A step that does not
end, or ends the process, is noticed by tools/course/supervise.py, which started it.
"""

import ast
import contextlib
import ctypes  # noqa: F401 (it loads a library, which it may not do later)
import io
import json
import os
import sys
from pathlib import Path

from tools.course import fence

LONGEST_TEXT = 10_000


def main() -> None:
    """Run the units of the task, from `first` on, and say what each of them scored."""
    task = json.loads(sys.stdin.readline())
    say = answers_to_parent()
    shell = make_shell()
    exec(task["imports"], shell.user_ns)
    say({"ready": True})
    own, hidden = Path.cwd(), Path(task["hidden"])
    fence.put_up(own, hidden, task["memory_bytes"], task["cpu_seconds"])
    for number, unit in enumerate(task["units"]):
        if number in task["skip"]:
            continue
        error = ""
        for place, source in enumerate(unit["cells"]):
            if [number, place] not in task["skip_cells"]:
                say({"begin": number, "cell": place})
                error = run_cell(shell, source) or error
        if number >= task["first"]:
            say({"begin": number})
            say({"done": number, **run_check(shell, unit, error)})
    say({"end": True})
    os._exit(0)  # threads and exit handlers of the answers have no say


def answers_to_parent():
    """A function that writes one line to the parent; everything else that is printed is dropped."""
    line_out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)

    def say(message: dict) -> None:
        line_out.write(json.dumps(message) + "\n")
        line_out.flush()

    return say


def make_shell():
    """IPython as in a notebook, so that magics and `await` at the top of a cell work."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Shell(InteractiveShell):
        def enable_gui(self, gui=None):
            """A notebook's shell takes `%matplotlib inline`; the base class refuses it."""

    config = Config()
    config.HistoryManager.enabled = False
    return Shell.instance(config=config)


def run_cell(shell, source: str) -> str:
    """Run a cell of the learner's; returns what it raised, in one sentence, or an empty text."""
    with contextlib.redirect_stdout(Dropped()), contextlib.redirect_stderr(Dropped()):
        result = shell.run_cell(source, store_history=False)
    error = result.error_before_exec or result.error_in_exec
    return "" if error is None else f"A cell above raised {describe(error)}."


def run_check(shell, unit: dict, error: str) -> dict:
    """{"score": points or None, "text": what the check printed} of one check cell.

    error: what a cell before it raised; it is told unless the check gives all points.
    """
    body = ast.parse(unit["check"]).body
    printed = io.StringIO()
    points = None
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(ast.Module(body[:-1], []), "check", "exec"), shell.user_ns)
            points = eval(compile(ast.Expression(body[-1].value), "check", "eval"), shell.user_ns)
    except BaseException as raised:
        error = error or f"The check could not run: {describe(raised)}."
    told = "" if points == unit["points"] else error
    text = "\n".join(part for part in (told, printed.getvalue()[:LONGEST_TEXT].rstrip()) if part)
    return {"score": points if type(points) is float else None, "text": text}


def describe(error: BaseException) -> str:
    """An error in one line, with no path of this machine."""
    line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(said.split())[:200]}{line}"


class Dropped(io.TextIOBase):
    """Takes any amount of text and keeps none."""

    def write(self, text: str) -> int:
        return len(text)


if __name__ == "__main__":
    main()
