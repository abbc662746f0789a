"""The roofline, and each layer under it: how fast it could run, and how long it takes.

Source: Williams, Waterman, Patterson 2009, "Roofline: An Insightful Visual Performance Model",
section 3. Taught in chapter 05.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edu_lib.copies import copied
from edu_lib.cost import LayerCost, align, count_cost
from edu_lib.measure.runner import resolve_threads, restored_threads

MATRIX_SIZE = 1024
COPY_BYTES = 2**28
CHANNELS, PIXELS = 256, 56  # a layer of VGG-16: much arithmetic for each byte
REPEATS = 10


@dataclass
class Roofline:
    """What a machine reached: the flat roof in GFLOP/s and the slanted one in GB/s."""

    peak_gflops: float
    bandwidth_gb_per_second: float
    threads: int

    @property
    def ridge(self) -> float:
        """FLOPs for each byte above which arithmetic is the limit, below which memory is."""
        return self.peak_gflops / self.bandwidth_gb_per_second

    def limit(self, layer: LayerCost) -> str:
        """What holds the layer back: "compute" or "memory"."""
        compute_ms, memory_ms = self._milliseconds(layer)
        return "compute" if compute_ms >= memory_ms else "memory"

    def predict_ms(self, layer: LayerCost) -> float:
        """The least milliseconds that the layer can take on this machine."""
        # time >= max(FLOP / peak, bytes / bandwidth)
        return max(self._milliseconds(layer))

    def _milliseconds(self, layer: LayerCost) -> tuple[float, float]:
        # one MAC is two FLOPs; 1 GFLOP/s is 1e6 FLOPs a millisecond, 1 GB/s is 1e6 bytes
        compute_ms = 2 * layer.macs / (self.peak_gflops * 1e6)
        return compute_ms, layer.bytes_moved / (self.bandwidth_gb_per_second * 1e6)


def measure_roofline(
    threads: int | None = 1, matrix_size: int = MATRIX_SIZE, copy_bytes: int = COPY_BYTES
) -> Roofline:
    """Measures both roofs of this CPU: float32 arithmetic, and a large copy.

    The flat roof is the faster of a matrix product and a convolution, which different people wrote:
    a roof that a layer goes through is none. threads: CPU threads, None for all. copy_bytes: what
    one copy reads and writes together, far larger than the caches. Raises ValueError below 1
    thread.
    """
    threads = resolve_threads(threads)
    with restored_threads(), torch.inference_mode():
        torch.set_num_threads(threads)
        return Roofline(
            peak_gflops=max(_product_gflops(matrix_size), _convolution_gflops()),
            bandwidth_gb_per_second=_copy_gb_per_second(copy_bytes),
            threads=threads,
        )


def _product_gflops(size: int) -> float:
    A, B = torch.ones(size, size), torch.ones(size, size)
    # a product of two n x n matrices is 2 n^3 FLOPs
    return 2 * size**3 / _median_seconds(lambda: torch.mm(A, B)) / 1e9


def _convolution_gflops() -> float:
    """GFLOP/s of a 3x3 convolution of 256 channels, in channels_last."""
    X = torch.ones(1, CHANNELS, PIXELS, PIXELS).contiguous(memory_format=torch.channels_last)
    weight = torch.ones(CHANNELS, CHANNELS, 3, 3).contiguous(memory_format=torch.channels_last)
    seconds = _median_seconds(lambda: F.conv2d(X, weight, padding=1))
    # FLOPs = 2 * H * W * C_out * C_in * 9
    return 2 * PIXELS**2 * CHANNELS**2 * 9 / seconds / 1e9


def _copy_gb_per_second(copy_bytes: int) -> float:
    source, target = torch.ones(2, copy_bytes // 8)  # float32
    # a copy reads every byte once and writes it once
    return 2 * source.numel() * 4 / _median_seconds(lambda: target.copy_(source)) / 1e9


def _median_seconds(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter_ns()
        work()
        times.append((time.perf_counter_ns() - start) / 1e9)
    return statistics.median(times)


@dataclass
class LayerTime:
    """One layer: what it costs (for the whole batch), and the median milliseconds it took."""

    cost: LayerCost
    ms: float

    @property
    def intensity(self) -> float:
        """FLOPs for each byte that the layer moves."""
        return 2 * self.cost.macs / max(self.cost.bytes_moved, 1)

    @property
    def gflops(self) -> float:
        """Speed reached, in GFLOP/s."""
        # one MAC is two FLOPs; 1 GFLOP/s is 1e6 FLOPs a millisecond
        return 2 * self.cost.macs / (self.ms * 1e6)


def time_layers(
    model: nn.Module,
    X: Tensor,
    device: torch.device | str | None = None,
    channels_last: bool = False,
    threads: int | None = 1,
    repeats: int = 10,
) -> list[LayerTime]:
    """Median milliseconds of every layer over `repeats` forwards of X [N, C, H, W], after one more.

    The argument model is not touched. On an accelerator each layer is waited for, so layers cannot
    overlap, and their sum is more than the network takes. A layer that runs several times in one
    forward counts their sum. threads: CPU threads, None for all.
    Raises ValueError if repeats is below 1 or the network does not take X.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be 1 or more, got {repeats}")
    threads = resolve_threads(threads)
    cost = count_cost(model, tuple(X.shape))
    device = torch.device(device or "cpu")
    model, X = _on_the_same_weights(model).eval().to(device), X.detach().to(device)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        X = X.contiguous(memory_format=torch.channels_last)
    stopwatch = _Stopwatch(model, [layer.name for layer in cost.layers], device)
    with torch.inference_mode(), restored_threads():
        torch.set_num_threads(threads)
        forwards = [stopwatch.forward(X) for _ in range(repeats + 1)][1:]
    return [
        LayerTime(layer, statistics.median(times[layer.name] for times in forwards))
        for layer in cost.layers
        if layer.output_shape is not None
    ]


