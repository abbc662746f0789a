"""The augmented drive with the generator's own truth as a perfect network, and with a blind one."""

import math

import numpy as np
import pytest

from classroom.ar_drive import RoadAnswer, ar_drive, path_distance, time_to_collision
from classroom.ar_score import collision_frames, score_warnings
from roads import CLASSES, drive
from roads.camera import Camera

FPS, SIZE = 6.0, {"height": 64, "width": 128}
VEHICLE = CLASSES.index("vehicle")


def perfect(samples):
    """The truth as a network."""
    truth = {sample.image.tobytes(): sample for sample in samples}

    def network(image):
        sample = truth[image.tobytes()]
        return RoadAnswer(sample.segmentation, sample.depth, sample.steering)

    return network


def blind(image):
    """A road without anything on it."""
    size = image.shape[:2]
    return RoadAnswer(np.ones(size, np.uint8), np.full(size, 30.0), 0.0)


@pytest.fixture(scope="module")
def closing():
    """Behind vehicles that drive at half the camera car's speed."""
    return list(drive(5, seconds=5, fps=FPS, place="highway", weather="clear", pace=0.5, **SIZE))


def test_the_truth_warns_of_each_collision_in_time(closing):
    frames = list(ar_drive(closing, perfect(closing), FPS))
    score = score_warnings(frames, closing, FPS)
    assert (score.collisions, score.in_time, score.false_alarms) == (1, 1, 0)
    both = score + score
    assert (both.collisions, both.in_time, both.hours) == (2, 2, 2 * score.hours)


def test_a_blind_network_warns_of_nothing(closing):
    score = score_warnings(list(ar_drive(closing, blind, FPS)), closing, FPS)
    assert score.collisions == 1
    assert (score.in_time, score.false_alarms, score.undecided) == (0, 0, 0)


def test_behind_a_vehicle_of_the_same_speed_nobody_is_warned():
    samples = list(drive(5, seconds=2, fps=FPS, place="highway", weather="clear", **SIZE))
    frames = list(ar_drive(samples, perfect(samples), FPS))
    assert collision_frames(samples) == []
    assert not any(frame.warning for frame in frames)


def test_each_frame_is_a_picture_with_its_time(closing):
    frames = list(ar_drive(closing[:3], perfect(closing), FPS))
    for frame, sample in zip(frames, closing, strict=False):
        assert frame.picture.shape == sample.image.shape
        assert frame.picture.dtype == np.uint8
        assert not np.array_equal(frame.picture, sample.image)
        assert frame.seconds > 0


def answer_with(x_m, z_m, steering=0.0):
    """A road with one vehicle, a metre wide, whose middle is x_m to the right and z_m ahead."""
    camera = Camera(64, 128)
    answer = RoadAnswer(np.ones((64, 128), np.uint8), np.full((64, 128), 80.0), steering)
    left, right = (round(camera.project(x_m + half, 0, z_m)[0]) for half in (-0.5, 0.5))
    answer.segmentation[20:40, left:right] = VEHICLE
    answer.depth[20:40, left:right] = z_m
    return answer


def test_what_is_in_the_path_counts_and_what_is_beside_it_does_not():
    assert path_distance(answer_with(0, 12)) == pytest.approx(12)
    assert path_distance(answer_with(3, 12)) == math.inf
    # tan(steering) / 2.7 / 2 * 12^2 = 3: the road bends to where the vehicle is
    bend = math.degrees(math.atan(3 * 2 * 2.7 / 144))
    assert path_distance(answer_with(3, 12, bend)) == pytest.approx(12)
    assert path_distance(answer_with(0, 12, bend)) == math.inf


def test_time_to_collision_is_distance_over_closing_speed():
    # 5 m/s at 10 frames a second: 0.5 m a frame
    assert time_to_collision([21.0, 20.5, 20.0], 10) == pytest.approx(4)
    assert time_to_collision([20.0, 20.0, 20.0], 10) == math.inf
    assert time_to_collision([20.0, 20.5, 21.0], 10) == math.inf
    # what came into the path a moment ago is not yet known to come nearer
    assert time_to_collision([40.0, math.inf, 20.0, 19.5], 10) == math.inf


def test_bad_input_is_refused(closing):
    with pytest.raises(ValueError, match="fps"):
        ar_drive(closing, blind, 0)
    with pytest.raises(ValueError, match="as many"):
        score_warnings([], closing, FPS)
    with pytest.raises(ValueError, match="pace must be from 0 to 1"):
        drive(0, pace=2)
