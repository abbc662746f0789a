"""The continuous drive: one world, smooth motion."""

from itertools import pairwise

import numpy as np
import pytest

from roads import drive
from roads.dice import Dice
from roads.drive import SPEED, _sample_world
from roads.labels import MAX_DEPTH, SKY, VEHICLE
from roads.things import Person, Vehicle

SIZE = {"height": 64, "width": 128}


@pytest.fixture(scope="module")
def frames():
    return list(drive(2, seconds=4, fps=15, place="suburb", weather="clear", **SIZE))


def test_number_of_frames_and_kind_of_sample(frames):
    assert len(frames) == 60
    for frame in frames:
        assert frame.image.shape == (64, 128, 3)
        assert (frame.place, frame.weather) == ("suburb", "clear")
        assert (frame.depth[frame.segmentation == SKY] == MAX_DEPTH).all()


def test_consecutive_frames_differ_little(frames):
    pairs = list(pairwise(frames))
    change = [np.abs(b.image.astype(int) - a.image).mean() for a, b in pairs]
    labels = [(b.segmentation != a.segmentation).mean() for a, b in pairs]
    steering = [abs(b.steering - a.steering) for a, b in pairs]
    apart = np.abs(frames[0].image.astype(int) - frames[-1].image).mean()
    assert max(change) < 0.9 * apart
    assert max(labels) < 0.2
    assert max(steering) < 0.4
    assert min(change) > 0


def test_nothing_large_appears_from_nowhere(frames):
    """A vehicle box that is new was small, or at the border of the image, one frame before."""
    for before, after in pairwise(frames):
        known = [box.distance_m for box in before.boxes]
        for box in after.boxes:
            at_border = box.x0 <= 1 or box.x1 >= SIZE["width"] - 1
            large = (box.x1 - box.x0) * (box.y1 - box.y0) > 150
            if large and not at_border:
                assert min(abs(box.distance_m - distance) for distance in known) < 2.0


def test_a_parked_vehicle_comes_nearer_at_the_speed_of_the_camera(frames):
    step = SPEED["suburb"] / 15
    followed = 0
    for before, after in pairwise(frames):
        later = [box.distance_m for box in after.boxes if box.class_id == VEHICLE]
        for box in before.boxes:
            expected = box.distance_m - step
            followed += any(abs(expected - distance) < 1e-3 for distance in later)
    assert followed > 60


def test_the_vehicle_ahead_keeps_its_distance():
    distances = []
    for frame in drive(5, seconds=1, fps=10, place="highway", weather="overcast", **SIZE):
        middle = [b for b in frame.boxes if b.class_id == VEHICLE and b.x0 < 64 < b.x1]
        if middle:
            distances.append(min(box.distance_m for box in middle))
    assert distances
    assert np.ptp(distances) < 0.5


def test_the_world_is_populated_along_the_whole_drive():
    world = _sample_world(Dice([7, 3]), 7, "city", "clear", 6.0)
    parked = [t for t in world.things if isinstance(t, Vehicle) and t.speed == 0]
    moving = [t for t in world.things if isinstance(t, Vehicle) and t.speed != 0]
    people = [t for t in world.things if isinstance(t, Person)]
    own = [t.speed for t in moving if 0 < t.offset < world.road.lane_width]
    assert len(moving) > 3
    assert all(t.bicycle == "across" or t.speed != 0 for t in people)
    assert max(t.station for t in world.things) > SPEED["city"] * 6
    assert own
    assert all(not 0 < t.offset < world.road.lane_width for t in parked)


def test_the_same_seed_drives_the_same_way():
    first = [f.image.tobytes() for f in drive(3, seconds=0.2, fps=10, **SIZE)]
    second = [f.image.tobytes() for f in drive(3, seconds=0.2, fps=10, **SIZE)]
    assert first == second


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"seconds": 0}, "above 0"),
        ({"fps": -1}, "above 0"),
        ({"place": "sea"}, "place must be one of"),
        ({"seed": -2}, "seed"),
    ],
)
def test_bad_arguments_are_named_at_once(arguments, words):
    with pytest.raises(ValueError, match=words):
        drive(**({"seed": 0} | arguments))
