"""The study of chapter 05: it resumes, keeps other devices' figures, and says what it left out."""

import contextlib
import json

import pytest
import torch
from torch import nn

from edu_lib.deploy import export_onnx
from edu_lib.measure.results import save_result
from studies import cpu_gpu, cpu_gpu_parts, cpu_gpu_rows

DEVICES = {"A GPU of another machine": {"rows": [1, 2], "date": "2026-01-01"}}


class Small(nn.Module):
    """Takes images of any size, as the large networks do."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3))
        self.head = nn.Linear(16, 4)

    def forward(self, X):
        return self.head(self.features(X).mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The small network as an ONNX file, written once."""
    X = cpu_gpu_rows.images(1, pixels=32)
    return export_onnx(Small(), X, tmp_path_factory.mktemp("onnx") / "small.onnx")


@pytest.fixture
def small(monkeypatch, exported):
    """Two small networks on small images, three calls a row, no load."""
    networks = {"vgg16": ("Small", Small), "resnet18": ("Small too", Small)}
    monkeypatch.setattr(cpu_gpu_rows, "NETWORKS", networks)
    monkeypatch.setattr(cpu_gpu_rows, "PROTOCOL_MS", 0.0)
    monkeypatch.setattr(cpu_gpu_rows, "PASSES", 3)
    monkeypatch.setattr(cpu_gpu_rows, "more_forms", lambda *_: {"a form": "no compiler"})
    images = cpu_gpu_rows.images
    for module in (cpu_gpu_rows, cpu_gpu_parts):
        monkeypatch.setattr(module, "images", lambda batch, pixels=32, channels=3: images(
            batch, min(pixels, 32), channels))  # fmt: skip
        monkeypatch.setattr(module, "build", lambda network: Small().eval())
        monkeypatch.setattr(module, "onnx_file", lambda model: contextlib.nullcontext(exported))
    monkeypatch.setattr(cpu_gpu_parts, "LAYER_NETWORKS", ("vgg16",))
    monkeypatch.setattr(cpu_gpu_parts, "SWEEP_NETWORKS", ("resnet18",))
    monkeypatch.setattr(cpu_gpu_parts, "CPU_BATCHES", (1, 2))
    monkeypatch.setattr(cpu_gpu_parts, "LOADED_NETWORKS", ("resnet18",))
    monkeypatch.setattr(cpu_gpu_parts, "NUM_FRAMES", 2)
    monkeypatch.setattr(cpu_gpu_parts, "loads", lambda: [("compute", 0), ("compute", 1)])
    monkeypatch.setattr(cpu_gpu_parts, "timer_agreement", lambda: {"difference_percent": 1.0})
    roof = {"peak_gflops": 100.0, "bandwidth_gb_per_second": 20.0, "threads": 1, "ridge": 5.0}
    monkeypatch.setattr(cpu_gpu_parts, "rooflines", lambda: {"1": roof})


def test_the_cpus_part_is_written_and_other_devices_stay(small, tmp_path):
    save_result("cpu_gpu", {"cpu": {}, "devices": DEVICES}, "python3 x", tmp_path)
    part = cpu_gpu.record_cpu(tmp_path, tmp_path / "cache")
    content = json.loads((tmp_path / "cpu_gpu.json").read_text())
    assert content["devices"] == DEVICES
    assert content["cpu"]["name"] == content["machine"]["cpu"]
    forms = {row["form"] for row in part["rows"] if row["network"] == "resnet18"}
    assert forms == {
        *("eager", "channels_last", "bf16 channels_last", "ONNX Runtime", "Winograd (ours)")
    }
    assert part["failed_forms"] == {"a form": "no compiler"}
    assert part["best"]["vgg16"]["batch_16"]["form"] != "bf16 channels_last"
    assert part["best"]["vgg16"]["batch_16_library"]["form"] != "Winograd (ours)"
    assert part["vgg16_target"]["reached"]
    rows = part["layers"]["vgg16"]["rows"]
    assert [row["kind"] for row in rows] == ["Conv2d", "Conv2d", "Linear"]
    assert [row["processes"] for row in part["background"]] == [0, 1]
    assert part["settings"]["frames"] == 2
    assert list((tmp_path / "cache").iterdir()) == []
    short = json.loads((tmp_path / "cpu_inference.json").read_text())["vgg16"]
    best = part["best"]["vgg16"]
    assert short == {
        "batch": 16,
        "p50_ms": best["batch_16"]["p50_ms"],
        "backend": best["batch_16"]["form"],
        "batch_1": {"p50_ms": best["batch_1"]["p50_ms"], "backend": best["batch_1"]["form"]},
    }


