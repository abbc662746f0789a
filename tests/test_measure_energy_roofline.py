"""Joules come from a counter or are not stated; the roofline follows its two formulas."""

import sys
import types

import pytest
import torch

from edu_lib.cost import LayerCost
from edu_lib.measure.energy import EnergyMeter
from edu_lib.measure.roofline import Roofline, measure_roofline
from edu_lib.measure.runner import Runner
from studies import bench


def zone(folder, name, kind, microjoules, largest=1_000_000_000):
    path = folder / name
    path.mkdir(parents=True)
    (path / "name").write_text(kind + "\n", encoding="ascii")
    (path / "energy_uj").write_text(f"{microjoules}\n", encoding="ascii")
    (path / "max_energy_range_uj").write_text(f"{largest}\n", encoding="ascii")
    return path / "energy_uj"


def test_rapl_adds_up_packages_without_their_parts(tmp_path):
    first = zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 5_000_000)
    core = zone(tmp_path, "intel-rapl:0:0", "core", 0)
    platform = zone(tmp_path, "intel-rapl:2", "psys", 0)
    with EnergyMeter(powercap=tmp_path) as meter:
        first.write_text("3000000", encoding="ascii")
        second.write_text("5500000", encoding="ascii")
        core.write_text("900000", encoding="ascii")
        platform.write_text("9000000", encoding="ascii")
    assert meter.joules == pytest.approx(2.5)
    assert str(meter) == "2.5 J (RAPL)"


def test_a_counter_that_starts_over_is_corrected(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000, largest=10_000_000)
    with EnergyMeter(powercap=tmp_path) as meter:
        counter.write_text("500000", encoding="ascii")
    assert meter.joules == pytest.approx(1.5)


def test_without_a_counter_the_words_are_not_measured(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as if it were not installed
    for arguments in ({"powercap": tmp_path / "none"}, {"powercap": tmp_path}, {"device": "cuda"}):
        with EnergyMeter(**arguments) as meter:
            pass
        assert meter.joules is None
        assert str(meter) == "not measured"


def test_a_counter_that_becomes_unreadable_is_not_measured(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 1)
    with EnergyMeter(powercap=tmp_path) as meter:
        counter.unlink()
    assert str(meter) == "not measured"


def test_nvml_is_read_after_the_device_has_finished(monkeypatch):
    log, millijoules = [], iter([0, 1_000, 4_500])

    def total_energy(handle):
        log.append("read")
        return next(millijoules)

    nvml = types.SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=total_energy,
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda device: log.append("synchronize"))
    with EnergyMeter("cuda:0") as meter:
        log.append("run")
    assert meter.joules == pytest.approx(3.5)
    assert log[1:] == ["synchronize", "read", "run", "synchronize", "read"]


def test_nvml_is_asked_for_the_device_that_pytorch_means(monkeypatch):
    # with CUDA_VISIBLE_DEVICES=3 PyTorch's cuda:0 is NVML's number 3
    uuids = {"GPU-of-number-0": 0.0, "GPU-of-number-3": 3000.0}
    nvml = types.SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: [*uuids][index],
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=uuids.__getitem__,
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    device = types.SimpleNamespace(uuid="of-number-3")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: [device][index])
    assert EnergyMeter("cuda:0")._counter.read() == [3.0]


def test_the_bench_prints_joules_of_a_frame_or_the_words(monkeypatch, tmp_path):
    calls, counter = [], zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)

    def call():
        calls.append(1)
        counter.write_text(str(1_000_000 + 500_000 * len(calls)), encoding="ascii")

    runner = Runner("net", call, batch=5)
    monkeypatch.setattr(bench, "ENERGY_SECONDS", 0.0)
    monkeypatch.setattr(bench, "EnergyMeter", lambda device: EnergyMeter(device, tmp_path))
    assert bench.joules_per_frame(runner) == pytest.approx(0.5 / 5)
    assert len(calls) >= 2  # one to see whether there is a counter
    monkeypatch.setattr(bench, "EnergyMeter", lambda device: EnergyMeter(device, tmp_path / "no"))
    assert bench.joules_per_frame(runner) == "not measured"


def layer(macs, moved):
    return LayerCost("layer", "Conv2d", (1, 1), macs=macs, input_bytes=moved)


def test_the_roofline_predicts_by_the_slower_of_arithmetic_and_memory():
    roofline = Roofline(peak_gflops=100, bandwidth_gb_per_second=10, threads=1)
    assert roofline.ridge == 10
    # 1e8 FLOPs at 1e11 a second: 1 ms; 1e6 bytes at 1e10 a second: 0.1 ms
    heavy = layer(macs=50_000_000, moved=1_000_000)
    assert roofline.predict_ms(heavy) == pytest.approx(1.0)
    assert roofline.limit(heavy) == "compute"
    light = layer(macs=0, moved=20_000_000)
    assert roofline.predict_ms(light) == pytest.approx(2.0)
    assert roofline.limit(light) == "memory"


def test_both_roofs_are_measured_and_threads_restored():
    threads = torch.get_num_threads()
    roofline = measure_roofline(threads=1, matrix_size=128, copy_bytes=2**20)
    assert roofline.peak_gflops > 0
    assert roofline.bandwidth_gb_per_second > 0
    assert torch.get_num_threads() == threads
