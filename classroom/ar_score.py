"""How good collision warnings are, against the truth of the generator. Taught in chapter 14."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from classroom.ar_drive import ArFrame, path_offset
from roads import Box, RoadSample
from roads.camera import Camera

CONTACT_M = 3.0  # a thing in the path this near is hit
IN_TIME_S = 1.5
HORIZON_S = 6.0  # a warning without a collision within this time is a false alarm


@dataclass(frozen=True)
class WarningScore:
    """A drive ends at its first collision.

    collisions: how many there were; in_time: of those, warned at least 1.5 s ahead.

    false_alarms: warnings that no collision followed; per hour of driving. undecided: warnings so
    late in the drive that nobody knows.
    """

    collisions: int
    in_time: int
    false_alarms: int
    undecided: int
    hours: float

    @property
    def false_alarms_per_hour(self) -> float:
        return self.false_alarms / self.hours

    def __add__(self, other: "WarningScore") -> "WarningScore":
        """Of two drives together."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return WarningScore(*(one + more for one, more in pairs))


def collision_frames(samples: Sequence[RoadSample]) -> list[int]:
    """The frames at which a vehicle or person in the path comes within 3 m, by the true boxes."""
    hit = [any(_is_hit(box, sample) for box in sample.boxes) for sample in samples]
    return [at for at, now in enumerate(hit) if now and (at == 0 or not hit[at - 1])]


def _is_hit(box: Box, sample: RoadSample) -> bool:
    """Whether a box within 3 m covers the middle of the path.

    One beside the path does not, though its near end, seen at its own distance, looks wide.
    """
    if box.distance_m >= CONTACT_M:
        return False
    camera = Camera(*sample.segmentation.shape)
    middle, _ = camera.project(path_offset(sample.steering, box.distance_m), 0.0, box.distance_m)
    return box.x0 <= middle < box.x1


def score_warnings(
    frames: Sequence[ArFrame], samples: Sequence[RoadSample], fps: float
) -> WarningScore:
    """The warnings of `frames` against what happens in `samples`, the same drive.

    Raises ValueError if the two differ in length, or there is no frame.
    """
    if len(frames) != len(samples) or not frames:
        raise ValueError(f"frames and samples must be as many, got {len(frames)}, {len(samples)}")
    hits = collision_frames(samples)[:1]
    end = hits[0] + 1 if hits else len(samples)
    warnings = [frame.warning for frame in frames[:end]]
    in_time = sum(
        any(warnings[max(0, round(hit - HORIZON_S * fps)) : max(0, int(hit - IN_TIME_S * fps) + 1)])
        for hit in hits
    )
    starts = [at for at, now in enumerate(warnings) if now and (at == 0 or not warnings[at - 1])]
    alone = [at for at in starts if not any(0 <= hit - at <= HORIZON_S * fps for hit in hits)]
    undecided = [at for at in alone if at + HORIZON_S * fps >= end]
    return WarningScore(
        collisions=len(hits),
        in_time=in_time,
        false_alarms=len(alone) - len(undecided),
        undecided=len(undecided),
        hours=end / fps / 3600,
    )
