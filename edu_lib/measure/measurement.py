"""One row of the latency tables: the times, and all that they depend on."""

from dataclasses import dataclass, field

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
    settled: bool  # whether the warm-up settled within 2 %
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
        note = "" if self.settled else "; the warm-up did not settle"
        return (
            f"{self.name}: {self.p50_ms:.3g} ms (p90 {self.p90_ms:.3g}, p99 {self.p99_ms:.3g})"
            f"{on_device}, {self.fps:,.0f} frames per second ({setting}{note})"
        )