def test_rows_of_another_setting_are_not_taken_over(small, tmp_path, monkeypatch):
    before = cpu_gpu.cache_of("cpu", tmp_path)
    assert cpu_gpu.cache_of("cpu", tmp_path) == before
    monkeypatch.setattr(cpu_gpu_rows, "PASSES", 1)
    fewer_passes = cpu_gpu.cache_of("cpu", tmp_path)
    wider = {"vgg16": ("Wider", lambda: nn.Linear(9, 9))}
    monkeypatch.setattr(cpu_gpu_rows, "NETWORKS", wider)
    assert len({before, fewer_passes, cpu_gpu.cache_of("cpu", tmp_path)}) == 3


def test_a_busy_machine_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(cpu_gpu, "other_load", lambda: 80.0)
    monkeypatch.setattr(cpu_gpu, "record_cpu", lambda: pytest.fail("it measures"))
    monkeypatch.setattr("sys.argv", ["cpu_gpu"])
    assert cpu_gpu.main() == 1
    assert "80 % of the cores busy" in capsys.readouterr().out


def test_both_timers_time_the_same_callable(monkeypatch):
    monkeypatch.setattr(cpu_gpu_parts, "AGREEMENT_ROUNDS", 1)
    monkeypatch.setattr(cpu_gpu_parts, "AGREEMENT_SECONDS", 0.01)
    small = cpu_gpu_parts.sweep_runner("lenet5", 1, 1)
    monkeypatch.setattr(cpu_gpu_parts, "sweep_runner", lambda *_, **__: small)
    found = cpu_gpu_parts.timer_agreement()
    assert found["ratio"] == pytest.approx(found["kit_ms"] / found["torch_benchmark_ms"])
    assert found["difference_percent"] == pytest.approx(100 * abs(found["ratio"] - 1))


def test_a_test_cannot_write_among_the_results():
    with pytest.raises(RuntimeError, match="a test must not write"):
        save_result("cpu_gpu", {"cpu": {}}, "python3 x")


def test_rows_that_are_stored_are_not_measured_again(small, tmp_path, monkeypatch):
    first = cpu_gpu.cpu_rows("resnet18", tmp_path)
    monkeypatch.setattr(cpu_gpu_rows, "build", lambda network: pytest.fail("built again"))
    assert cpu_gpu.cpu_rows("resnet18", tmp_path) == first


def test_a_row_that_takes_too_long_is_left_out_with_its_reason(small, tmp_path, monkeypatch):
    monkeypatch.setattr(cpu_gpu_rows, "LIMIT_MS", 0.0)
    monkeypatch.setattr(cpu_gpu, "all_threads", lambda: 99)
    found, skipped, _ = cpu_gpu.cpu_rows("resnet18", tmp_path)
    assert found == []
    assert {entry["batch"] for entry in skipped} == {1, 16}
    assert all("over 3 s" in entry["reason"] for entry in skipped)


def test_an_accelerator_is_added_and_the_cpus_part_stays(small, tmp_path, monkeypatch):
    save_result("cpu_gpu", {"cpu": {"rows": [7]}, "devices": DEVICES}, "python3 x", tmp_path)
    before = json.loads((tmp_path / "cpu_gpu.json").read_text())
    monkeypatch.setattr(cpu_gpu.edu, "pick_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(cpu_gpu, "measure_accelerator", fake_accelerator)
    assert cpu_gpu.record_accelerator(tmp_path, tmp_path / "cache") == "A new GPU"
    after = json.loads((tmp_path / "cpu_gpu.json").read_text())
    assert after["devices"] == DEVICES | {"A new GPU": {"name": "A new GPU", "rows": []}}
    assert {key: after[key] for key in before if key != "devices"} == {
        key: before[key] for key in before if key != "devices"
    }


def fake_accelerator(device, folder):
    folder.mkdir(parents=True)
    return {"name": "A new GPU", "rows": []}


def test_an_accelerators_part_says_where_and_when(small, tmp_path, monkeypatch):
    monkeypatch.setattr(cpu_gpu, "device_name", lambda device: f"fake {device}")
    monkeypatch.setattr(cpu_gpu.parts, "ACCELERATOR_BATCHES", (1,))
    monkeypatch.setattr(cpu_gpu.parts, "transfers", lambda device: [])
    part = cpu_gpu.measure_accelerator("cpu", tmp_path)
    assert part["name"] == "fake cpu"
    assert {"machine", "versions", "date", "command"} <= part.keys()
    assert {row["form"] for row in part["rows"]} == {
        *("eager", "channels_last", "bf16 channels_last")
    }


def test_without_an_accelerator_nothing_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(cpu_gpu.edu, "pick_device", lambda: torch.device("cpu"))
    assert cpu_gpu.record_accelerator(tmp_path, tmp_path / "cache") is None
    assert list(tmp_path.iterdir()) == []
