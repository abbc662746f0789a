"""A scene before it is drawn: place, road, light, things, and where the camera car is.

Sampling makes every random choice; drawing makes none. Taught in chapter 12.
"""

import math
from dataclasses import dataclass

import numpy as np

from roads.dice import Dice
from roads.labels import PLACES, WEATHERS
from roads.populate import populate
from roads.road import BEHIND_M, Ego, Road
from roads.things import Thing
from roads.weather import Light, sample_light

PLACE_SHARES = {"city": 0.40, "suburb": 0.25, "highway": 0.20, "rural": 0.15}
WEATHER_SHARES = {
    "clear": 0.38,
    "overcast": 0.20,
    "dusk": 0.12,
    "night": 0.12,
    "fog": 0.08,
    "rain": 0.10,
}
CURVATURE = {"city": 0.0012, "suburb": 0.003, "highway": 0.0012, "rural": 0.004}  # 1/m, deviation
MAX_CURVATURE = 0.009
SIGHT_M = 330  # metres of road ahead of the camera that must exist

WHEELBASE_M = 2.7
LOOK_AHEAD_M = 12.0


@dataclass(frozen=True)
class Scene:
    """All that there is to draw. `steering` is the label of the ego task, in degrees."""

    seed: int
    place: str
    weather: str
    road: Road
    light: Light
    things: tuple[Thing, ...]
    ego: Ego
    lane: int

    @property
    def steering(self) -> float:
        """Steering angle towards the lane centre ahead, degrees, positive to the right.

        Source: Coulter 1992, "Implementation of the Pure Pursuit Path Tracking Algorithm".
        """
        aim = float(self.road.centre(LOOK_AHEAD_M, self.ego)) + self.road.lane_centre(self.lane)
        # steering = atan(wheelbase * 2 * aim / distance^2)
        return math.degrees(math.atan(2 * WHEELBASE_M * aim / (LOOK_AHEAD_M**2 + aim**2)))


def _sample_lanes(dice: Dice, place: str) -> tuple[int, int]:
    if place == "city":
        return dice.integer(1, 2), dice.integer(1, 2)
    if place == "highway":
        return 0, dice.integer(2, 4)
    return 1, 1


def _sample_sidewalk(dice: Dice, place: str) -> float:
    if place == "city":
        return dice.uniform(2.2, 4.0)
    if place == "suburb" and dice.chance(0.75):
        return dice.uniform(1.3, 2.1)
    return 0.0


def _sample_patches(dice: Dice, left: float, right: float, length: float):
    """Places where the road was mended: station, offset, length and width in metres."""
    count = dice.integer(0, 3) * max(1, int(length / 60))
    return tuple(
        (
            dice.uniform(4, length),
            dice.uniform(left, right),
            dice.uniform(1.5, 9),
            dice.uniform(0.6, 2),
        )
        for _ in range(count)
    )


def sample_road(dice: Dice, place: str, curvature: np.ndarray, length: float) -> Road:
    """Draws lanes, markings, crossings and repairs of a road with the given curve."""
    lane_width = dice.uniform(3.0, 3.6)
    left, right = _sample_lanes(dice, place)
    has_parking = place in ("city", "suburb") and dice.chance(0.6)
    parking = dice.uniform(2.1, 2.4) if has_parking else 0.0
    shoulder = (1.0, 2.4) if place == "highway" else (0.35, 0.35)
    edge_left = -left * lane_width - shoulder[0] - (parking if left else 0)
    edge_right = right * lane_width + shoulder[1] + parking
    marked = place != "suburb" or dice.chance(0.7)
    double = "double" if dice.chance(0.4) else "dashed"
    dash_period, dash_length = dice.pick(((9, 3), (12, 6), (6, 3)))
    crossing_chance = {"city": 0.45, "suburb": 0.3}.get(place, 0)
    crossings = []
    for start in range(0, int(length), 60):
        if dice.chance(crossing_chance):
            crossings.append(start + dice.uniform(8, 30))
    return Road(
        curvature=curvature,
        lane_width=lane_width,
        lanes_left=left,
        lanes_right=right,
        edge_left=edge_left,
        edge_right=edge_right,
        parking=parking,
        sidewalk=_sample_sidewalk(dice, place),
        centre_line=double if marked and left else "none",
        edge_lines=place != "suburb",
        lane_lines=marked,
        yellow=dice.chance(0.35),
        dash_period=dash_period,
        dash_length=dash_length,
        wear=dice.uniform(0.6, 1.0),
        crossings=tuple(crossings),
        patches=_sample_patches(dice, edge_left, edge_right, length),
    )


def sample_curvature(dice: Dice, place: str) -> float:
    """Curvature of a road of this place, in 1/m."""
    return float(np.clip(dice.normal(CURVATURE[place]), -MAX_CURVATURE, MAX_CURVATURE))


def check_choice(name: str, value: str | None, choices: tuple[str, ...]) -> None:
    """Raises ValueError unless value is None or one of the choices."""
    if value is not None and value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}.")


def sample_scene(seed: int, place: str | None = None, weather: str | None = None) -> Scene:
    """Draws a scene from its seed. place and weather are drawn too unless given.

    Raises ValueError if the seed is negative or if place or weather is unknown.
    """
    if seed < 0:
        raise ValueError(f"seed must be a whole number of 0 or more, got {seed}.")
    check_choice("place", place, PLACES)
    check_choice("weather", weather, WEATHERS)
    dice = Dice(seed)
    drawn_place, drawn_weather = dice.weighted(PLACE_SHARES), dice.weighted(WEATHER_SHARES)
    place, weather = place or drawn_place, weather or drawn_weather
    curve = np.full(int(BEHIND_M) + SIGHT_M, sample_curvature(dice, place))
    road = sample_road(dice, place, curve, length=40)
    light = sample_light(dice, weather)
    lane = dice.integer(0, road.lanes_right - 1)
    ego = Ego(offset=road.lane_centre(lane) + dice.normal(0.25), yaw=dice.normal(0.03))
    things = populate(dice, place, road, light, start=0, length=135, lane=lane)
    return Scene(seed, place, weather, road, light, things, ego, lane)
