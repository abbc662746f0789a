"""Two clocks: frames answered a second, and metres driven before the answer. Chapter 00.

A camera gives a frame every 1 / fps seconds. A network that is busy takes none. Without a buffer it
waits for the next frame; with a buffer of one frame it starts at once on the newest one that came
meanwhile, which is then already some milliseconds old.
"""

from dataclasses import dataclass
from fractions import Fraction

CAMERA_FPS = 30


@dataclass(frozen=True)
class Clocks:
    """What a camera and a network do together.

    answered_per_second: answers a second. age_ms: from the moment a frame was taken until its
    answer, the mean; oldest_ms: the largest. metres: driven in oldest_ms at the given speed.
    """

    answered_per_second: float
    age_ms: float
    oldest_ms: float
    metres: float


def two_clocks(
    latency_ms: float,
    speed_kmh: float,
    buffer: bool = False,
    camera_fps: int = CAMERA_FPS,
    frames: int = 3000,
) -> Clocks:
    """A network of `latency_ms` behind a camera: throughput on one clock, latency on the other.

    buffer: the newest frame waits for the network. frames: how many the camera gives, in all.
    Times are exact fractions, so that a network of exactly one frame's time misses none.
    Raises ValueError for a latency, speed, rate or number of frames that makes no sense.
    """
    _check(latency_ms, camera_fps, frames)
    if not speed_kmh >= 0:
        raise ValueError(f"speed_kmh must be at least 0, got {speed_kmh}")
    period_ms = Fraction(1000, camera_fps)
    latency = Fraction(latency_ms) / period_ms
    ages = [start + latency - frame for frame, start in _answered(latency, frames, buffer)]
    oldest_ms = float(max(ages) * period_ms)
    return Clocks(
        answered_per_second=len(ages) * camera_fps / frames,
        age_ms=float(sum(ages) / len(ages) * period_ms),
        oldest_ms=oldest_ms,
        # metres = km/h / 3.6 * seconds
        metres=speed_kmh / 3.6 * oldest_ms / 1000,
    )


def schedule(
    latency_ms: float, buffer: bool = False, camera_fps: int = CAMERA_FPS, frames: int = CAMERA_FPS
) -> list[tuple[int, float]]:
    """(frame, milliseconds at which the network starts on it) of each frame that is answered.

    The arguments are those of `two_clocks`, and so are the errors.
    """
    _check(latency_ms, camera_fps, frames)
    period_ms = Fraction(1000, camera_fps)
    answered = _answered(Fraction(latency_ms) / period_ms, frames, buffer)
    return [(frame, float(start * period_ms)) for frame, start in answered]


def _check(latency_ms: float, camera_fps: int, frames: int) -> None:
    if not latency_ms > 0:
        raise ValueError(f"latency_ms must be above 0, got {latency_ms}")
    if camera_fps < 1 or frames < 2:
        raise ValueError(
            f"camera_fps must be at least 1 and frames at least 2, got {camera_fps}, {frames}"
        )


def _answered(latency: Fraction, frames: int, buffer: bool) -> list[tuple[int, Fraction]]:
    """Frames that are answered, and when their work starts; frame k is taken at time k."""
    answered, free, newest = [], Fraction(0), -1
    while True:
        # the newest frame taken by the time the network is free, if it is not answered yet
        waiting = free.numerator // free.denominator
        if waiting > newest and (buffer or waiting == free):
            frame, start = waiting, free
        else:
            frame = waiting + 1
            start = Fraction(frame)
        if frame >= frames:
            return answered
        newest, free = frame, start + latency
        answered.append((frame, start))
