"""Each layer's time, the ways to run a network, and the flat roof."""

import pytest
import torch
from torch import nn

from edu_lib.deploy import export_onnx
from edu_lib.measure import (
    Roofline,
    layer_table,
    measure_roofline,
    roofline,
    standard_runners,
    time_layers,
)
from edu_lib.measure.runner import exact_float32


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
    monkeypatch.setattr(roofline, "time", clock)
    model = nn.Sequential(Slow(clock, 3), nn.Sequential(Slow(clock, 5)), nn.Identity())
    layers = time_layers(model, torch.zeros(1, 2), repeats=3)
    assert [(layer.cost.name, layer.ms) for layer in layers] == [("0", 3), ("1.0", 5), ("2", 0)]


def test_a_layer_that_runs_twice_in_a_forward_counts_both(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(roofline, "time", clock)
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
    stopwatch = roofline._Stopwatch(small_network(), ["2"], torch.device("cuda"))
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
    roof = Roofline(peak_gflops=100, bandwidth_gb_per_second=20, threads=1)
    names = [line.split()[0] for line in layer_table(layers, roof).splitlines()[2:]]
    assert names == ["0.0", "2"]  # a ReLU has no MACs
    assert len(layer_table(layers, roof, smallest_ms=1e9).splitlines()) == 2
    with pytest.raises(ValueError, match="repeats must be 1"):
        time_layers(model, X, repeats=0)


def test_the_standard_runners_agree_and_bf16_nearly(tmp_path):
    model, X = small_network().eval(), torch.rand(2, 3, 8, 8)
    forms = standard_runners(model, X, onnx_file=export_onnx(model, X, tmp_path / "net.onnx"))
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
    assert "ONNX Runtime" not in standard_runners(model, X)


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
    monkeypatch.setattr(roofline, "_product_gflops", lambda size: product)
    monkeypatch.setattr(roofline, "_convolution_gflops", lambda: convolution)
    monkeypatch.setattr(roofline, "_copy_gb_per_second", lambda size: 20.0)
    assert measure_roofline(1) == Roofline(peak_gflops, 20.0, 1)


def test_the_convolution_probe_counts_its_flops(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(roofline, "time", clock)
    flops = 2 * 56**2 * 256**2 * 9

    def convolution(X, weight, padding):
        assert (X.shape, weight.shape, padding) == ((1, 256, 56, 56), (256, 256, 3, 3), 1)
        clock.ns += 10_000_000

    monkeypatch.setattr(roofline.F, "conv2d", convolution)
    assert roofline._convolution_gflops() == pytest.approx(flops / 1e7)
