#!/usr/bin/env python3
"""Thirty Frames: the one command.

    python3 kit.py lab            open your copies of the chapters in JupyterLab, to be solved
    python3 kit.py lab --solutions    open copies of the solved chapters
    python3 kit.py test           prove that all of it works: library, tools, every notebook
    python3 kit.py test --quick   prove the library and two chapters, in under three minutes
    python3 kit.py build [NN]     build the chapters, or chapter NN, from notebooks/source
    python3 kit.py release [FOLDER]   make a course folder for nbgrader: assignments, hidden tests
    python3 kit.py grade FOLDER   grade what was handed in there: CSV and pages of feedback
    python3 kit.py slides [NN]    make decks to present, in build/slides, which need no network
    python3 kit.py site           make the book as web pages, in build/site, which need no network
    python3 kit.py phone MODEL    make a page that runs thirty_frames, or an ONNX file, on a phone
    python3 kit.py phone MODEL --gpu  make one twice as large, that compares the phone's GPU with it
    python3 kit.py devices FOLDER      draw the devices of a class from what their pages gave
    python3 kit.py bench          time the kit's networks on this machine (--save keeps the figures)
    python3 kit.py report MODULE:FUNCTION    write a page on a network of your own, all its forms
    python3 kit.py doctor         say what this machine is and what it lacks

The first use makes the folder .venv and installs requirements.txt there; later uses start at once.
What follows the command is handed on: `kit.py test -k lenet`, `kit.py lab --no-browser`.
"""

from __future__ import annotations  # an older Python must come as far as check_python

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tools import copies, guard, venv

ROOT = Path(__file__).resolve().parent
FIRST_PORT, NUM_PORTS = 8888, 100
STOP_SECONDS = 15
HELPED = ("lab", "test", "release", "grade", "report")  # what they start explains its own words
WORK = "work"  # the learner's own folder, which git ignores
START_NOTEBOOK = "lab/tree/{folder}/00_start_here.ipynb"

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
BROWSER_PATHS = (  # where macOS and Windows keep them, off the PATH
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)


def main(arguments: list[str]) -> int:
    """Run one command of the kit; returns its exit code."""
    offered = (
        *(lab, test, build, slides, site, release, grade),
        *(phone, devices, bench, report, doctor),
    )
    commands = {function.__name__: function for function in offered}
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print(__doc__.strip())
        return 0
    name, *rest = arguments
    if name not in commands:
        raise SystemExit(f"kit.py has no command {name!r}; it has: {', '.join(commands)}.")
    if {"-h", "--help"} & set(rest) and name not in HELPED:
        lines = map(str.strip, __doc__.splitlines())
        told = (line for line in lines if line.startswith(f"python3 kit.py {name} "))
        print(*told, sep="\n")
        return 0
    try:
        return commands[name](rest)
    except OSError as error:
        if error.errno not in guard.FULL + guard.REFUSED:
            raise
        raise SystemExit(guard.sentence(error, ROOT)) from None


def lab(arguments: list[str]) -> int:
    """Open JupyterLab on 127.0.0.1, with its token, at the learner's copy of the first chapter."""
    if any(map(is_port, arguments)):
        choose_port(arguments)  # what cannot be had is said before packages are installed
    python = venv.environment(venv.LEARNER)
    solutions = "--solutions" in arguments
    with contextlib.ExitStack() as held:
        held.enter_context(guard.alone(ROOT))
        folder = lay_out_chapters(ROOT, solutions)
        port = choose_port(arguments)

        def until_it_listens(process: subprocess.Popen) -> None:
            while process.poll() is None and not answers(port):
                time.sleep(0.1)
            held.close()  # the next lab finds this port taken

        rest = [word for word in arguments if not is_port(word) and word != "--solutions"]
        words = ["-m", "jupyterlab", *lab_options(port, folder), *rest]
        return run(python, *words, after_start=until_it_listens, **home())


