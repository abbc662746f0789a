"""A network's report as one HTML page: python -m tools.report MODULE:FUNCTION

FUNCTION takes nothing and returns what `edu_lib.report` takes: (model, example_input), the same
with data as a third, or a dict of its arguments by name. The page lies in work/reports; finished
forms are kept beside it, and the same command goes on where it stopped.
"""

import argparse
import base64
import html
import importlib
import io
import sys
from collections.abc import Callable
from pathlib import Path

import torch

import edu_lib as edu
from edu_lib.files import write_whole
from edu_lib.reporting import Report
from edu_lib.reporting.compare import HEADER

FOLDER = Path(__file__).resolve().parent.parent / "work" / "reports"
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; color: #1d2733;
  padding: 0 1rem; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
th, td {{ padding: .3rem .7rem; border-bottom: 1px solid #d8dee4; text-align: right;
  white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; }}
img {{ max-width: 100%; }}
</style></head><body>
<h1>{title}</h1>
<p>Input {shape}, one thread, budget {budget:g} ms. Difference and answers are against the float
network, on the data that was given.</p>
<img alt="{alt}" src="data:image/png;base64,{picture}">
<table><thead><tr>{header}</tr></thead><tbody>
{rows}
</tbody></table>
{notes}
</body></html>
"""


def page(report: Report) -> str:
    """The report as one HTML page that needs no other file."""
    picture = io.BytesIO()
    report.figure().savefig(picture, format="png", dpi=100)
    rows = (
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in report.cells(row)) + "</tr>"
        for row in report.rows
    )
    notes = "".join(
        f"<li>{html.escape(row.name)}: {html.escape(row.note)}</li>"
        for row in report.rows
        if row.note
    )
    return PAGE.format(
        title=html.escape(report.network),
        shape=report.input_shape,
        budget=report.budget_ms,
        alt=html.escape(report.alt(), quote=True),
        picture=base64.b64encode(picture.getvalue()).decode(),
        header="".join(f"<th>{html.escape(name)}</th>" for name in HEADER),
        rows="\n".join(rows),
        notes=f"<ul>{notes}</ul>" if notes else "",
    )


def function_of(word: str) -> Callable[[], object]:
    """The function that MODULE:FUNCTION names. Exits with one sentence if there is none.

    What the module itself raises is its own, and is raised as it is.
    """
    module, _, name = word.partition(":")
    if not module or not name:
        raise SystemExit(f"Name a function as MODULE:FUNCTION, got {word!r}.")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):  # another one, that it imports
            raise
        raise SystemExit(f"There is no module {module!r} in the kit's folder.") from None
    if not hasattr(found, name):
        raise SystemExit(f"Module {module!r} has no function {name!r}.")
    return getattr(found, name)


def arguments_of(returned: object) -> dict:
    """The arguments of `edu_lib.report` from what the function returned."""
    if isinstance(returned, dict):
        return returned
    if isinstance(returned, tuple) and len(returned) in (2, 3):
        return dict(zip(("model", "example_input", "data"), returned, strict=False))
    raise SystemExit(
        "The function must return (model, example_input), (model, example_input, data) or a dict "
        f"of arguments of edu.report; it returned {type(returned).__name__}."
    )


def main(words: list[str]) -> int:
    """Write the page of the network that the words name."""
    parser = argparse.ArgumentParser(prog="kit.py report", description=__doc__.splitlines()[0])
    parser.add_argument("function", metavar="MODULE:FUNCTION", help="what returns the network")
    parser.add_argument("--budget-ms", type=float, help="by default 33")
    chosen = parser.parse_args(words)
    arguments = arguments_of(function_of(chosen.function)())
    if chosen.budget_ms is not None:
        arguments["budget_ms"] = chosen.budget_ms
    torch.set_num_threads(1)
    try:
        found = edu.report(**{"folder": FOLDER} | arguments)
    except ValueError as error:
        raise SystemExit(f"{error}.") from None
    print(found)
    name = chosen.function.replace(":", "_")
    path = FOLDER / f"{name}.html"
    write_whole(path, lambda partial: partial.write_text(page(found), encoding="utf-8"))
    print(f"\n{path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
