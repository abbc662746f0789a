"""The verdict of a comparison: faster, slower, no difference measured, or void."""

from dataclasses import dataclass

from edu_lib.measure.measurement import CONTROL_LIMITS, Measurement


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


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 2 else f"{ratio:.1f}"
