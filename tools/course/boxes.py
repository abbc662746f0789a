"""Where a submission runs: a folder of its own, a clean environment, and a box where there is one.

bubblewrap (the command bwrap, on Linux) shows the process a file system that is read-only but for
its folder, no network, and none of the other processes; what it starts ends with it.
"""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH")


def command(own: Path, hidden: Path, boxed: bool) -> list[str]:
    """The command line of a worker that may write in `own` and cannot see `hidden`."""
    worker = [sys.executable, "-m", "tools.course.worker"]
    return [*box(own, hidden), "--", *worker] if boxed else worker


def box(own: Path, hidden: Path) -> list[str]:
    """bubblewrap and what it is told."""
    # fmt: off
    words = [
        "bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc",
        "--bind", str(own), str(own), "--chdir", str(own),
        "--unshare-all", "--die-with-parent", "--new-session",
    ]
    # fmt: on
    return [*words, "--tmpfs", str(hidden)] if hidden.is_dir() else words


@functools.cache
def has_box() -> bool:
    """Whether bubblewrap is there and this machine lets it work."""
    if shutil.which("bwrap") is None:
        return False
    words = [*box(Path("/tmp"), Path("/nowhere")), "--", "true"]
    return subprocess.run(words, capture_output=True).returncode == 0


def environment(own: Path, token: str) -> dict[str, str]:
    """Variables of a worker: none of the teacher's secrets, and a home in its own folder."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    homes = dict.fromkeys(("HOME", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR"), str(own))
    return (
        kept
        | homes
        | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), *extra_paths()]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "agg",
            "KIT_GRADING": token,
        }
    )


def extra_paths() -> list[str]:
    """Folders of packages that this Python was told of from outside."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [path for path in given if path and Path(path).resolve() != ROOT]


@functools.cache
def font_lists() -> tuple[Path, ...]:
    """Matplotlib's list of fonts, which takes a second to make: each worker gets a copy."""
    import matplotlib
    import matplotlib.font_manager  # which writes the list where there is none

    return tuple(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))


def furnish(own: Path) -> None:
    """Put into a worker's folder what spares it work."""
    for path in font_lists():
        shutil.copy(path, own / path.name)
