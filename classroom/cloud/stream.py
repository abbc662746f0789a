"""A camera's frames answered one after another: in real time, or on a virtual clock. Chapter 06."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from classroom.cloud.network import (
    FPS,
    Journeys,
    Outage,
    Profile,
    plan_journeys,
    starts_when_free,
)

WORKERS = 64  # frames on their way at the same time; each waits in a thread of its own


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


def simulate(
    num_frames: int,
    server_ms: float | np.ndarray,
    profile: Profile | None = None,
    frame_bytes: int | np.ndarray = 1,
    fps: float = FPS,
    seed: int = 0,
    outages: Sequence[Outage] = (),
    name: str | None = None,
) -> StreamResult:
    """The stream on a virtual clock: ten minutes of frames take milliseconds.

    server_ms: how long the network computes for a frame, or [num_frames]. profile: the network in
    between, None for a device that computes beside the camera and can do one frame at a time.
    Raises ValueError as `plan_journeys` does. Taught in chapter 06.
    """
    work_ms = np.broadcast_to(np.asarray(server_ms, dtype=float), num_frames)
    if profile is None:
        taken_ms = np.arange(num_frames) * 1e3 / fps
        sent = starts_when_free(taken_ms, work_ms)
        latency_ms = np.where(sent, work_ms, np.nan)
        return StreamResult(name or "beside the camera", latency_ms, ~sent, taken_ms, fps, 0)
    journeys = plan_journeys(profile, num_frames, frame_bytes, fps, seed, tuple(outages))
    latency_ms = journeys.up_ms + work_ms + journeys.down_ms
    return _result(name or profile.name, journeys, latency_ms, fps, np.mean(frame_bytes))


def stream(
    predict: Callable[[bytes], object],
    frames: Sequence[bytes],
    profile: Profile | None = None,
    fps: float = FPS,
    seed: int = 0,
    outages: Sequence[Outage] = (),
    name: str | None = None,
) -> StreamResult:
    """The stream in real time: takes len(frames) / fps seconds, and really waits and really asks.

    predict: answers one frame: `server.predict`, or a local network's `answer`. profile: the
    network in between, None for none: then predict runs beside the camera, one frame at a time.
    The result holds the answers, and what predict took for each frame. Errors of predict are
    raised here. Raises ValueError for no frames. Taught in chapter 06.
    """
    if not frames:
        raise ValueError("give at least one frame to stream")
    if profile is None:
        return _stream_beside(predict, frames, fps, name or "beside the camera")
    sizes = np.array([len(frame) for frame in frames])
    journeys = plan_journeys(profile, len(frames), sizes, fps, seed, tuple(outages))
    latency_ms = np.full(len(frames), np.nan)
    server_ms = np.full(len(frames), np.nan)
    answers: list = [None] * len(frames)
    start = time.perf_counter()

    def travel(i: int) -> None:
        _sleep_until(start, journeys.taken_ms[i] + journeys.up_ms[i])
        asked = time.perf_counter()
        answers[i] = predict(frames[i])
        answered = time.perf_counter()
        server_ms[i] = 1e3 * (answered - asked)
        time.sleep(journeys.down_ms[i] / 1e3)
        latency_ms[i] = 1e3 * (time.perf_counter() - start) - journeys.taken_ms[i]

    travelling = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for i in np.flatnonzero(journeys.sent & journeys.arrives):
            _sleep_until(start, journeys.taken_ms[i])
            travelling.append(pool.submit(travel, i))
    for one in travelling:
        one.result()
    return _result(
        name or profile.name, journeys, latency_ms, fps, sizes.mean(), answers, server_ms
    )


def _stream_beside(predict: Callable, frames: Sequence, fps: float, name: str) -> StreamResult:
    """One frame at a time; a frame that comes while the device computes is dropped."""
    taken_ms = np.arange(len(frames)) * 1e3 / fps
    latency_ms = np.full(len(frames), np.nan)
    answers: list = [None] * len(frames)
    start, free_at = time.perf_counter(), -np.inf
    for i, frame in enumerate(frames):
        if taken_ms[i] < free_at:
            continue
        _sleep_until(start, taken_ms[i])
        begun = time.perf_counter()
        answers[i] = predict(frame)
        latency_ms[i] = 1e3 * (time.perf_counter() - begun)
        free_at = 1e3 * (time.perf_counter() - start)
    dropped = np.isnan(latency_ms)
    return StreamResult(name, latency_ms, dropped, taken_ms, fps, 0, answers, latency_ms)


def _sleep_until(start: float, at_ms: float) -> None:
    time.sleep(max(0.0, start + at_ms / 1e3 - time.perf_counter()))


def _result(
    name: str,
    journeys: Journeys,
    latency_ms: np.ndarray,
    fps: float,
    frame_bytes: float,
    answers: list | None = None,
    server_ms: np.ndarray | None = None,
) -> StreamResult:
    latency_ms = np.where(journeys.sent & journeys.arrives, latency_ms, np.nan)
    return StreamResult(
        name, latency_ms, ~journeys.sent, journeys.taken_ms, fps, frame_bytes, answers, server_ms
    )
