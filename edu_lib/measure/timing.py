"""The clock of the kit: warm-up, then rounds of interleaved blocks. Taught in chapter 05."""

import contextlib
import gc
import math
import statistics
import time
from collections.abc import Iterator, Sequence

import torch

from edu_lib.measure.runner import Runner, restored_threads

WARMUP_CALLS = 10
WARMUP_AGREEMENT = 0.02
EVENT_CALLS = 20


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

    Each runner always follows the same other one, so none finds warmer caches than its rival.
    """
    times = [[] for _ in runners]
    for _ in range(blocks):
        for i, runner in enumerate(runners):
            times[i].append(time_block(runner, calls[i]))
    return times


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
