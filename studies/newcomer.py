"""From nothing to a first result: what does a newcomer's machine do? python3 -m studies.newcomer

Clones the kit, installs what a learner needs, opens the lab in Chromium and runs chapter 00 as far
as the pad, whose network then reads a digit; at last the same again, with everything installed.
CPU seconds are those of all processes, the browser's too; the time of a download is not among them.
Takes gigabytes of disk for a while. Writes data/results/newcomer.json.
"""

import contextlib
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
from playwright.sync_api import Page, expect

import kit
from edu_lib.measure import save_result
from studies import frame
from tools import browser
from tools.chapters import ROOT

NAME = "newcomer"
LAB = "work/labs/00_start_here.ipynb"
INSTALL = "from tools import venv; venv.environment(venv.LEARNER)"
PATIENCE_SECONDS = 1800
PYTHON = getattr(sys, "_base_executable", sys.executable)  # a newcomer has no .venv


def cost(step: Callable[[], None]) -> float:
    """CPU seconds of all processes that this one started and that ended in a step."""
    before = children_cpu()
    step()
    return children_cpu() - before


def children_cpu() -> float:
    """CPU seconds of the processes that this one started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def own_variables() -> dict[str, str]:
    """The environment of a newcomer, who has no packages of the Python that measures."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def run(*words: str, folder: Path) -> None:
    """Run a command to its end in a folder."""
    subprocess.run(words, cwd=folder, env=own_variables(), check=True)


@contextlib.contextmanager
def running_lab(folder: Path) -> Iterator[str]:
    """`kit.py lab` in a folder, without a window; the address of its first chapter."""
    port, token = kit.choose_port([]), secrets.token_hex(16)
    words = ["--no-browser", f"--port={port}", f"--IdentityProvider.token={token}"]
    command = [PYTHON, "kit.py", "lab", *words]
    process = subprocess.Popen(command, cwd=folder, env=own_variables())
    try:
        end = time.monotonic() + PATIENCE_SECONDS
        while not kit.answers(port):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the lab did not start; its reason stands above")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/lab/tree/{LAB}?token={token}&reset"
    finally:
        process.terminate()  # kit.py hands it on, and waits for the server and its kernels
        process.wait(PATIENCE_SECONDS)


def read_a_digit(page: Page, address: str, folder: Path) -> None:
    """Run the chapter's cells down to the pad, and wait until it says what the network reads."""
    page.set_default_timeout(1000 * PATIENCE_SECONDS)
    expect.set_options(timeout=1000 * PATIENCE_SECONDS)
    page.goto(address)
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
    page.locator(".jp-Notebook .jp-Cell").first.click()
    cells = nbformat.read(folder / LAB, 4).cells
    for _ in range(next(n for n, cell in enumerate(cells) if "DigitPad" in cell.source) + 1):
        page.keyboard.press("Shift+Enter")
    expect(page.locator(".edu-pad-status")).to_have_text(re.compile(r"^The network reads \d\.$"))


def first_result(folder: Path) -> None:
    """Open the lab as a learner does, as far as the first result, and close it."""
    with running_lab(folder) as address, browser.opened(browser.path()) as page:
        read_a_digit(page, address, folder)


def measure() -> dict[str, float]:
    """CPU seconds of the steps, in their order."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "thirty-frames"
        clone = ("git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder))
        steps = {
            "clone": lambda: run(*clone, folder=Path(place)),
            "install": lambda: run(PYTHON, "-c", INSTALL, folder=folder),
            "first_result": lambda: first_result(folder),
            "again": lambda: first_result(folder),
        }
        return {name: round(cost(step), 1) for name, step in steps.items()}


def main() -> None:
    """Measure, and keep the figures."""
    frame.options(__doc__, again=False, threads=None)
    if browser.path() is None:
        raise SystemExit("The study needs Chromium or Chrome on the PATH.")
    found = measure()
    for name, seconds in found.items():
        print(f"{name}: {seconds} CPU seconds")
    save_result(NAME, {"cpu_seconds": found}, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
