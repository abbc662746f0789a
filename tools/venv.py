"""The kit's own .venv: made, filled with the pinned packages, and repaired.

kit.py needs it before any package is installed: it uses the standard library alone.
"""

from __future__ import annotations  # an older Python must come as far as check_python

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tools import copies, guard, lab_settings

ROOT = Path(__file__).resolve().parents[1]
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 14)
NEEDED_GB = 8 if sys.platform == "linux" else 3

LEARNER, BUILDER = "requirements.txt", "requirements-dev.txt"
TEACHER = "requirements-course.txt"


def environment(*requirement_files: str, root: Path = ROOT) -> Path:
    """The Python of .venv, with the packages of the files installed; repairs what is half-made.

    Only one process installs at a time: a second one waits, and finds the packages there.
    """
    check_python(sys.version_info[:2])
    guard.check_writable(root)
    python = python_of(root / ".venv")
    if missing_of(requirement_files, root) or not lab_settings.are_written(root / ".venv"):
        with guard.alone(root) as lock:
            for name in missing_of(requirement_files, root):
                check_disk(root)
                if not works(python):
                    make_venv(root / ".venv", lock)
                install(python, name, root, lock)
            lab_settings.write(root / ".venv")
    return python


def missing_of(requirement_files: tuple[str, ...], root: Path) -> list[str]:
    """Those of the files whose packages are not installed."""
    return [name for name in requirement_files if not is_installed(name, root)]


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


def make_venv(folder: Path, lock: int) -> None:
    """Make .venv anew; what an interrupted run left there is removed first."""
    print(f"Making {folder} ...", flush=True)
    try:
        venv.EnvBuilder(clear=True, symlinks=os.name != "nt").create(folder)
        install_pip(python_of(folder), lock)
    except (subprocess.CalledProcessError, ImportError, FileNotFoundError) as error:
        raise SystemExit(
            f"Python could not make {folder} ({error}): install its venv module "
            "(on Debian and Ubuntu: apt install python3-venv) and run the same command again."
        ) from None
    except OSError as error:
        raise SystemExit(
            f"{folder} could not be written ({error}): close the programs that use it, "
            "delete the folder and run the same command again."
        ) from None


def install_pip(python: Path, lock: int) -> None:
    """Install the pip that comes with Python, run from its own wheel.

    Unlike ensurepip it is one process, which ends with this one: no orphan writes into .venv.
    Raises ImportError or FileNotFoundError if this Python came without one.
    """
    import ensurepip

    shared = sysconfig.get_config_var("WHEEL_PKG_DIR")  # where Debian and Fedora keep wheels
    folder = Path(shared or Path(ensurepip.__file__).parent / "_bundled")
    wheels = sorted(folder.glob("pip-*.whl"))
    if not wheels:
        raise FileNotFoundError(f"no pip in {folder}")
    own = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    own["PIP_CONFIG_FILE"] = os.devnull
    command = [str(python), str(wheels[-1] / "pip"), "install", "--no-index", str(wheels[-1])]
    subprocess.run(command, check=True, capture_output=True, env=own, **guard.child_options(lock))


def install(python: Path, name: str, root: Path, lock: int) -> None:
    """Install a requirement file with pip, then stamp it; a failed pip leaves no stamp.

    lock: the kit's lock, which pip holds too, so that no second pip starts beside it.
    """
    print(f"Installing {name}; the first time takes some minutes ...", flush=True)
    if stamp(name, root).exists():
        stamp(name, root).unlink()  # an interrupted pip must not leave an old stamp valid
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    files = ["-r", str(root / name), "-c", str(root / "constraints.txt")]
    code = subprocess.run([*command, *files], cwd=root, **guard.child_options(lock)).returncode
    if code != 0:
        raise SystemExit(
            f"pip could not install {name} (its reason stands above): check the connection and "
            "the free disk space, then run the same command again."
        )
    put_the_kit_on_the_path(python, root)
    copies.write_file(stamp(name, root), fingerprint(name, root).encode())


def put_the_kit_on_the_path(python: Path, root: Path) -> None:
    """Let every notebook import edu_lib."""
    question = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.check_output([str(python), "-c", question], text=True).strip()
    # a line that begins with import is run, and ASCII reads the same in every locale
    line = f"import sys; sys.path.append({str(root)!a})\n"
    (Path(packages) / "thirty_frames.pth").write_text(line, encoding="ascii")


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
