"""The committed result files keep their contract, and the weights are what they say."""

import json
from pathlib import Path

import pytest

import edu_lib as edu
from edu_lib.data import DATA_FOLDER
from edu_lib.measure import Measurement
from studies import bench
from tools.chapters import NUMBER, sources

RESULTS = sorted((DATA_FOLDER / "results").glob("*.json"))
REQUIRED = {
    "mnist_time_to_accuracy": {
        "seeds",
        "threads",
        "mean_seconds_to_99_0",
        "mean_seconds_to_99_4",
    },
    "timer_control": {"repeats", "share_within_3_percent"},
    "road_teachers": {"segmentation", "depth", "ego"},
    "multi_task": {
        "seeds",
        "speed_vs_three",
        "time_vs_slowest",
        "tasks",
        "tasks_from_labels",
        "learned_weights_vs_grid",
    },
    "chapter_seconds": {source.stem for source in sources()},
}


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_every_result_says_where_when_and_how_it_was_made(path):
    content = read(path)
    assert {"machine", "versions", "date", "command"} <= content.keys()
    assert content["command"].startswith("python3 ")
    assert content["machine"]["cpu"]
    assert content["versions"]["torch"]
    assert "/" + "home" not in path.read_text()


@pytest.mark.parametrize("name", REQUIRED)
def test_the_promised_figures_are_there(name):
    content = read(DATA_FOLDER / "results" / f"{name}.json")
    assert REQUIRED[name] <= content.keys()


def test_the_promises_about_speed_hold_as_measured():
    learned = edu.load_result("mnist_time_to_accuracy")
    for goal in ("99_0", "99_4"):
        part = learned[f"to_{goal}"]
        assert part["mean_accuracy"] >= part["goal"]
        assert len(part["runs"]) == learned["seeds"] == 10
    control = edu.load_result("timer_control")
    assert control["repeats"] == 100
    assert 0 <= control["share_within_3_percent"] <= 100
    seconds = edu.load_result("chapter_seconds")
    assert all(seconds[source.stem] <= 90 for source in sources())


def test_the_road_figures_name_the_quality_of_each_task():
    teachers = edu.load_result("road_teachers")
    assert 0 < teachers["segmentation"]["miou"] <= 100
    assert 0 < teachers["depth"]["delta1"] <= 100
    assert teachers["ego"]["steering_error_deg"] > 0
    study = edu.load_result("multi_task")
    for tasks in (study["tasks"], study["tasks_from_labels"]):
        assert tasks.keys() == {"segmentation", "depth", "ego"}
        for row in tasks.values():
            assert len(row["single_seeds"]) == len(row["shared_seeds"]) == study["seeds"]
            assert row["change"] == pytest.approx(row["shared"] - row["single"])


def test_published_numbers_name_their_source():
    for path in (DATA_FOLDER / "published").glob("*.json"):
        for name, entry in read(path).items():
            assert entry.get("source"), f"{path.name}: {name} has no source"


def test_prose_takes_its_measured_numbers_from_files():
    counts = {source.stem: len(NUMBER.findall(source.read_text())) for source in sources()}
    assert all(count >= 1 for count in counts.values()), counts


def test_shipped_lenet_reads_as_well_as_its_result_file_says():
    test = edu.mnist().test
    for name, network, error in (
        ("lenet5", edu.models.LeNet5(), edu.load_result("lenet_weights")["lenet5"]["test_error"]),
        ("lenet1998", edu.models.LeNet1998(),
         edu.load_result("lenet_1998")["shifted"]["test_errors"][0]),
    ):  # fmt: skip
        measured = edu.evaluate(edu.load_weights(network, name), test.X, test.y).error
        # another processor may round one borderline digit the other way
        assert measured == pytest.approx(error, abs=0.03), name


def fake_measurement(runner, **_):
    return Measurement(
        name=runner.name, p50_ms=0.5, p90_ms=0.6, p99_ms=0.7, iqr_ms=0.1, fps=2000.0, threads=1,
        batch=1, device="cpu", isa=["avx2"], backend="onnxruntime", versions={}, date="2026-01-01",
        p50_interval_ms=(0.5, 0.5), control_ratio=1.0, settled=True, warmup_calls=10, blocks=30,
        calls=300, device_ms=None, block_medians_ms=[0.5] * 30,
    )  # fmt: skip


def test_bench_prints_every_row_and_saves_only_when_asked(monkeypatch, capsys):
    saved = {}
    monkeypatch.setattr(edu, "measure_latency", fake_measurement)
    monkeypatch.setattr(edu, "save_result", lambda name, figures, command: saved.update(figures))
    assert bench.main([]) == 0
    printed = capsys.readouterr().out
    assert all(entry.model in printed for entry in bench.ENTRIES)
    assert saved == {}
    monkeypatch.setattr(
        edu, "save_result",
        lambda name, figures, command: saved.update(figures) or Path(f"{name}.json"),
    )  # fmt: skip
    assert bench.main(["--save"]) == 0
    assert [row["model"] for row in saved["rows"]] == [entry.model for entry in bench.ENTRIES]


def test_bench_refuses_what_it_does_not_know(capsys):
    assert bench.main(["--fast"]) == 2
    assert "--save" in capsys.readouterr().out
