"""The road scenes: reproducible, consistent labels, a calibrated camera, sane frequencies."""

import math
from dataclasses import replace

import numpy as np
import pytest

from roads import (
    CLASSES,
    MAX_DEPTH,
    PLACES,
    WEATHERS,
    colour_labels,
    contact_sheet,
    render,
    sample_scene,
    scene,
)
from roads.camera import FOCAL, HEIGHT_M, HORIZON, Camera
from roads.facades import _hits, build_walls
from roads.labels import BUILDING, MARKING, PERSON, ROAD, SIGN, SKY, VEHICLE
from roads.road import Ego
from roads.shadows import convex_hull
from roads.things import Block, Plant, Vehicle

SIZE = (96, 192)


@pytest.fixture(scope="module")
def samples():
    return [scene(seed, *SIZE) for seed in range(60)]


def test_a_seed_gives_the_same_bytes_twice():
    for seed in (0, 5, 8):
        first, second = scene(seed, *SIZE), scene(seed, *SIZE)
        assert first.image.tobytes() == second.image.tobytes()
        assert first.segmentation.tobytes() == second.segmentation.tobytes()
        assert first.depth.tobytes() == second.depth.tobytes()
        assert first.boxes == second.boxes
        assert first.steering == second.steering


def test_other_seeds_give_other_images():
    assert not np.array_equal(scene(1, *SIZE).image, scene(2, *SIZE).image)


def test_shapes_and_types(samples):
    for sample in samples:
        assert sample.image.shape == (*SIZE, 3)
        assert sample.image.dtype == np.uint8
        assert sample.segmentation.shape == SIZE
        assert sample.segmentation.dtype == np.uint8
        assert sample.depth.shape == SIZE
        assert sample.depth.dtype == np.float32
        assert sample.segmentation.max() < len(CLASSES)
        assert np.isfinite(sample.depth).all()
        assert sample.depth.min() >= 1
        assert sample.depth.max() <= MAX_DEPTH


@pytest.mark.parametrize("size", [(128, 256), (64, 64), (33, 47)])
def test_any_size_of_32_or_more_is_drawn(size):
    assert scene(3, *size).image.shape == (*size, 3)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("weather", WEATHERS)
