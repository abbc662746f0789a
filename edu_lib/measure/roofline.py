"""The roofline: how fast a layer could run if only arithmetic or only memory held it back.

Source: Williams, Waterman, Patterson 2009, "Roofline: An Insightful Visual Performance Model",
section 3. Taught in chapter 05.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from edu_lib.measure.cost import Cost
from edu_lib.measure.layer_cost import LayerCost
from edu_lib.measure.runner import resolve_threads, restored_threads
from edu_lib.measure.table import align

MATRIX_SIZE = 1024
COPY_BYTES = 2**28
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

    def table(self, cost: Cost) -> str:
        """One row a layer: FLOPs, bytes, intensity, the least milliseconds and what limits it."""
        rows = [("layer", "limit", "MFLOP", "MB", "FLOP/byte", "ms")]
        layers = [layer for layer in cost.layers if layer.output_shape is not None]
        for layer in layers:
            flops, moved = 2 * layer.macs, layer.bytes_moved
            rows.append(
                (
                    layer.name,
                    self.limit(layer),
                    f"{flops / 1e6:.3f}",
                    f"{moved / 1e6:.3f}",
                    f"{flops / max(moved, 1):.2f}",
                    f"{self.predict_ms(layer):.4f}",
                )
            )
        total_ms = sum(self.predict_ms(layer) for layer in layers)
        rows.append(("total", "", f"{2 * cost.macs / 1e6:.3f}", "", "", f"{total_ms:.4f}"))
        return align(rows, left=2)

    def _milliseconds(self, layer: LayerCost) -> tuple[float, float]:
        # one MAC is two FLOPs; 1 GFLOP/s is 1e6 FLOPs a millisecond, 1 GB/s is 1e6 bytes
        compute_ms = 2 * layer.macs / (self.peak_gflops * 1e6)
        return compute_ms, layer.bytes_moved / (self.bandwidth_gb_per_second * 1e6)


def measure_roofline(
    threads: int | None = 1, matrix_size: int = MATRIX_SIZE, copy_bytes: int = COPY_BYTES
) -> Roofline:
    """Measures both roofs of this CPU: a float32 matrix product, and a large copy.

    threads: CPU threads, None for all. copy_bytes: must be far larger than the caches.
    """
    threads = resolve_threads(threads)
    A, B = torch.ones(matrix_size, matrix_size), torch.ones(matrix_size, matrix_size)
    source = torch.ones(copy_bytes // 4)
    target = torch.empty_like(source)
    with restored_threads(), torch.inference_mode():
        torch.set_num_threads(threads)
        product_seconds = _median_seconds(lambda: torch.mm(A, B))
        copy_seconds = _median_seconds(lambda: target.copy_(source))
    return Roofline(
        # a product of two n x n matrices is 2 n^3 FLOPs
        peak_gflops=2 * matrix_size**3 / product_seconds / 1e9,
        # a copy reads every byte once and writes it once
        bandwidth_gb_per_second=2 * source.numel() * 4 / copy_seconds / 1e9,
        threads=threads,
    )


def _median_seconds(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter_ns()
        work()
        times.append((time.perf_counter_ns() - start) / 1e9)
    return statistics.median(times)
