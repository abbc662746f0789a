#!/usr/bin/env python3
"""Thirty Frames: the one command.

    python3 kit.py lab            open the chapters in JupyterLab
    python3 kit.py test           prove that all of it works: library, tools, every notebook
    python3 kit.py build [NN]     build the chapters, or chapter NN, from notebooks/source
    python3 kit.py bench          time the kit's networks on this machine (--save keeps the figures)
    python3 kit.py doctor         say what this machine is and what it lacks

The first use makes the folder .venv and installs requirements.txt there; later uses start at once.
What follows the command is handed on: `kit.py test -k lenet`, `kit.py lab --no-browser`.
"""

from __future__ import annotations  # an older Python must come as far as check_python

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 14)
NEEDED_GB = 8 if sys.platform == "linux" else 3
FIRST_PORT, NUM_PORTS = 8888, 100
STOP_SECONDS = 15
START_NOTEBOOK = "lab/tree/notebooks/00_start_here.ipynb"

LEARNER, BUILDER = "requirements.txt", "requirements-dev.txt"

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
BROWSER_PATHS = (  # where macOS and Windows keep them, off the PATH
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)

LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    }
}


def main(arguments: list[str]) -> int:
    """Run one command of the kit; returns its exit code."""
    commands = {"lab": lab, "test": test, "build": build, "bench": bench, "doctor": doctor}
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print(__doc__.strip())
        return 0
    name, *rest = arguments
    if name not in commands:
        raise SystemExit(f"kit.py has no command {name!r}; it has: {', '.join(commands)}.")
    return commands[name](rest)


