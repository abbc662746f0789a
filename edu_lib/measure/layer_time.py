"""How long each layer of a network takes, beside what it costs. Taught in chapter 05."""

import copy
import statistics
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edu_lib.measure.cost import count_cost
from edu_lib.measure.layer_cost import LayerCost
from edu_lib.measure.roofline import Roofline
from edu_lib.measure.runner import resolve_threads, restored_threads
from edu_lib.measure.table import align


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
    model, X = copy.deepcopy(model).eval().to(device), X.detach().to(device)
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