def test_a_place_and_weather_can_be_asked_for(place, weather):
    sample = scene(11, 32, 64, place=place, weather=weather)
    assert (sample.place, sample.weather) == (place, weather)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 0, "height": 16}, "at least 32"),
        ({"seed": 0, "place": "moon"}, "place must be one of"),
        ({"seed": 0, "weather": "hail"}, "weather must be one of"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        scene(**arguments)


def test_the_sky_is_farthest_and_above_the_horizon(samples):
    for sample in samples:
        sky = sample.segmentation == SKY
        assert (sample.depth[sky] == MAX_DEPTH).all()
        assert not sky[math.ceil(HORIZON * SIZE[0]) :].any()


def test_road_depth_is_that_of_a_pinhole_camera_over_a_plane(samples):
    height, width = SIZE
    rows = np.arange(height) + 0.5
    for sample in samples:
        flat = np.isin(sample.segmentation, (ROAD, MARKING))
        at, _ = np.nonzero(flat)
        # depth = focal * camera height / (row - horizon)
        expected = FOCAL * width * HEIGHT_M / (rows[at] - HORIZON * height)
        np.testing.assert_allclose(sample.depth[flat], np.minimum(expected, MAX_DEPTH), rtol=1e-4)


def test_the_camera_is_the_same_in_all_scenes(samples):
    lowest = {
        round(float(sample.depth[-1][sample.segmentation[-1] == ROAD].min()), 3)
        for sample in samples
        if (sample.segmentation[-1] == ROAD).any()
    }
    assert len(lowest) == 1


def test_boxes_enclose_their_thing_and_carry_its_distance(samples):
    for sample in samples:
        for box in sample.boxes:
            part = slice(box.y0, box.y1), slice(box.x0, box.x1)
            seg, depth = sample.segmentation[part], sample.depth[part]
            mine = (seg == box.class_id) & np.isclose(depth, box.distance_m, rtol=1e-3)
            assert mine.sum() >= 3
            for edge in (mine[0], mine[-1], mine[:, 0], mine[:, -1]):
                assert edge.any()
        vehicles = [box for box in sample.boxes if box.class_id == VEHICLE]
        assert sample.vehicles == len(vehicles)


def test_every_large_vehicle_has_a_box(samples):
    for sample in samples:
        inside = np.zeros(SIZE, bool)
        for box in sample.boxes:
            if box.class_id == VEHICLE:
                inside[box.y0 : box.y1, box.x0 : box.x1] = True
        missed = (sample.segmentation == VEHICLE) & ~inside
        assert missed.sum() < 12


def test_a_nearer_vehicle_is_larger():
    base = sample_scene(0, "rural", "clear")
    heights = []
    for distance in (8.0, 16.0, 32.0):
        car = Vehicle(distance, base.road.lane_centre(0), kind="sedan")
        ego = Ego(offset=base.road.lane_centre(0))
        (box,) = render(replace(base, things=(car,), ego=ego), 128, 256).boxes
        heights.append(box.y1 - box.y0)
        # A sedan 1.44 m high: pixels = focal * height / distance
        assert box.y1 - box.y0 == pytest.approx(FOCAL * 256 * 1.44 / distance, rel=0.12, abs=1)
    assert heights[0] > heights[1] > heights[2]


def test_class_frequencies_are_sane(samples):
    counts = np.zeros(len(CLASSES))
    for sample in samples:
        counts += np.bincount(sample.segmentation.ravel(), minlength=len(CLASSES))
    share = 100 * counts / counts.sum()
    assert 25 < share[ROAD] < 45
    assert 8 < share[SKY] < 28
    assert 0.8 < share[MARKING] < 4
    assert 0.4 < share[PERSON] < 1.6
    assert 1 < share[SIGN] < 5
    assert 4 < share[VEHICLE] < 16
    assert share[BUILDING] > 5


def test_steering_varies_and_points_to_the_lane():
    angles = [sample_scene(seed).steering for seed in range(300)]
    assert 0.3 < np.std(angles) < 2.5
    assert abs(np.mean(angles)) < 0.3
    base = sample_scene(0, "highway")
    middle = base.road.lane_centre(base.lane)
    left_of_it = replace(base, ego=Ego(offset=middle - 1.0))
    right_of_it = replace(base, ego=Ego(offset=middle + 1.0))
    assert left_of_it.steering > right_of_it.steering


def test_night_is_darker_than_day():
    day, night = (
        scene(4, *SIZE, place="rural", weather=w).image.mean() for w in ("clear", "night")
    )
    assert night < 0.5 * day


def test_fog_takes_contrast_away():
    clear, fog = (scene(4, *SIZE, place="rural", weather=w) for w in ("clear", "fog"))
    assert fog.image.std() < clear.image.std()


def test_a_facade_is_met_where_geometry_says():
    # A wall parallel to the road, 5 m to the right, from 2 m to 90 m ahead: depth = 5 / tan.
    light = sample_scene(0, "city", "clear").light
    block = Block(2.0, 5.0, length=88.0, height=20.0, side=1)
    walls = build_walls([(block, (5.0, 2.0), (5.0, 90.0), 1.0)], light)
    camera = Camera(*SIZE)
    depth, along = _hits(walls, camera)
    ray = (np.arange(camera.width) + 0.5 - camera.centre) / camera.focal
    seen = np.isfinite(depth[0])
    np.testing.assert_allclose(depth[0][seen], 5.0 / ray[seen], rtol=1e-6)
    np.testing.assert_allclose(along[0][seen], depth[0][seen] - 2.0, rtol=1e-6)
    assert seen.any()


def test_a_tree_throws_its_shadow_away_from_the_sun():
    base = sample_scene(0, "rural", "clear")
    light = replace(base.light, azimuth=math.pi / 2, elevation=0.6, noise=0.0)
    ego = Ego()
    straight = replace(base.road, curvature=np.zeros_like(base.road.curvature))
    base = replace(base, light=light, ego=ego, road=straight)
    tree = Plant(12.0, 0.5, height=6.0)
    plain = render(replace(base, things=()), 128, 256).image.astype(int)
    shaded = render(replace(base, things=(tree,)), 128, 256)
    darker = (plain - shaded.image).sum(2) > 30
    darker &= shaded.segmentation == ROAD
    columns = np.nonzero(darker)[1]
    # The sun stands on the right: the shadow lies to the left of the trunk.
    foot = 128 + FOCAL * 256 * 0.5 / 12
    assert len(columns) > 50
    assert columns.mean() < foot


def test_convex_hull_of_a_square_with_points_inside():
    corners = {(0, 0), (0, 4), (4, 0), (4, 4)}
    assert set(convex_hull([*corners, (1, 2), (2, 2), (3, 1)])) == corners


def test_contact_sheet_shows_images_over_labels():
    sheet = np.asarray(contact_sheet((1, 2), columns=2, height=48, width=96, gap=4))
    assert sheet.shape == (96, 196, 3)
    sample = scene(2, 48, 96)
    np.testing.assert_array_equal(sheet[:48, 100:], sample.image)
    np.testing.assert_array_equal(sheet[48:, 100:], colour_labels(sample.segmentation))
    with pytest.raises(ValueError, match="at least one seed"):
        contact_sheet(())