def _on_the_same_weights(model: nn.Module) -> nn.Module:
    """A copy whose parameters lie where those of `model` lie, until it converts or moves them."""
    same = {id(each): nn.Parameter(each.detach(), False) for each in model.parameters()}
    return copied(model, same)


class _Stopwatch:
    """Hooks before and after each named layer of a model."""

    def __init__(self, model: nn.Module, names: list[str], device: torch.device):
        self.model, self.device = model, device
        self.times: dict[str, float] = {}
        for name in names:
            layer = model if name == "(model)" else model.get_submodule(name)
            layer.register_forward_pre_hook(lambda *_, name=name: self._start(name))
            layer.register_forward_hook(lambda *_, name=name: self._stop(name))

    def forward(self, X: Tensor) -> dict[str, float]:
        """Milliseconds of each layer in one forward."""
        self.times = {}
        self.model(X)
        return self.times

    def _start(self, name: str) -> None:
        self.times[name] = self.times.get(name, 0.0) - self._now_ms()

    def _stop(self, name: str) -> None:
        self.times[name] += self._now_ms()

    def _now_ms(self) -> float:
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)
        return time.perf_counter_ns() / 1e6


def layer_table(layers: list[LayerTime], roofline: Roofline, smallest_ms: float = 0.0) -> str:
    """One row a layer that computes: what limits it, the least time by the roofline, the measured.

    smallest_ms: layers that took less are left out.
    """
    rows = [("layer", "limit", "FLOP/byte", "predicted ms", "measured ms", "measured/predicted")]
    for layer in layers:
        if layer.cost.macs == 0 or layer.ms < smallest_ms:
            continue
        predicted = roofline.predict_ms(layer.cost)
        rows.append(
            (
                layer.cost.name,
                roofline.limit(layer.cost),
                f"{layer.intensity:.1f}",
                f"{predicted:.2f}",
                f"{layer.ms:.2f}",
                f"{layer.ms / predicted:.2f}",
            )
        )
    return align(rows, left=2)
