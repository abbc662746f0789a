"""What a network does to a message: delay, jitter, loss, a narrow uplink. Taught in chapter 06."""

import math
from dataclasses import dataclass, replace

import numpy as np

from edu_lib.edge.published import load_published

PACKET_BYTES = 1448  # what one packet carries: 1500 less the headers of IP and TCP


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
