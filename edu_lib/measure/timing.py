"""The clock of the kit: warm-up, rounds of interleaved blocks, medians and their intervals.

Times are skewed: one interruption lasts a hundred times longer than a call. So medians are
compared, and an interval comes from drawing the measured blocks again (Efron 1979, "Bootstrap
Methods: Another Look at the Jackknife"). Taught in chapter 05.
"""

import contextlib
import gc
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edu_lib.measure.runner import Runner, restored_threads

WARMUP_CALLS = 10
WARMUP_AGREEMENT = 0.02
EVENT_CALLS = 20
RESAMPLES = 2_000
CALM_WINDOW_SECONDS = 0.02
CALM_SHARE = 0.1
CALM_WINDOWS = 50


def time_call(runner: Runner) -> float:
    """Milliseconds of one call, from an idle device to a finished result."""
    runner.synchronize()
    start = time.perf_counter_ns()
    runner.call()
    runner.synchronize()
    return (time.perf_counter_ns() - start) / 1e6


def warm_up(
    runner: Runner, max_calls: int = 1_000, max_seconds: float = 5.0
) -> tuple[bool, int, float]:
    """Calls until two successive 10-call medians agree within 2 %.

    Returns (settled, calls made, last median in ms); settled is False if a cap came first.
    """
    deadline = time.perf_counter_ns() + max_seconds * 1e9
    before, calls = math.inf, 0
    while True:
        median = statistics.median(time_call(runner) for _ in range(WARMUP_CALLS))
        calls += WARMUP_CALLS
        if abs(median - before) <= WARMUP_AGREEMENT * median:
            return True, calls, median
        if calls >= max_calls or time.perf_counter_ns() >= deadline:
            return False, calls, median
        before = median


def time_block(runner: Runner, calls: int) -> list[float]:
    """Milliseconds of each of `calls` calls in a row.

    An untimed call goes first, so that the caches hold this network again after another one ran.
    A block of one call is too long for that to matter, and has none.
    """
    use_threads(runner)
    if calls > 1:
        runner.call()
    return [time_call(runner) for _ in range(calls)]


def timed_rounds(
    runners: Sequence[Runner], calls: Sequence[int], blocks: int
) -> list[list[list[float]]]:
    """times[runner][block] = milliseconds of each call, in blocks A, B, A, B, ...

    Each runner always follows the same other one, so none finds warmer caches than its rival; and
    after another one with several threads it waits until those are calm.
    """
    times = [[] for _ in runners]
    last = None
    for _ in range(blocks):
        for i, runner in enumerate(runners):
            if last is not None and last is not runner and last.threads > 1:
                wait_until_calm()
            times[i].append(time_block(runner, calls[i]))
            last = runner
    return times


def wait_until_calm() -> bool:
    """Waits until this process leaves the cores alone; False if it still works after a second.

    The threads that share a call wait for the next one by spinning: two of ONNX Runtime's take tens
    of milliseconds of CPU after the call has returned, two of PyTorch's a few. Whoever is timed
    then is timed beside them, and the A/A control cannot see it, since all blocks of a runner have
    the same neighbour. Calm is at most a tenth of one core over 20 ms.
    Spinning is not switched off (ONNX Runtime's `session.intra_op.allow_spinning`): sessions of a
    user do spin, and from call to call it is a part of their speed.
    """
    for _ in range(CALM_WINDOWS):
        before = time.process_time()
        time.sleep(CALM_WINDOW_SECONDS)
        if time.process_time() - before <= CALM_SHARE * CALM_WINDOW_SECONDS:
            return True
    return False


def calls_per_block(call_ms: float, block_ms: float) -> int:
    """How many calls of `call_ms` fill a block of `block_ms`; at least one.

    A call below a microsecond counts as one: no clock is finer than that everywhere.
    """
    return max(1, math.ceil(block_ms / max(call_ms, 1e-3)))


