"""Layers, forms, roofs, a simulated device, and a load that really runs and really ends."""

import subprocess
import sys
import time

import psutil
import pytest
import torch
from torch import nn

from edu_lib.deploy import export_onnx
from edu_lib.measure import background, layer_time, peak
from edu_lib.measure.background import BURN, BackgroundLoad
from edu_lib.measure.forms import exact_float32, standard_forms
from edu_lib.measure.layer_time import layer_table, time_layers
from edu_lib.measure.roofline import Roofline
from edu_lib.measure.simulated import SimulatedDevice


def small_network():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    return nn.Sequential(body, nn.Flatten(), nn.Linear(8 * 36, 4))


def fail_inside(block):
    with block:
        raise RuntimeError


class Clock:
    """A clock that a layer turns forward by a known time."""

    def __init__(self):
        self.ns = 0

    def perf_counter_ns(self):
        return self.ns


class Slow(nn.Module):
    def __init__(self, clock, ms):
        super().__init__()
        self.clock, self.ms = clock, ms

    def __deepcopy__(self, memo):
        return self  # the copy that runs must turn the same clock

    def forward(self, X):
        self.clock.ns += int(self.ms * 1e6)
        return X


def test_each_layer_gets_its_own_time_and_not_its_neighbours(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(layer_time, "time", clock)
    model = nn.Sequential(Slow(clock, 3), nn.Sequential(Slow(clock, 5)), nn.Identity())
    layers = time_layers(model, torch.zeros(1, 2), repeats=3)
    assert [(layer.cost.name, layer.ms) for layer in layers] == [("0", 3), ("1.0", 5), ("2", 0)]


def test_a_layer_that_runs_twice_in_a_forward_counts_both(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(layer_time, "time", clock)
    shared = Slow(clock, 2)

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared = shared

        def forward(self, X):
            return self.shared(self.shared(X))

    assert [layer.ms for layer in time_layers(Twice(), torch.zeros(1), repeats=2)] == [4]


def test_layers_are_waited_for_on_an_accelerator(monkeypatch):
    log = []
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda device: log.append(str(device)))
    stopwatch = layer_time._Stopwatch(small_network(), ["2"], torch.device("cuda"))
    times = stopwatch.forward(torch.zeros(1, 3, 8, 8))
    assert log == ["cuda", "cuda"]
    assert list(times) == ["2"]


def test_layers_carry_their_cost_and_the_model_stays_as_it_is():
    model, threads = small_network(), torch.get_num_threads()
    X = torch.randn(2, 3, 8, 8)
    layers = time_layers(model, X, channels_last=True, threads=threads + 1, repeats=2)
    assert [layer.cost.name for layer in layers] == ["0.0", "0.1", "1", "2"]
    assert layers[0].cost.macs == 2 * 36 * 8 * 27
    assert all(layer.ms > 0 for layer in layers)
    assert layers[0].gflops == pytest.approx(2 * layers[0].cost.macs / (layers[0].ms * 1e6))
    assert torch.get_num_threads() == threads
    assert model.training
    assert not any(part._forward_hooks for part in model.modules())
    roofline = Roofline(peak_gflops=100, bandwidth_gb_per_second=20, threads=1)
    names = [line.split()[0] for line in layer_table(layers, roofline).splitlines()[2:]]
    assert names == ["0.0", "2"]  # a ReLU has no MACs
    assert len(layer_table(layers, roofline, smallest_ms=1e9).splitlines()) == 2
    with pytest.raises(ValueError, match="repeats must be 1"):
        time_layers(model, X, repeats=0)


def test_the_standard_forms_agree_and_bf16_nearly(tmp_path):
    model, X = small_network().eval(), torch.rand(2, 3, 8, 8)
    forms = standard_forms(model, X, onnx_file=export_onnx(model, X, tmp_path / "net.onnx"))
    assert list(forms) == ["eager", "channels_last", "bf16 channels_last", "ONNX Runtime"]
    with torch.inference_mode():
        expected = model(X)
        results = {form: runner.call() for form, runner in forms.items()}
    torch.testing.assert_close(results["channels_last"], expected)
    torch.testing.assert_close(torch.tensor(results["ONNX Runtime"][0]), expected)
    assert results["bf16 channels_last"].dtype == torch.bfloat16
    torch.testing.assert_close(
        results["bf16 channels_last"].float(), expected, rtol=0.05, atol=0.05
    )
    assert model[2].weight.dtype == torch.float32
    assert forms["bf16 channels_last"].backend == "PyTorch bf16 channels_last"
    assert "ONNX Runtime" not in standard_forms(model, X)


def test_float32_is_exact_inside_the_block_alone():
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32
    cudnn.allow_tf32 = True
    with exact_float32():
        assert not cudnn.allow_tf32
    assert cudnn.allow_tf32
    with pytest.raises(RuntimeError):
        fail_inside(exact_float32())
    assert cudnn.allow_tf32
    cudnn.allow_tf32 = before


@pytest.mark.parametrize(
    ("product", "convolution", "peak_gflops"), [(90, 110, 110), (120, 80, 120)]
)
def test_the_flat_roof_is_the_higher_of_two(monkeypatch, product, convolution, peak_gflops):
    measured = Roofline(product, 20.0, 1)
    monkeypatch.setattr(peak, "measure_roofline", lambda threads: measured)
    monkeypatch.setattr(peak, "_convolution_gflops", lambda threads: convolution)
    assert peak.measure_best_roofline(1) == Roofline(peak_gflops, 20.0, 1)


def test_the_convolution_probe_counts_its_flops(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(peak, "time", clock)
    flops = 2 * 56**2 * 256**2 * 9

    def convolution(X, weight, padding):
        assert (X.shape, weight.shape, padding) == ((1, 256, 56, 56), (256, 256, 3, 3), 1)
        clock.ns += 10_000_000

    monkeypatch.setattr(peak.F, "conv2d", convolution)
    assert peak._convolution_gflops(1) == pytest.approx(flops / 1e7)


def test_a_simulated_device_answers_before_it_has_worked():
    device = SimulatedDevice(kernel_ms=5, launch_ms=0.01, first_ms=200)
    device.launch()
    assert device.now_ms == pytest.approx(0.01)
    device.synchronize()
    assert device.now_ms == pytest.approx(205.01)
    for _ in range(3):
        device.launch()
    assert device.now_ms == pytest.approx(205.04)
    device.synchronize()
    assert device.now_ms == pytest.approx(205.02 + 3 * 5)
    device.synchronize()
    assert device.now_ms == pytest.approx(205.02 + 3 * 5)
    with pytest.raises(ValueError, match="negative time"):
        SimulatedDevice(kernel_ms=-1)


@pytest.mark.parametrize("kind", ["compute", "memory"])
def test_a_load_works_inside_the_block_and_is_gone_after_it(kind):
    with BackgroundLoad(kind, processes=1) as load:
        process = psutil.Process(load._running[0].pid)
        before = sum(process.cpu_times()[:2])
        deadline = time.monotonic() + 20
        while sum(process.cpu_times()[:2]) <= before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert sum(process.cpu_times()[:2]) > before
        assert repr(load) == f"1 process of {kind}"
    assert not process.is_running()


def test_a_load_ends_when_its_block_fails_or_nothing_is_asked():
    before = {child.pid for child in psutil.Process().children()}
    with pytest.raises(RuntimeError):
        fail_inside(BackgroundLoad("compute", 1))
    assert {child.pid for child in psutil.Process().children()} <= before
    with BackgroundLoad("memory", processes=0) as load:
        assert load._running == []
        assert repr(load) == "no load"


def test_a_load_dies_with_a_parent_that_is_killed():
    # its input is closed when the parent is gone, however that went
    process = subprocess.Popen(
        [sys.executable, "-I", str(BURN), "compute"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline().strip() == b"ready"
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    process.stdout.close()


def test_a_load_that_cannot_start_says_so_and_leaves_nothing(monkeypatch, tmp_path):
    (tmp_path / "burn.py").write_text("import sys; sys.exit(1)")
    monkeypatch.setattr(background, "BURN", tmp_path / "burn.py")
    load = BackgroundLoad("compute", processes=2)
    with pytest.raises(RuntimeError, match="did not start"), load:
        pass
    assert load._running == []
    with pytest.raises(ValueError, match="a load is one of"):
        BackgroundLoad("network")
    with pytest.raises(ValueError, match="0 or more"):
        BackgroundLoad("compute", -1)
