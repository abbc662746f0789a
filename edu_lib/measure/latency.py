"""How long a network takes, timed by the kit's protocol. Taught in chapter 05.

perf_counter_ns, inference mode, fixed weights and input; warm-up until two 10-call medians agree
within 2 %; interleaved blocks, at least 30; an A/A control within 0.97 to 1.03, or the row is void.
Times are milliseconds. A Runner says what is timed (edu_lib.measure.runner).
"""

from collections.abc import Sequence

from edu_lib.measure.comparison import LatencyComparison
from edu_lib.measure.machine import describe_machine, device_name, versions
from edu_lib.measure.measurement import Measurement
from edu_lib.measure.results import now
from edu_lib.measure.runner import Runner, onnxruntime_runner, pytorch_runner
from edu_lib.measure.statistics import (
    interquartile_range,
    median_interval,
    percentile,
    ratio_interval,
)
from edu_lib.measure.timing import (
    calls_per_block,
    device_time,
    quiet_machine,
    timed_rounds,
    use_threads,
    warm_up,
)
from edu_lib.measure.transfer import TransferTime, measure_transfer

__all__ = [
    "LatencyComparison",
    "Measurement",
    "Runner",
    "TransferTime",
    "compare_latency",
    "fastest",
    "measure_latency",
    "measure_transfer",
    "onnxruntime_runner",
    "pytorch_runner",
]

MIN_BLOCKS = 30
BLOCKS = 40
BLOCK_MS = 20.0


def measure_latency(
    runner: Runner, blocks: int = BLOCKS, block_ms: float = BLOCK_MS
) -> Measurement:
    """Times one runner: at least 30 blocks of at least `block_ms` milliseconds, at least one call.

    Raises ValueError for fewer than 30 blocks.
    """
    return _measure([runner], blocks, block_ms)[0]


def fastest(
    runners: Sequence[Runner], blocks: int = BLOCKS, block_ms: float = BLOCK_MS
) -> Measurement:
    """Times all runners in turns and returns the Measurement of the fastest.

    The honest baseline is the fastest FP32 form found: eager, channels_last, ONNX Runtime.
    Raises ValueError for no runner, fewer than 30 blocks, or batches that differ.
    """
    if not runners:
        raise ValueError("give at least one runner to find the fastest of")
    return min(_measure(runners, blocks, block_ms), key=lambda measured: measured.p50_ms)


def compare_latency(
    reference: Runner,
    candidate: Runner,
    blocks: int = BLOCKS,
    block_ms: float = BLOCK_MS,
    seed: int = 0,
) -> LatencyComparison:
    """How many times faster `candidate` is than `reference`, timed in turns.

    Blocks run A, B, A, B, ... The A/A control compares every second block of a runner with the
    blocks between; the worse of the two runners' controls decides. seed: of the bootstrap.
    Raises ValueError for fewer than 30 blocks, or if the batches differ.
    """
    a, b = _measure([reference, candidate], blocks, block_ms)
    # speedup = time of the reference / time of the candidate
    ratio, low, high = ratio_interval(a.block_medians_ms, b.block_medians_ms, seed=seed)
    return LatencyComparison(
        reference=a,
        candidate=b,
        ratio=ratio,
        interval=(low, high),
        control_ratio=max(a.control_ratio, b.control_ratio, key=lambda ratio: abs(ratio - 1)),
    )


def _measure(runners: Sequence[Runner], blocks: int, block_ms: float) -> list[Measurement]:
    if blocks < MIN_BLOCKS:
        raise ValueError(f"the protocol asks for at least {MIN_BLOCKS} blocks, got {blocks}")
    batches = sorted({runner.batch for runner in runners})
    if len(batches) > 1:
        raise ValueError(f"batches must be equal to compare runners, got {batches}")
    with quiet_machine():
        warm = []
        for runner in runners:
            use_threads(runner)
            warm.append(warm_up(runner))
        calls = [calls_per_block(median, block_ms) for _, _, median in warm]
        times = timed_rounds(runners, calls, blocks)
        device_ms = [device_time(runner) for runner in runners]
    return [_summary(*each) for each in zip(runners, warm, times, device_ms, strict=True)]


def _summary(
    runner: Runner, warm: tuple, times: list[list[float]], device_ms: float | None
) -> Measurement:
    settled, warmup_calls, _ = warm
    calls = [call for block in times for call in block]
    medians = [percentile(block, 50) for block in times]
    # the median of block medians: an interruption spoils one block, not the result
    p50, low, high = median_interval(medians)
    even, odd = medians[0::2], medians[1::2]
    pairs = min(len(even), len(odd))
    return Measurement(
        p50_ms=p50,
        p90_ms=percentile(calls, 90),
        p99_ms=percentile(calls, 99),
        iqr_ms=interquartile_range(calls),
        # frames per second = images in a call / seconds of a call
        fps=runner.batch / (p50 / 1e3),
        threads=runner.threads,
        batch=runner.batch,
        device=device_name(runner.device),
        isa=describe_machine()["isa"],
        backend=runner.backend,
        versions=versions(),
        date=now(),
        name=runner.name,
        p50_interval_ms=(low, high),
        control_ratio=ratio_interval(even[:pairs], odd[:pairs])[0],
        settled=settled,
        warmup_calls=warmup_calls,
        blocks=len(times),
        calls=len(calls),
        device_ms=device_ms,
        block_medians_ms=medians,
    )
