"""A continuous drive through one world: things stay where they are while the camera moves."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from roads.background import SIGHT_M
from roads.dice import Dice
from roads.labels import PLACES, WEATHERS, RoadSample
from roads.populate import populate
from roads.render import render
from roads.road import BEHIND_M, Ego, Road
from roads.scene import (
    PLACE_SHARES,
    WEATHER_SHARES,
    Scene,
    check_choice,
    sample_curvature,
    sample_road,
)
from roads.scene import SIGHT_M as ROAD_AHEAD_M
from roads.things import Person, Thing, Vehicle
from roads.traffic import sample_vehicle
from roads.weather import sample_light

SPEED = {"city": 11.0, "suburb": 9.0, "highway": 27.0, "rural": 18.0}  # metres a second
BEND_M = 70.0  # length of one stretch of about constant curvature
WANDER_M = 0.18  # how far the car strays from the middle of its lane
WANDER_LENGTH_M = 45.0
FIRST_GAP_M = 13.0  # to the vehicle ahead, at the start
WALKING = 1.2  # metres a second
CYCLING = 4.5


def _winding(dice: Dice, place: str, length: int) -> np.ndarray:
    """Curvature of each metre: bends that follow one another smoothly."""
    count = int(length / BEND_M) + 2
    bends = [sample_curvature(dice, place) for _ in range(count)]
    bends[0] = 0.0
    metres = np.arange(length)
    position = metres / BEND_M
    index = position.astype(int)
    share = position - index
    smooth = share * share * (3 - 2 * share)
    table = np.array(bends)
    return table[index] * (1 - smooth) + table[index + 1] * smooth


def _lane_speeds(dice: Dice, road: Road, place: str, lane: int, pace: float) -> dict[int, float]:
    """One speed for each lane, so that no vehicle runs into another; `pace` in the camera's own."""
    own = SPEED[place]
    speeds = {}
    for index in range(-road.lanes_left, road.lanes_right):
        faster = 1.0 + 0.1 * (lane - index) + dice.uniform(-0.03, 0.03)
        speeds[index] = own * (pace if index == lane else faster if index >= 0 else -1.0)
    return speeds


def _moving(
    dice: Dice, road: Road, place: str, lane: int, seconds: float, pace: float
) -> Iterator[Vehicle]:
    """Vehicles in every lane, over all the road that they and the camera car will meet on."""
    own = SPEED[place]
    for index, speed in _lane_speeds(dice, road, place, lane, pace).items():
        first = FIRST_GAP_M if index == lane else -60.0 - max(0.0, speed - own) * seconds
        last = own * seconds + SIGHT_M + max(0.0, -speed) * seconds
        station = first + dice.uniform(0, 25)
        while station < last:
            offset = road.lane_centre(index) + dice.normal(0.15)
            vehicle = sample_vehicle(dice, station, offset, facing=1 if index >= 0 else -1)
            yield replace(vehicle, speed=speed, braking=False)
            station += dice.uniform(22, 75)


def _set_in_motion(thing: Thing, dice: Dice) -> Thing:
    """Gives people their walking speed. Nobody crosses: the camera car does not stop."""
    if not isinstance(thing, Person) or thing.bicycle == "across":
        return thing
    if thing.bicycle == "along":
        return replace(thing, speed=CYCLING)
    return replace(thing, speed=thing.facing * WALKING * dice.uniform(0.7, 1.1))


def _sample_world(
    dice: Dice, seed: int, place: str, weather: str, seconds: float, pace: float = 1.0
) -> Scene:
    """The whole world of a drive, with the camera at its start."""
    length = SPEED[place] * seconds + SIGHT_M
    metres = int(length + BEHIND_M + ROAD_AHEAD_M)
    road = sample_road(dice, place, _winding(dice, place, metres), length)
    light = sample_light(dice, weather)
    lane = dice.integer(0, road.lanes_right - 1)
    still = populate(dice, place, road, light, start=-20, length=length + 20, lane=lane)
    kept = [_set_in_motion(thing, dice) for thing in still if not _in_the_way(thing, road)]
    kept += _moving(dice, road, place, lane, seconds, pace)
    return Scene(seed, place, weather, road, light, tuple(kept), Ego(), lane)


def _in_the_way(thing: Thing, road: Road) -> bool:
    """Whether a standing vehicle or a pedestrian is in a lane."""
    if not isinstance(thing, Vehicle | Person) or getattr(thing, "bicycle", "") == "along":
        return False
    left, right = -road.lanes_left * road.lane_width, road.lanes_right * road.lane_width
    return left < thing.offset < right


def _ego_at(world: Scene, time: float, phase: float) -> Ego:
    """The camera car after `time` seconds: in its lane, straying a little from the middle."""
    station = SPEED[world.place] * time
    wave = 2 * math.pi / WANDER_LENGTH_M
    stray = WANDER_M * math.sin(wave * station + phase)
    # yaw against the road = d stray / d station
    yaw = WANDER_M * wave * math.cos(wave * station + phase)
    return Ego(station, world.road.lane_centre(world.lane) + stray, yaw, time)


def _in_reach(world: Scene, ego: Ego) -> tuple[Thing, ...]:
    """The things that can be in sight, so that a long drive stays quick."""
    reach = SIGHT_M + 20
    return tuple(
        thing
        for thing in world.things
        if -40 < thing.station + thing.speed * ego.time - ego.station < reach
    )


def drive(
    seed: int,
    seconds: float = 10.0,
    fps: float = 15.0,
    height: int = 128,
    width: int = 256,
    place: str | None = None,
    weather: str | None = None,
    pace: float = 1.0,
) -> Iterator[RoadSample]:
    """Yields the frames of a drive: round(seconds * fps) samples as from `scene`.

    The camera car follows its lane; other vehicles keep the speed of theirs; people walk. pace: the
    speed of vehicles in the camera car's own lane, as a share of its own: below 1 it closes in on
    them, and drives through those it reaches.
    Raises ValueError if seconds or fps is not above 0, pace is not from 0 to 1, the seed is
    negative, or place or weather is unknown. Taught in chapter 12.
    """
    if seconds <= 0 or fps <= 0:
        raise ValueError(f"seconds and fps must be above 0, got {seconds} and {fps}.")
    if not 0 <= pace <= 1:
        raise ValueError(f"pace must be from 0 to 1, got {pace}.")
    if seed < 0:
        raise ValueError(f"seed must be a whole number of 0 or more, got {seed}.")
    check_choice("place", place, PLACES)
    check_choice("weather", weather, WEATHERS)
    return _frames(seed, seconds, fps, (height, width), place, weather, pace)


def _frames(seed, seconds, fps, size, place, weather, pace) -> Iterator[RoadSample]:
    dice = Dice([seed, 3])
    drawn_place, drawn_weather = dice.weighted(PLACE_SHARES), dice.weighted(WEATHER_SHARES)
    place, weather = place or drawn_place, weather or drawn_weather
    world = _sample_world(dice, seed, place, weather, seconds, pace)
    phase = dice.uniform(0, 2 * math.pi)
    for frame in range(round(seconds * fps)):
        ego = _ego_at(world, frame / fps, phase)
        view = replace(world, ego=ego, things=_in_reach(world, ego))
        yield render(view, *size, frame=frame)
