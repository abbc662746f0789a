"""What keeps the kit's commands out of each other's way, and off what they cannot write.

kit.py needs it before any package is installed: it uses the standard library alone.
"""

from __future__ import annotations  # an older Python must come as far as being refused by kit.py

import contextlib
import errno
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

if os.name == "nt":
    import msvcrt
else:
    import fcntl

LOCK = ".kit.lock"
WAITING = "Another kit.py installs packages or starts a lab in this folder: waiting for it ..."
SECONDS_BETWEEN_TRIES = 0.1
SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


def check_writable(root: Path) -> None:
    """Exit with one sentence if nothing can be written in the kit's folder."""
    try:
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise SystemExit(sentence(error, root)) from None


def sentence(error: OSError, root: Path) -> str:
    """One sentence on a file that could not be written, and what to do."""
    if error.errno in FULL:
        return f"The disk of {root} is full: make room and run the same command again."
    if error.errno in REFUSED:
        return (
            f"{root} cannot be written ({error.strerror}): copy the kit's folder to a place "
            "of your own and run kit.py there."
        )
    return f"{root} cannot be used ({error}): copy the kit's folder to another disk."


@contextlib.contextmanager
def alone(root: Path):
    """Hold the kit's lock; another kit.py waits here, and says so once.

    The system frees the lock when its holder ends, however it ends. Yields the number of the open
    file: a child that inherits it holds the lock too.
    """
    with open(root / LOCK, "ab") as file:
        waiting = False
        while not try_to_lock(file):
            if not waiting:
                print(WAITING, flush=True)
            waiting = True
            time.sleep(SECONDS_BETWEEN_TRIES)
        try:
            yield file.fileno()
        finally:
            unlock(file)


def try_to_lock(file) -> bool:
    """Take the lock if it is free; True also where a file system has no locks."""
    try:
        if os.name == "nt":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
    return True


def unlock(file) -> None:
    """Free the lock, for the children that inherited it too."""
    with contextlib.suppress(OSError):
        if os.name == "nt":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_UN)


def child_options(*inherited: int) -> dict:
    """Options of subprocess: the child ends with its parent (Linux) and inherits open files."""
    options = {} if os.name == "nt" else {"pass_fds": inherited}
    if sys.platform == "linux":
        options["preexec_fn"] = end_with_parent
    return options


def end_with_parent() -> None:
    """Ask Linux for SIGTERM as soon as the parent is gone, even if it was killed."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def settings_without_home(folder: Path) -> dict[str, str]:
    """Environment variables that make `folder` the home, where there is no other one to write to.

    Jupyter, IPython and Matplotlib keep their settings at home and end in a traceback without one.
    """
    home = os.path.expanduser("~")
    if os.path.isdir(home) and os.access(home, os.W_OK):
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    print(f"There is no home folder to write to: settings are kept in {folder}.", flush=True)
    user = os.environ.get("USER") or "learner"  # without a home there may be no name either
    return {"HOME": str(folder), "USERPROFILE": str(folder), "USER": user}
