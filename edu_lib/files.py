"""Files that are whole or not there: written under a temporary name, then renamed."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".partial"  # .gitignore knows it

# the data of the kit: beside the library in a checkout; an installed library has none
DATA_VARIABLE = "THIRTY_FRAMES_DATA"
DATA_FOLDER = Path(os.environ.get(DATA_VARIABLE) or Path(__file__).resolve().parent.parent / "data")


def no_data(path: Path) -> str:
    """The sentence for a file of the kit's data that is not there."""
    return (
        f"{path} is missing: an installed edu_lib brings no data; get a checkout of Thirty Frames "
        f"and set {DATA_VARIABLE} to its folder data before Python starts, or give folder="
    )


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`; what was written there takes its place at the end.

    After an exception the temporary file is gone and `path` is as it was. The file gets the mode
    that the umask gives, so that a class can read what one of it saved. Folders are made.
    Raises PermissionError or OSError in one sentence that names the file and what to do.

        with replacing("data/results/x.json") as partial:
            partial.write_text("{}")
    """
    path = Path(path)
    partial = _new_name(path)
    try:
        yield partial
        os.chmod(partial, 0o666 & ~_umask())
        os.replace(partial, path)
    except OSError as error:
        raise _explained(error, path) from error
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Call `write(temporary path)`, then rename; returns the path. Raises as `replacing`."""
    with replacing(path) as partial:
        write(partial)
    return Path(path)


def _new_name(path: Path) -> Path:
    """An empty file of a new name beside `path`, so that two writers never share one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(SUFFIX, f"{path.name}.", path.parent)
    except OSError as error:
        raise _explained(error, path) from error
    os.close(number)
    return Path(name)


def _explained(error: OSError, path: Path) -> OSError:
    """The same kind of error, saying which file it was and what to do."""
    if isinstance(error, PermissionError) or error.errno == 30:  # EROFS: a read-only file system
        return PermissionError(
            f"{path} cannot be written: the folder is read-only; copy the kit to a folder of your "
            "own, or give another path"
        )
    return type(error)(f"{path} cannot be written ({error.strerror or error}): make room, or give "
                       "another path")  # fmt: skip


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
