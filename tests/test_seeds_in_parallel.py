"""studies.seeds_in_parallel: nothing that is finished is lost or run twice."""

import os
import signal
from pathlib import Path

import pytest

from studies.seeds_in_parallel import run_all


def squared(number: int, log: str) -> dict:
    """Writes down that it ran."""
    with Path(log).open("a") as file:
        file.write(f"{number}\n")
    return {"value": number**2, "file": bytes([number])}


def killed_once(number: int, log: str) -> dict:
    """Dies with its worker the first time it is asked for 1."""
    figures = squared(number, log)
    if number == 1 and Path(log).read_text().split().count("1") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return figures


def refused(number: int) -> dict:
    raise ValueError(f"{number} is no seed")


def test_runs_are_stored_and_not_run_again(tmp_path):
    log = tmp_path / "log"
    runs = {f"run_{n}": {"number": n, "log": str(log)} for n in range(3)}
    first = run_all(squared, runs, tmp_path / "cache", workers=1)
    assert first == {"run_0": {"value": 0}, "run_1": {"value": 1}, "run_2": {"value": 4}}
    assert (tmp_path / "cache" / "run_2.30f").read_bytes() == b"\x02"
    (tmp_path / "cache" / "run_1.json").unlink()
    assert run_all(squared, runs, tmp_path / "cache", workers=1) == first
    assert sorted(log.read_text().split()) == ["0", "1", "1", "2"]


def test_a_killed_worker_loses_nothing(tmp_path):
    runs = {f"run_{n}": {"number": n, "log": str(tmp_path / "log")} for n in range(3)}
    results = run_all(killed_once, runs, tmp_path / "cache", workers=1)
    assert [results[name]["value"] for name in runs] == [0, 1, 4]
    assert (tmp_path / "log").read_text().split().count("1") == 2


def test_a_runs_exception_is_raised(tmp_path):
    with pytest.raises(ValueError, match="7 is no seed"):
        run_all(refused, {"run": {"number": 7}}, tmp_path / "cache", workers=1)
    assert not (tmp_path / "cache" / "run.json").exists()
