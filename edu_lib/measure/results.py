"""Result files: the figures of a study, and the machine, versions, date, command behind them.

Percentages run from 0 to 100, times are milliseconds unless the key says seconds. Numbers of
others, from papers and price lists, are in data/published/NAME.json, each with its source.
"""

import dataclasses
import datetime
import functools
import json
import re
from pathlib import Path

from edu_lib.files import DATA_FOLDER, no_data, replacing
from edu_lib.measure.machine import describe_machine, versions

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS_FOLDER = DATA_FOLDER / "results"
PUBLISHED_FOLDER = DATA_FOLDER / "published"
STUDIES_FOLDER = REPOSITORY / "studies"
PROVENANCE = ("machine", "versions", "date", "command")


def save_result(name: str, figures: dict, command: str, folder: str | Path | None = None) -> Path:
    """Writes data/results/NAME.json and returns its path.

    figures: what was found, JSON-ready (NumPy scalars and dataclasses are converted).
    command: the line that makes the file again. folder: another place than data/results.
    Raises ValueError for a bad name, an empty command, a reserved key or a NaN.
    """
    taken = sorted(set(figures) & set(PROVENANCE))
    if taken:
        raise ValueError(f"result {name!r}: rename the keys {taken}; the file adds them itself")
    if not command.strip():
        raise ValueError(f"result {name!r}: give the command that makes it again")
    path = _path_of(name, folder)
    content = {
        **figures,
        "machine": describe_machine(),
        "versions": versions(),
        "date": now(),
        "command": command,
    }
    write_json(path, content)
    return path


def load_result(name: str, folder: str | Path | None = None) -> dict:
    """Reads data/results/NAME.json.

    Raises FileNotFoundError that names the study which makes it, ValueError if it is damaged.
    """
    path = _path_of(name, folder)
    if not path.parent.is_dir():
        raise FileNotFoundError(no_data(path))
    if not path.exists():
        raise FileNotFoundError(
            f"the result file {path.name} is missing; make it with `{study_command(name)}`"
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"the result file {path} is damaged ({error}); "
            f"make it again with `{study_command(name)}`"
        ) from None


def study_command(name: str) -> str:
    """The command of the study that writes NAME.json: studies/NAME.py, or the one that names it."""
    study = name
    if not (STUDIES_FOLDER / f"{name}.py").exists():
        for candidate in sorted(STUDIES_FOLDER.glob("*.py")):
            if f'"{name}"' in candidate.read_text(encoding="utf-8"):
                study = candidate.stem
                break
    return f"python3 -m studies.{study}"


@functools.cache
def load_published(name: str) -> dict:
    """The entries of data/published/NAME.json. Raises FileNotFoundError if there is none."""
    path = PUBLISHED_FOLDER / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(no_data(path))
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, content: dict) -> None:
    """Writes `content`, whole or not at all. Raises ValueError for what JSON cannot hold."""
    try:
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be written as JSON: {error}") from None
    with replacing(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8", newline="\n")


def now() -> str:
    """The date and time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _path_of(name: str, folder: str | Path | None) -> Path:
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise ValueError(f"a result name has small letters, digits and _ alone, got {name!r}")
    return Path(folder or RESULTS_FOLDER) / f"{name}.json"


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON; turn it into numbers, text or lists")