def lab(arguments: list[str]) -> int:
    """Open JupyterLab on 127.0.0.1, with its token, at the first chapter."""
    port = choose_port(arguments)
    python = environment(LEARNER)
    options = [
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.answer_yes=True",  # Ctrl-C stops the server without a question
        f"--ServerApp.root_dir={ROOT}",
        f"--LabApp.default_url=/{START_NOTEBOOK}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    rest = [word for word in arguments if not is_port(word)]
    return run(python, "-m", "jupyterlab", *options, *rest)


def test(arguments: list[str]) -> int:
    """Run every test, with connections to other machines refused."""
    python = environment(LEARNER, BUILDER)
    browser = find_browser()
    if browser is None and os.environ.get("CI"):
        raise SystemExit("No Chromium was found: install it (on Debian: apt-get install chromium).")
    left_out = [] if browser else ["-m", "not browser"]
    offline = os.pathsep.join([str(ROOT / "tools" / "offline"), os.environ.get("PYTHONPATH", "")])
    code = run(
        python, "-m", "pytest", *left_out, *arguments,
        PYTHONPATH=offline.rstrip(os.pathsep), KIT_BROWSER=browser or "",
    )  # fmt: skip
    if browser is None:
        print("Left out: the tests in a browser. They need Chromium or Chrome on the PATH.")
    return code


def build(arguments: list[str]) -> int:
    """Build chapters from their source."""
    return run(environment(LEARNER, BUILDER), "-m", "tools.build", *arguments)


def bench(arguments: list[str]) -> int:
    """Time the networks of the kit on this machine."""
    return run(environment(LEARNER), "-m", "studies.bench", *arguments)


def doctor(arguments: list[str]) -> int:
    """Describe this machine; needs no .venv, and says so where one is missing."""
    python = python_of(ROOT / ".venv")
    return run(python if starts(python) else Path(sys.executable), "-m", "tools.doctor", *arguments)


def run(python: Path, *words: str, **variables: str) -> int:
    """Run `python words...` in the kit's folder; returns its exit code, 130 on an interrupt."""
    settings = {
        **os.environ,
        "PATH": str(python.parent) + os.pathsep + os.environ.get("PATH", ""),
        **variables,
    }
    process = subprocess.Popen([str(python), *words], cwd=ROOT, env=settings)
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
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


def environment(*requirement_files: str, root: Path = ROOT) -> Path:
    """The Python of .venv, with the packages of the files installed; repairs what is half-made."""
    check_python(sys.version_info[:2])
    folder = root / ".venv"
    python = python_of(folder)
    missing = [name for name in requirement_files if not is_installed(name, root)]
    if not missing:
        return python
    check_disk(root)
    if not works(python):
        make_venv(folder)
    for name in missing:
        install(python, name, root)
    return python


def check_python(version: tuple[int, int]) -> None:
    """Exit with one sentence unless `version` is one the pinned packages support."""
    if not OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        oldest, newest, this = (
            ".".join(map(str, pair)) for pair in (OLDEST_PYTHON, NEWEST_PYTHON, version)
        )
        raise SystemExit(
            f"Python {oldest} to {newest} is needed and this is Python {this}: "
            f"run kit.py with another one, such as `python{oldest} kit.py lab`."
        )


def check_disk(root: Path) -> None:
    """Exit with one sentence if the disk cannot hold the packages."""
    free_gb = shutil.disk_usage(root).free / 1e9
    if free_gb < NEEDED_GB:
        raise SystemExit(
            f"The disk of {root} has {free_gb:.1f} GB free and the packages need {NEEDED_GB} GB: "
            "make room and run the same command again."
        )


def make_venv(folder: Path) -> None:
    """Make .venv anew; what an interrupted run left there is removed first."""
    print(f"Making {folder} ...", flush=True)
    try:
        venv.EnvBuilder(with_pip=True, clear=True, symlinks=os.name != "nt").create(folder)
    except subprocess.CalledProcessError as error:
        raise SystemExit(
            f"Python could not make {folder} ({error}): install its venv module "
            "(on Debian and Ubuntu: apt install python3-venv) and run the same command again."
        ) from None
    except OSError as error:
        raise SystemExit(
            f"{folder} could not be written ({error}): close the programs that use it, "
            "delete the folder and run the same command again."
        ) from None


def install(python: Path, name: str, root: Path) -> None:
    """Install a requirement file with pip, then stamp it; a failed pip leaves no stamp."""
    print(f"Installing {name}; the first time takes some minutes ...", flush=True)
    if stamp(name, root).exists():
        stamp(name, root).unlink()  # an interrupted pip must not leave an old stamp valid
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    files = ["-r", str(root / name), "-c", str(root / "constraints.txt")]
    code = subprocess.run([*command, *files], cwd=root).returncode
    if code != 0:
        raise SystemExit(
            f"pip could not install {name} (its reason stands above): check the connection and "
            "the free disk space, then run the same command again."
        )
    put_the_kit_on_the_path(python, root)
    stamp(name, root).write_text(fingerprint(name, root))


def put_the_kit_on_the_path(python: Path, root: Path) -> None:
    """Let every notebook import edu_lib, and keep JupyterLab from asking for news."""
    question = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.check_output([str(python), "-c", question], text=True).strip()
    (Path(packages) / "thirty_frames.pth").write_text(f"{root}\n", encoding="utf-8")
    settings = root / ".venv" / "share" / "jupyter" / "lab" / "settings"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "overrides.json").write_text(json.dumps(LAB_SETTINGS), encoding="utf-8")


def fingerprint(name: str, root: Path) -> str:
    """A hash of what is to be installed: the file, the constraints, the Python, the place."""
    content = b"".join((root / file).read_bytes() for file in (LEARNER, name, "constraints.txt"))
    return hashlib.sha256(content + sys.version.encode() + str(root).encode()).hexdigest()


def stamp(name: str, root: Path) -> Path:
    """The file that says which fingerprint of a requirement file is installed."""
    return root / ".venv" / f"{name}.installed"


def is_installed(name: str, root: Path) -> bool:
    """Whether .venv runs and holds exactly what the requirement file asks for now."""
    mark = stamp(name, root)
    made = mark.is_file() and mark.read_text() == fingerprint(name, root)
    return made and starts(python_of(root / ".venv"))


def python_of(folder: Path) -> Path:
    """The Python of a virtual environment, on any system."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def starts(python: Path) -> bool:
    """Whether this Python starts; takes some hundredths of a second."""
    return succeeds(python, "-I", "-S", "-c", "pass")


def works(python: Path) -> bool:
    """Whether this Python starts and has pip."""
    return succeeds(python, "-m", "pip", "--version")


def succeeds(python: Path, *words: str) -> bool:
    """Whether `python words...` exits with 0 within a minute."""
    if not python.exists():
        return False
    try:
        process = subprocess.run([str(python), *words], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return process.returncode == 0


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
