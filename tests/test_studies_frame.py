"""studies.frame: nothing that is finished is lost, run twice, or taken for another recipe's."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import psutil
import pytest
import torch
from torch import nn

import edu_lib as edu
from studies import frame

ROOT = Path(__file__).resolve().parent.parent


def squared(number: int, log: str) -> dict:
    """Writes down that it ran."""
    with Path(log).open("a") as file:
        file.write(f"{number}\n")
    return {"value": number**2, "files": {"30f": bytes([number])}}


def killed_once(number: int, log: str) -> dict:
    """Dies with its worker the first time it is asked for 1."""
    figures = squared(number, log)
    if number == 1 and Path(log).read_text().split().count("1") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return figures | {"trims": os.environ.get("MALLOC_TRIM_THRESHOLD_")}


def refused(number: int) -> dict:
    raise ValueError(f"{number} is no seed")


class Study:
    """run_all in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder, self.log = folder, folder / "log"
        self.places = {"folder": folder / "runs", "cache": folder / "cache"}

    def runs(self, count: int = 3) -> dict[str, dict]:
        return {f"run_{n}": {"number": n, "log": str(self.log)} for n in range(count)}

    def run(self, function=squared, runs=None, **settings) -> dict:
        return frame.run_all(function, runs or self.runs(), "toy", **self.places, **settings)

    def logged(self) -> list[str]:
        return sorted(self.log.read_text().split())


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_runs_are_stored_and_not_run_again(study, workers):
    first = study.run(workers=workers)
    assert first == {"run_0": {"value": 0}, "run_1": {"value": 1}, "run_2": {"value": 4}}
    assert (study.folder / "cache/toy/run_2.30f").read_bytes() == b"\x02"
    (study.folder / "runs/toy/run_1.json").unlink()
    assert study.run() == first
    assert study.logged() == ["0", "1", "1", "2"]
    assert study.run(again=True) == first
    assert len(study.logged()) == 7


def test_a_row_is_small_and_says_where_it_was_made(study):
    study.run()
    path = study.folder / "runs/toy/run_2.json"
    row = json.loads(path.read_text())
    assert row["figures"] == {"value": 4}
    assert row["cpu"] == frame.processor()
    assert path.stat().st_size < 400


def test_a_run_belongs_to_its_arguments(study, capsys):
    study.run()
    other = {"run_1": {"number": 5, "log": str(study.log)}}
    assert study.run(runs=other) == {"run_1": {"value": 25}}
    assert "run_1.json was made by another recipe" in capsys.readouterr().out


def code(text: str):
    module = types.ModuleType("a_study")
    exec(text, vars(module))
    return module.run


def test_a_run_belongs_to_the_code_that_made_it(study, capsys):
    text = (
        "RATE = 1\n"
        "def double(n):\n    return 2 * n\n"
        "def run(n):\n    return {'v': RATE + double(n)}\n"
    )
    runs = {"a": {"n": 3}}
    assert study.run(code(text), runs) == {"a": {"v": 7}}
    assert study.run(code(text), runs) == {"a": {"v": 7}}
    assert "another recipe" not in capsys.readouterr().out
    for changed, value in (("RATE = 1", "RATE = 2"), ("2 * n", "3 * n")):
        text = text.replace(changed, value)
        assert frame.finished(code(text), runs, "toy", **study.places) == {}
        assert "another recipe" in capsys.readouterr().out
        expected = {"a": {"v": 8}} if value == "RATE = 2" else {"a": {"v": 11}}
        assert study.run(code(text), runs) == expected


def test_a_timed_run_belongs_to_its_processor(study, monkeypatch):
    study.run(timed=True)
    study.run(timed=True)
    assert len(study.logged()) == 3
    here = frame.describe_machine()
    monkeypatch.setattr(frame, "describe_machine", lambda: here | {"cpu": "another"})
    study.run(timed=True)
    assert len(study.logged()) == 6


def test_two_processors_of_one_name_differ_by_their_instructions(study, monkeypatch):
    machine = {"cpu": "AMD EPYC", "isa": ["avx2"]}
    monkeypatch.setattr(frame, "describe_machine", lambda: machine)
    study.run(timed=True)
    machine["isa"] = ["avx2", "avx512_vnni"]
    study.run(timed=True)
    assert len(study.logged()) == 6
    machine["isa"] = ["avx2"]
    assert frame.times_or_kept({"p50_ms": 2}, {}, ["p50_ms"]) == {
        "p50_ms": 2,
        "timed_on": "AMD EPYC: avx2",
    }


@pytest.mark.parametrize("before", [{"machine": {"cpu": "first"}}, {"timed_on": "first"}])
def test_times_of_another_processor_are_kept_with_its_name(before):
    before |= {"p50_ms": 1, "miou": 90}
    kept = frame.times_or_kept({}, before, ["p50_ms", "p99_ms"])
    assert kept == {"p50_ms": 1, "timed_on": "first"}


def test_a_run_without_its_file_is_run_again(study, capsys):
    study.run()
    (study.folder / "cache/toy/run_0.30f").unlink()
    study.run()
    assert "without its file" in capsys.readouterr().out
    assert study.logged() == ["0", "0", "1", "2"]