def device_time(runner: Runner) -> float | None:
    """Median milliseconds of a call between two events of the device; None if it has no events."""
    events = runner.events()
    if events is None:
        return None
    start, end = events
    times = []
    for _ in range(EVENT_CALLS):
        start.record()
        runner.call()
        end.record()
        runner.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def use_threads(runner: Runner) -> None:
    """Sets PyTorch's threads to the runner's, where they differ."""
    if torch.get_num_threads() != runner.threads:
        torch.set_num_threads(runner.threads)


@contextlib.contextmanager
def quiet_machine() -> Iterator[None]:
    """Inference mode, no garbage collection, and the number of threads restored at the end."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        with torch.inference_mode(), restored_threads():
            yield
    finally:
        if collecting:
            gc.enable()


def percentile(values: list[float], q: float) -> float:
    """The value below which q percent of `values` lie (linear interpolation). 0 <= q <= 100."""
    return float(np.percentile(values, q))


def interquartile_range(values: list[float]) -> float:
    """Width of the middle half of `values`."""
    return percentile(values, 75) - percentile(values, 25)


def median_interval(
    values: list[float], confidence: float = 95.0, seed: int = 0
) -> tuple[float, float, float]:
    """(median, low, high): the median of `values` and its bootstrap interval.

    confidence: in percent. Raises ValueError for no values or a confidence outside (0, 100).
    """
    if len(values) == 0:
        raise ValueError("an interval needs at least one value; run at least one block")
    if not 0 < confidence < 100:
        raise ValueError(f"confidence is a percentage between 0 and 100, got {confidence}")
    values = np.asarray(values, dtype=float)
    # draw n of the n values with replacement, take the median, RESAMPLES times
    draws = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    medians = np.median(values[draws], axis=1)
    tail = (100 - confidence) / 2
    low, high = np.percentile(medians, [tail, 100 - tail])
    return float(np.median(values)), float(low), float(high)


def ratio_interval(
    a: list[float], b: list[float], confidence: float = 95.0, seed: int = 0
) -> tuple[float, float, float]:
    """(ratio, low, high) of a over b, from block medians timed in pairs: a[i] right beside b[i].

    The ratio is taken within each pair, where a slow drift of the machine hits both alike, and the
    median is taken over the pairs. Raises ValueError if the two lists differ in length.
    """
    if len(a) != len(b):
        raise ValueError(f"blocks come in pairs, got {len(a)} and {len(b)}")
    # ratio = median_i(a_i / b_i)
    ratios = np.asarray(a, dtype=float) / np.asarray(b, dtype=float)
    return median_interval(ratios, confidence, seed)


@dataclass
class TransferTime:
    """Median milliseconds to copy `bytes` bytes to the device and back to the host."""

    device: str
    bytes: int
    to_device_ms: float
    to_host_ms: float

    def __repr__(self) -> str:
        return (
            f"{self.bytes:,} bytes: {self.to_device_ms:.3g} ms to {self.device}, "
            f"{self.to_host_ms:.3g} ms back"
        )


def measure_transfer(X: Tensor, device: torch.device | str, repeats: int = 30) -> TransferTime:
    """Times the copy of X (any shape, on the CPU) to an accelerator and back.

    Raises ValueError for the CPU, where nothing is copied.
    """
    device = torch.device(device)
    if device.type == "cpu":
        raise ValueError("the CPU has no transfer to time; give an accelerator such as 'cuda'")
    to_device, to_host = [], []
    for _ in range(repeats + 1):
        torch.accelerator.synchronize(device)
        start = time.perf_counter_ns()
        there = X.to(device)
        torch.accelerator.synchronize(device)
        middle = time.perf_counter_ns()
        there.cpu()
        torch.accelerator.synchronize(device)
        to_device.append((middle - start) / 1e6)
        to_host.append((time.perf_counter_ns() - middle) / 1e6)
    # the first copy also allocates, and is left out
    return TransferTime(
        device=str(device),
        bytes=X.numel() * X.element_size(),
        to_device_ms=percentile(to_device[1:], 50),
        to_host_ms=percentile(to_host[1:], 50),
    )
