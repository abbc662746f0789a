"""What a stream of frames came to. Taught in chapter 06."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class StreamResult:
    """The latency of each of N frames, and what follows from it.

    latency_ms: from the picture to its answer, NaN without an answer. dropped: the camera never
    sent the frame, since the way was busy. taken_ms: when it was taken. frame_bytes: mean bytes
    sent for a frame, 0 if none left the device. answers, server_ms: of a stream in real time.
    """

    name: str
    latency_ms: np.ndarray
    dropped: np.ndarray
    taken_ms: np.ndarray
    fps: float
    frame_bytes: float
    answers: list | None = None
    server_ms: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.latency_ms)

    @property
    def budget_ms(self) -> float:
        """The time until the next frame."""
        return 1e3 / self.fps

    @property
    def answered(self) -> np.ndarray:
        """Which frames got an answer at all: bool [N]."""
        return ~np.isnan(self.latency_ms)

    @property
    def unanswered(self) -> int:
        """Frames that never got an answer, dropped ones included."""
        return int((~self.answered).sum())

    @property
    def share_missed(self) -> float:
        """Percent of all frames without an answer inside the budget."""
        in_time = self.answered & (np.nan_to_num(self.latency_ms) <= self.budget_ms)
        return 100 * float((~in_time).mean())

    @property
    def p50_ms(self) -> float:
        """Median latency of the answered frames; NaN if there is none."""
        return self._percentile(50)

    @property
    def p99_ms(self) -> float:
        """The latency that one answered frame in a hundred exceeds; NaN if there is none."""
        return self._percentile(99)

    @property
    def longest_blind_s(self) -> float:
        """Seconds covered by the longest run of frames without an answer."""
        longest = run = 0
        for answered in self.answered:
            run = 0 if answered else run + 1
            longest = max(longest, run)
        return longest / self.fps

    def between(self, start_s: float, end_s: float) -> "StreamResult":
        """The part of the stream taken from start_s up to end_s."""
        chosen = (self.taken_ms >= 1e3 * start_s) & (self.taken_ms < 1e3 * end_s)
        return StreamResult(
            self.name,
            self.latency_ms[chosen],
            self.dropped[chosen],
            self.taken_ms[chosen],
            self.fps,
            self.frame_bytes,
        )

    def _percentile(self, q: float) -> float:
        known = self.latency_ms[self.answered]
        return float(np.percentile(known, q)) if len(known) else float("nan")

    def __repr__(self) -> str:
        late = round(self.share_missed / 100 * len(self)) - self.unanswered
        lost = self.unanswered - int(self.dropped.sum())
        lines = [
            f"{self.name}: {len(self):,} frames at {self.fps:g} a second",
            f"  missed the {self.budget_ms:.0f} ms budget: {self.share_missed:.1f} %"
            f"  ({late:,} late, {lost:,} never answered, {int(self.dropped.sum()):,} never sent)",
            f"  median {self.p50_ms:.1f} ms, one in a hundred over {self.p99_ms:.1f} ms",
        ]
        if self.frame_bytes:
            mbps = 8 * self.frame_bytes * self.fps / 1e6
            lines.append(f"  {self.frame_bytes:,.0f} bytes a frame: {mbps:.2f} Mbit/s all the time")
        if self.longest_blind_s > 1:
            lines.append(f"  longest time without an answer: {self.longest_blind_s:.1f} s")
        return "\n".join(lines)