def test_rows_of_another_form_are_not_used_and_damaged_ones_are_named(study):
    study.run()
    path = study.folder / "runs/toy/run_1.json"
    path.write_text('{"value": 1}')
    study.run()
    assert study.logged() == ["0", "1", "1", "2"]
    path.write_text(path.read_text()[:-20])
    with pytest.raises(ValueError, match=r"run_1.json is damaged .* delete it to run it again"):
        study.run()


def test_a_killed_worker_loses_nothing(study):
    results = study.run(killed_once, workers=2)
    assert [results[name]["value"] for name in study.runs()] == [0, 1, 4]
    assert study.logged().count("1") == 2
    outside = os.environ.get("MALLOC_TRIM_THRESHOLD_")
    assert {row["trims"] for row in results.values()} == {outside}  # Dask would set it


@pytest.mark.parametrize("workers", [1, 2])
def test_a_runs_exception_is_raised(study, workers):
    runs = {name: {"number": 7} for name in ("a", "b")}
    with pytest.raises(ValueError, match="7 is no seed"):
        study.run(refused, runs, workers=workers)
    assert not (study.folder / "runs/toy/a.json").exists()


def test_the_options_of_a_study():
    chosen = frame.options("A toy.", seeds=5, parallel=True, threads=None, words=[])
    assert (chosen.seeds, chosen.scheduler, chosen.again) == (5, None, False)
    more = {"--threads": {"type": int, "default": 1}}
    before = torch.get_num_threads()
    chosen = frame.options("A toy.", more, seeds=5, words=["--seeds", "2", "--again"])
    assert (chosen.seeds, chosen.again, torch.get_num_threads()) == (2, True, 1)
    torch.set_num_threads(before)
    with pytest.raises(SystemExit):
        frame.options("A toy.", seeds=5, words=["--seeds", "0"])


class Timing:
    def __init__(self, void: bool):
        self.void = void


def test_a_void_timing_is_done_again_and_at_last_given_up():
    timings = [Timing(True), Timing(True), Timing(False)]
    kept = timings[-1]
    assert frame.until_quiet(lambda: timings.pop(0)) is kept
    with pytest.raises(RuntimeError, match="off 2 times: close other programs"):
        frame.until_quiet(lambda: Timing(True), attempts=2)


def test_weights_are_kept_as_load_weights_reads_them(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3)).to(memory_format=torch.channels_last)
    (tmp_path / "one.safetensors").write_bytes(frame.weights_of(model))
    loaded = edu.load_weights(nn.Sequential(nn.Conv2d(1, 2, 3)), "one", tmp_path)
    torch.testing.assert_close(loaded.state_dict(), model.state_dict(), rtol=0, atol=0)


TOY = """
import sys
from pathlib import Path
import torch
from torch import nn
from studies import frame
from edu_lib.training import fit

FOLDER = Path(sys.argv[1])


def run(seed):
    torch.manual_seed(seed)
    X, y = torch.rand(64, 1, 8, 8), torch.randint(0, 4, (64,))
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 4))
    history = fit(model, X, y, num_epochs=5, batch_size=16, seed=seed, device="cpu", progress=False)
    return {"loss": history.train_loss, "files": {"safetensors": frame.weights_of(model)}}


def main():
    places = {"folder": FOLDER / "runs", "cache": FOLDER / "cache"}
    runs = {f"seed_{seed}": {"seed": seed} for seed in range(6)}
    Path(sys.argv[1], "started").touch()
    frame.run_all(run, runs, "toy", workers=int(sys.argv[2]), **places)


if __name__ == "__main__":
    frame.start(main)
"""


def toy(folder: Path, workers: int) -> subprocess.Popen:
    """A study in a process group of its own."""
    (folder / "toy.py").write_text(TOY)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(folder / "toy.py"), str(folder), str(workers)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def rows(folder: Path) -> dict:
    return {
        path.stem: (json.loads(path.read_text())["figures"],
                    (folder / "cache/toy" / f"{path.stem}.safetensors").read_bytes())
        for path in (folder / "runs/toy").glob("*.json")
    }  # fmt: skip


def wait_until(true, seconds: float = 300.0) -> None:
    while not true():
        time.sleep(0.02)
        seconds -= 0.02
        assert seconds > 0, "it never happened"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_study_that_is_killed_goes_on_and_finds_the_same(tmp_path, workers):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    toy(whole, 1).communicate()
    draw = random.Random(workers)
    for ending in (signal.SIGKILL, signal.SIGINT):
        before = len(list(broken.glob("runs/toy/*.json")))
        process = toy(broken, workers)
        wait_until(lambda before=before: len(list(broken.glob("runs/toy/*.json"))) > before)
        time.sleep(draw.uniform(0, 0.05))
        children = psutil.Process(process.pid).children(recursive=True)
        if ending == signal.SIGKILL:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate()
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive, "workers end with their parent"
        if ending == signal.SIGINT and process.returncode != 0:
            assert process.returncode == 130
            assert "the same command goes on" in output
    process = toy(broken, workers)
    process.communicate()
    assert process.returncode == 0
    assert rows(broken) == rows(whole)
    assert len(rows(whole)) == 6