def lab_options(port: int, folder: str) -> list[str]:
    """What JupyterLab is told. folder: where the chapters to be opened lie, below the kit."""
    options = [
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.answer_yes=True",  # Ctrl-C stops the server without a question
        f"--ServerApp.root_dir={ROOT}",
        f"--LabApp.default_url=/{START_NOTEBOOK.format(folder=folder)}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    return options


def lay_out_chapters(root: Path, solutions: bool) -> str:
    """Copy the labs, or the solved chapters, to the learner's folder; returns it below `root`."""
    name = "solutions" if solutions else "labs"
    editions = copies.solved(root) if solutions else copies.labs(root)
    for sentence in copies.lay_out(editions, root / WORK / name):
        print(sentence, flush=True)
    return f"{WORK}/{name}"


def test(arguments: list[str]) -> int:
    """Run every test in a few processes at once, with connections to other machines refused."""
    python = venv.environment(venv.LEARNER, venv.BUILDER, venv.TEACHER)
    browser = find_browser()
    if browser is None and os.environ.get("CI"):
        raise SystemExit("No Chromium was found: install it (on Debian: apt-get install chromium).")
    left_out = [] if browser else ["-m", "not browser"]
    offline = os.pathsep.join([str(ROOT / "tools" / "offline"), os.environ.get("PYTHONPATH", "")])
    code = run(
        python, "-m", "pytest", "-n", "auto", "--dist", "loadfile", *left_out, *arguments,
        PYTHONPATH=offline.rstrip(os.pathsep), KIT_BROWSER=browser or "",
        OMP_WAIT_POLICY="PASSIVE",  # a thread that waits leaves the core to the other process
        **home(),
    )  # fmt: skip
    if browser is None:
        print("Left out: the tests in a browser. They need Chromium or Chrome on the PATH.")
    return code


def build(arguments: list[str]) -> int:
    """Build chapters from their source."""
    python = venv.environment(venv.LEARNER, venv.BUILDER)
    return run(python, "-m", "tools.build", *arguments, **home())


def slides(arguments: list[str]) -> int:
    """Make the decks."""
    python = venv.environment(venv.LEARNER, venv.BUILDER)
    return run(python, "-m", "tools.slides", *arguments, **home())


def site(arguments: list[str]) -> int:
    """Make the web pages."""
    python = venv.environment(venv.LEARNER, venv.BUILDER)
    return run(python, "-m", "tools.site", *arguments, **home())


def release(arguments: list[str]) -> int:
    """Make a course folder that nbgrader can work with."""
    return course("tools.course.release", arguments)


def grade(arguments: list[str]) -> int:
    """Grade the submissions of a course folder."""
    if os.name == "nt":
        raise SystemExit("kit.py grade needs Linux or macOS: on Windows, run it in WSL.")
    return course("tools.course.grade", arguments)


def course(module: str, arguments: list[str]) -> int:
    """Run a tool of the course; a folder that stands first is told from where the person is."""
    python = venv.environment(venv.LEARNER, venv.BUILDER, venv.TEACHER)
    if arguments and not arguments[0].startswith("-"):
        arguments = [os.path.abspath(arguments[0]), *arguments[1:]]
    return run(python, "-m", module, *arguments, **home())


def phone(arguments: list[str]) -> int:
    """Make a page that runs a network on a phone."""
    return tool_on_files("tools.phone", arguments)


def devices(arguments: list[str]) -> int:
    """Draw what the phone pages of a class gave."""
    return tool_on_files("tools.devices", arguments)


def tool_on_files(module: str, arguments: list[str]) -> int:
    """Run a tool whose arguments are files, told from where the person is, and options."""
    python = venv.environment(venv.LEARNER)
    words = [each if each.startswith("--") else os.path.abspath(each) for each in arguments]
    return run(python, "-m", module, *words, **home())


def bench(arguments: list[str]) -> int:
    """Time the networks of the kit on this machine."""
    python = venv.environment(venv.LEARNER)
    return run(python, "-m", "studies.bench", *arguments, **home())


def report(arguments: list[str]) -> int:
    """Write the comparison of all forms of a network as an HTML page."""
    python = venv.environment(venv.LEARNER)
    return run(python, "-m", "tools.report", *arguments, **home())


def doctor(arguments: list[str]) -> int:
    """Describe this machine; needs no .venv, and says so where one is missing."""
    python = venv.python_of(ROOT / ".venv")
    return run(
        python if venv.starts(python) else Path(sys.executable), "-m", "tools.doctor", *arguments
    )


def home() -> dict[str, str]:
    """Environment variables that give a home to a user who has none; empty for all others."""
    return guard.settings_without_home(ROOT / WORK / "home")


def run(python: Path, *words: str, after_start=None, **variables: str) -> int:
    """Run `python words...` in the kit's folder; returns its exit code, 130 on an interrupt.

    after_start: called with the process when it has been started. On Linux the process ends with
    this one, even if this one is killed.
    """
    settings = {
        **os.environ,
        "PATH": str(python.parent) + os.pathsep + os.environ.get("PATH", ""),
        **variables,
    }
    command = [str(python), *words]
    process = subprocess.Popen(command, cwd=ROOT, env=settings, **guard.child_options())
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        if after_start:
            after_start(process)
        code = process.wait()
    except KeyboardInterrupt:
        stop(process)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    return code if code >= 0 else 128 - code


def stop(process: subprocess.Popen) -> None:
    """Wait for a child that got the same Ctrl-C; end it if it goes on, or at a second Ctrl-C."""
    for end in (process.terminate, process.kill):
        try:
            process.wait(timeout=STOP_SECONDS)
            return
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            end()
    process.wait()


def choose_port(arguments: list[str]) -> int:
    """The port asked for with --port, which must be free, or the first free one from 8888.

    Exits with one sentence if the port is no number, if it is taken, or if none is free.
    """
    asked = [word for word in arguments if is_port(word)]
    number = asked[-1].partition("=")[2] if asked else str(FIRST_PORT)
    if not number.isdigit() or not 1024 <= int(number) < 65536:
        raise SystemExit("Give the port as --port=8889, with a number from 1024 to 65535.")
    first = int(number)
    if is_free(first):
        return first
    last = min(first + NUM_PORTS, 65536)
    port = next((port for port in range(first + 1, last) if is_free(port)), None)
    if asked or port is None:
        way_out = f"choose another one, such as --port={port}" if port else "close some programs"
        raise SystemExit(f"Port {first} is taken by another program: {way_out}.")
    print(f"Port {first} is taken by another program; {port} is used instead.", flush=True)
    return port


def is_port(word: str) -> bool:
    """Whether this argument is --port or --port=NUMBER."""
    return word.partition("=")[0] == "--port"


def is_free(port: int) -> bool:
    """Whether a server may listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether a server listens on this port of 127.0.0.1; asking does not take the port from it."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def find_browser() -> str | None:
    """Path of Chromium or Chrome, or None. The variable KIT_BROWSER may name another one."""
    asked = os.environ.get("KIT_BROWSER")
    found = [asked, *map(shutil.which, BROWSERS)]
    found += [path for path in BROWSER_PATHS if os.path.exists(path)]
    return next((path for path in found if path), None)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("\nInterrupted: run the same command again, and it goes on.", file=sys.stderr)
        sys.exit(130)
