"""What a network does to a message: delay, jitter, loss, a narrow uplink. Taught in chapter 06.

What happens to each frame is decided before anything is sent. One seed decides every draw, so that
a run in real time and one on the virtual clock agree.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from edu_lib.measure import load_published

PACKET_BYTES = 1448  # what one packet carries: 1500 less the headers of IP and TCP
FPS = 30.0
TIMEOUT_MS = 500.0
ATTEMPTS = 2


@dataclass(frozen=True)
class Profile:
    """A network between a camera and a server.

    rtt_ms: median round trip of a small message. jitter_ms: standard deviation of the round trip.
    loss_percent: of packets. uplink_mbps: megabits a second towards the server. kind: "measured"
    (by others, see source) or "teaching" (chosen by us).
    """

    name: str
    rtt_ms: float
    jitter_ms: float
    loss_percent: float
    uplink_mbps: float
    kind: str = "teaching"
    source: str = ""

    def __post_init__(self):
        if self.rtt_ms < 0 or self.jitter_ms < 0 or self.uplink_mbps <= 0:
            raise ValueError(f"{self.name}: rtt and jitter are 0 ms or more, the uplink above 0")
        if not 0 <= self.loss_percent <= 100:
            raise ValueError(f"{self.name}: loss is 0 to 100 percent, got {self.loss_percent}")

    @property
    def sigma(self) -> float:
        """Standard deviation of ln(round trip); see `draw_rtt`."""
        if self.rtt_ms == 0 or self.jitter_ms == 0:
            return 0.0
        # of a lognormal: (jitter / median)^2 = x (x - 1) with x = exp(sigma^2)
        x = (1 + math.sqrt(1 + 4 * (self.jitter_ms / self.rtt_ms) ** 2)) / 2
        return math.sqrt(math.log(x))

    def transmit_ms(self, num_bytes: int) -> float:
        """How long the uplink is busy with a message of that many bytes."""
        # bits / (megabits a second) = microseconds
        return 8 * num_bytes / self.uplink_mbps / 1e3

    def loss_of(self, num_bytes: int) -> float:
        """Probability that a message of that many bytes loses at least one packet."""
        packets = math.ceil(num_bytes / PACKET_BYTES)
        # 1 - P(all arrive)
        return 1 - (1 - self.loss_percent / 100) ** packets

    def draw_rtt(self, rng: np.random.Generator, size: int | tuple[int, ...]) -> np.ndarray:
        """Round trips in ms: lognormal, so that most are near the median and some far above.

        Each is drawn by itself; in real networks slow moments come in groups.
        """
        return self.rtt_ms * np.exp(self.sigma * rng.standard_normal(size))

    def farther(self, distance_km: float) -> "Profile":
        """The same network with a server `distance_km` of fibre farther away."""
        return replace(self, rtt_ms=self.rtt_ms + fibre_rtt_ms(distance_km))


@dataclass(frozen=True)
class Outage:
    """A time without any network, such as a tunnel. start_s: seconds after the first frame."""

    start_s: float
    seconds: float

    def covers(self, time_ms: np.ndarray | float) -> np.ndarray | bool:
        """Whether a message sent at that time (ms after the first frame) is lost."""
        start, end = 1e3 * self.start_s, 1e3 * (self.start_s + self.seconds)
        return (time_ms >= start) & (time_ms < end)


def fibre_rtt_ms(distance_km: float) -> float:
    """The least round trip over that much fibre: light, and no machine on the way."""
    if distance_km < 0:
        raise ValueError(f"a distance is 0 km or more, got {distance_km}")
    speed = load_published("network_facts")["light_in_fibre"]["km_per_second"]
    # there and back
    return 1e3 * 2 * distance_km / speed


def profiles() -> dict[str, Profile]:
    """The profiles of data/published/network_profiles.json, by key."""
    fields = ("name", "rtt_ms", "jitter_ms", "loss_percent", "uplink_mbps", "kind", "source")
    return {
        key: Profile(**{field: entry[field] for field in fields})
        for key, entry in load_published("network_profiles").items()
        if "rtt_ms" in entry
    }


def tunnel(start_s: float) -> Outage:
    """The tunnel of this chapter, a teaching profile: see data/published/network_profiles.json."""
    return Outage(start_s, load_published("network_profiles")["tunnel"]["outage_seconds"])


@dataclass(frozen=True)
class Journeys:
    """The way of N frames through a network. All times in ms, all arrays of N.

    taken_ms: when the camera takes the frame. sent: False if the uplink was still busy with the
    frame before: then the camera drops it, since a newer one is coming. arrives: False if every
    attempt was lost. up_ms: from the camera to the server, waiting for lost attempts included.
    down_ms: from the server back. lost_attempts: how many attempts got no answer.
    """

    taken_ms: np.ndarray
    sent: np.ndarray
    arrives: np.ndarray
    up_ms: np.ndarray
    down_ms: np.ndarray
    lost_attempts: np.ndarray

    def __len__(self) -> int:
        return len(self.taken_ms)


def plan_journeys(
    profile: Profile,
    num_frames: int,
    frame_bytes: int | np.ndarray,
    fps: float = FPS,
    seed: int = 0,
    outages: tuple[Outage, ...] = (),
    timeout_ms: float = TIMEOUT_MS,
    attempts: int = ATTEMPTS,
) -> Journeys:
    """Decides what happens to each frame.

    frame_bytes: of every frame, or [num_frames]. A frame is sent at once, or never. The client
    that hears nothing for `timeout_ms` sends it again, `attempts` times in all. A retry does not
    hold up later frames here. Raises ValueError for numbers that make no sense.
    """
    if num_frames < 1 or fps <= 0 or timeout_ms <= 0 or attempts < 1:
        raise ValueError("num_frames, fps, timeout_ms and attempts must be above 0")
    sizes = np.broadcast_to(np.asarray(frame_bytes), num_frames)
    if (sizes < 1).any():
        raise ValueError("a frame has at least one byte")
    taken_ms = np.arange(num_frames) * 1e3 / fps
    transmit_ms = np.array([profile.transmit_ms(size) for size in sizes])
    rng = np.random.default_rng(seed)
    rtt_ms = profile.draw_rtt(rng, (attempts, num_frames))
    unlucky = rng.random((attempts, num_frames)) < [profile.loss_of(size) for size in sizes]
    # attempt k begins when k timeouts have passed
    begins_ms = taken_ms + timeout_ms * np.arange(attempts)[:, None]
    lost = unlucky | np.any([outage.covers(begins_ms) for outage in outages], axis=0)
    arrives = ~lost.all(axis=0)
    first = np.where(arrives, (~lost).argmax(axis=0), attempts)
    rtt_of_first = rtt_ms[np.minimum(first, attempts - 1), np.arange(num_frames)]
    return Journeys(
        taken_ms=taken_ms,
        sent=starts_when_free(taken_ms, transmit_ms),
        arrives=arrives,
        up_ms=timeout_ms * first + transmit_ms + rtt_of_first / 2,
        down_ms=rtt_of_first / 2,
        lost_attempts=first,
    )


def starts_when_free(taken_ms: np.ndarray, busy_ms: np.ndarray) -> np.ndarray:
    """Which frames find the worker free, if it takes busy_ms[i] for frame i: bool [N].

    A frame that finds it busy is dropped, as in chapter 00.
    """
    started = np.zeros(len(taken_ms), dtype=bool)
    free_at = -np.inf
    for i, (taken, busy) in enumerate(zip(taken_ms, busy_ms, strict=True)):
        # a millionth of a ms for the rounding of i * 1000 / fps
        if taken + 1e-6 >= free_at:
            started[i], free_at = True, taken + busy
    return started
