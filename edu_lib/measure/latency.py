"""How long a network takes, timed by the kit's protocol. Taught in chapter 05.

perf_counter_ns, inference mode, fixed weights and input; warm-up until two 10-call medians agree
within 2 %; interleaved blocks, at least 30; an A/A control within 0.97 to 1.03, or the row is void.
Times are milliseconds. A Runner says what is timed (edu_lib.measure.runner).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from edu_lib.measure.machine import describe_machine, device_name, versions
from edu_lib.measure.results import now
from edu_lib.measure.runner import Runner
from edu_lib.measure.timing import (
    calls_per_block,
    device_time,
    interquartile_range,
    median_interval,
    percentile,
    quiet_machine,
    ratio_interval,
    timed_rounds,
    use_threads,
    wait_until_calm,
    warm_up,
)

MIN_BLOCKS = 30
BLOCKS = 40
BLOCK_MS = 20.0
CONTROL_LIMITS = (0.97, 1.03)


@dataclass(repr=False)
class Measurement:
    """The latency of one call of one runner, and all that it depends on."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    iqr_ms: float
    fps: float
    threads: int
    batch: int
    device: str
    isa: list[str]
    backend: str
    versions: dict
    date: str
    name: str
    p50_interval_ms: tuple[float, float]  # 95 % bootstrap interval of the median
    control_ratio: float  # even blocks over odd blocks of the same runner
    settled: bool  # whether other threads were calm, and the warm-up settled within 2 %
    warmup_calls: int
    blocks: int
    calls: int
    device_ms: float | None = None  # between two events of the device, where it has them
    block_medians_ms: list[float] = field(default_factory=list)

    @property
    def void(self) -> bool:
        """True if the timer, comparing the runner with itself, was off by more than 3 %."""
        return not CONTROL_LIMITS[0] <= self.control_ratio <= CONTROL_LIMITS[1]

    def __repr__(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        setting = f"{self.backend}, {threads}, batch {self.batch}, {self.device}"
        if self.void:
            return (
                f"{self.name}: void, the A/A control is {self.control_ratio:.2f} and must lie "
                f"within 0.97 to 1.03; measure again on an idle machine ({setting})"
            )
        on_device = "" if self.device_ms is None else f", {self.device_ms:.3g} ms on the device"
        note = "" if self.settled else "; it did not settle"
        return (
            f"{self.name}: {self.p50_ms:.3g} ms (p90 {self.p90_ms:.3g}, p99 {self.p99_ms:.3g})"
            f"{on_device}, {self.fps:,.0f} frames per second ({setting}{note})"
        )


@dataclass(repr=False)
class LatencyComparison:
    """How many times faster the candidate is than the reference. Taught in chapter 05.

    ratio: time of the reference over time of the candidate, above 1 if the candidate is faster.
    interval: its 95 % bootstrap interval. control_ratio: the worse of the two runners
    compared with themselves.
    """

    reference: Measurement
    candidate: Measurement
    ratio: float
    interval: tuple[float, float]
    control_ratio: float

    @property
    def void(self) -> bool:
        """True if the A/A control lies outside 0.97 to 1.03: then nothing may be concluded."""
        return not CONTROL_LIMITS[0] <= self.control_ratio <= CONTROL_LIMITS[1]

    @property
    def differs(self) -> bool:
        """True if the interval leaves out 1 and the ratio is beyond what the control tolerates."""
        low, high = self.interval
        outside = not CONTROL_LIMITS[0] <= self.ratio <= CONTROL_LIMITS[1]
        return not self.void and outside and not low <= 1 <= high

    def __repr__(self) -> str:
        low, high = self.interval
        if self.void:
            return (
                f"void: the A/A control is {self.control_ratio:.2f} and must lie within "
                "0.97 to 1.03; measure again on an idle machine"
            )
        if not self.differs:
            return f"no difference measured (ratio {self.ratio:.2f}, {low:.2f} to {high:.2f})"
        if self.ratio > 1:
            return f"{_times(self.ratio)}x faster (95 % interval {_times(low)} to {_times(high)})"
        return (
            f"{_times(1 / self.ratio)}x slower "
            f"(95 % interval {_times(1 / high)} to {_times(1 / low)})"
        )


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
    """Times all runners in turns and returns the Measurement of the fastest that is not void.

    The honest baseline is the fastest FP32 form found: eager, channels_last, ONNX Runtime.
    Raises ValueError for no runner, fewer than 30 blocks, or batches that differ.
    """
    if not runners:
        raise ValueError("give at least one runner to find the fastest of")
    return min(_measure(runners, blocks, block_ms), key=lambda each: (each.void, each.p50_ms))


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
            calm = wait_until_calm()  # what ran before may have left threads that spin
            use_threads(runner)
            settled, *rest = warm_up(runner)
            warm.append((settled and calm, *rest))
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


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 2 else f"{ratio:.1f}"
