"""Puts things beside and on the road."""

from collections.abc import Iterator

from roads.dice import Dice
from roads.road import Road
from roads.things import (
    Block,
    Gantry,
    House,
    Lamp,
    Plant,
    Rail,
    Sign,
    Thing,
    TrafficLight,
)
from roads.traffic import parked_vehicles, people, traffic
from roads.weather import Light

WALLS = (
    (176, 150, 128),
    (152, 100, 82),
    (190, 180, 165),
    (146, 150, 154),
    (206, 196, 178),
    (124, 106, 96),
    (172, 176, 180),
    (212, 190, 152),
    (166, 92, 74),
    (196, 204, 206),
)
TILES = ((128, 72, 56), (104, 62, 52), (88, 84, 86), (142, 88, 64), (70, 66, 70))
AWNINGS = ((150, 40, 36), (40, 84, 62), (38, 60, 112), (190, 168, 118), (96, 40, 66))
SIGNS = {
    "city": ("no_entry", "warning", "crossing", "stop", "priority", "limit", "parking"),
    "suburb": ("warning", "crossing", "stop", "priority", "limit", "parking"),
    "highway": ("warning", "priority", "limit"),
    "rural": ("warning", "priority", "limit", "stop"),
}
SIDES = (-1, 1)


def _beside(road: Road, side: int, distance: float) -> float:
    """Offset of a point `distance` metres outside the road's edge on one side."""
    return road.edge_right + distance if side > 0 else road.edge_left - distance


def _toned(dice: Dice, colour, low: float, high: float):
    tone = dice.uniform(low, high)
    return tuple(min(255, int(channel * tone)) for channel in colour)


def _blocks(dice: Dice, road: Road, start: float, end: float) -> Iterator[Thing]:
    for side in SIDES:
        station = start - dice.uniform(4, 14)
        setback = road.sidewalk + dice.uniform(0.0, 1.0)
        while station < end:
            length = dice.uniform(9, 22)
            yield Block(
                station,
                _beside(road, side, setback + dice.pick((0, 0, 0.6, 1.2))),
                length=length,
                height=dice.uniform(7, 26),
                side=side,
                wall=_toned(dice, dice.pick(WALLS), 0.8, 1.05),
                awning=dice.pick(AWNINGS),
                window=dice.uniform(2.2, 3.2),
                storey=dice.uniform(2.9, 3.5),
                style=dice.integer(0, 3),
                seed=dice.integer(0, 10_000),
            )
            station += length + (dice.uniform(3, 9) if dice.chance(0.16) else 0.0)


def _houses(dice: Dice, road: Road, start: float, end: float, density: float) -> Iterator[Thing]:
    for side in SIDES:
        station = start + dice.uniform(2, 14)
        while station < end:
            length = dice.uniform(8, 12)
            if dice.chance(density):
                yield House(
                    station,
                    _beside(road, side, road.sidewalk + dice.uniform(5, 9)),
                    length=length,
                    depth=dice.uniform(6.5, 8.5),
                    height=dice.pick((3.0, 5.4, 5.6)) + dice.uniform(0, 0.5),
                    roof=dice.uniform(1.8, 2.8),
                    side=side,
                    wall=_toned(dice, dice.pick(WALLS), 0.9, 1.15),
                    tiles=_toned(dice, dice.pick(TILES), 0.8, 1.1),
                    lit=dice.integer(0, 255),
                )
            station += length + dice.uniform(3, 11)


def _trees(dice: Dice, place: str, road: Road, start: float, end: float) -> Iterator[Thing]:
    density = {"city": 0.42, "suburb": 0.7, "highway": 0.72, "rural": 0.8}[place]
    step = (3.5, 8) if place in ("highway", "rural") else (6, 12)
    for side in SIDES:
        station = start + dice.uniform(5, 12)
        while station < end:
            if dice.chance(density):
                conifer = place in ("highway", "rural") and dice.chance(0.35)
                distance = {
                    "city": 0.8,
                    "suburb": road.sidewalk + dice.uniform(0.9, 4.5),
                }.get(place, dice.uniform(3.5, 18))
                yield Plant(
                    station,
                    _beside(road, side, distance),
                    kind="conifer" if conifer else "broad",
                    variant=dice.integer(0, 1000),
                    height=dice.uniform(4.5, 6.5) if place == "city" else dice.uniform(5, 9.5),
                    tone=dice.integer(0, 2),
                )
            station += dice.uniform(*step)


def _bushes(dice: Dice, place: str, road: Road, start: float, end: float) -> Iterator[Thing]:
    if place == "city":
        return
    for side in SIDES:
        station = start + dice.uniform(4, 20)
        while station < min(end, start + 90) or (station < end and end - start > 200):
            yield Plant(
                station,
                _beside(road, side, road.sidewalk + dice.uniform(1.2, 6)),
                kind="bush",
                variant=dice.integer(0, 1000),
                height=dice.uniform(0.9, 2.0),
                tone=dice.integer(0, 2),
            )
            station += dice.uniform(6, 30)


def _posts(dice: Dice, place: str, road: Road, start: float, end: float) -> Iterator[Thing]:
    """Street lamps and signs."""
    has_lamps = dice.chance({"city": 1.0, "suburb": 0.6, "highway": 0.7, "rural": 0.1}[place])
    spacing = dice.uniform(24, 32)
    for side in SIDES:
        station = start + dice.uniform(8, 24)
        while has_lamps and station < end:
            height = 8.5 if place == "highway" else 6.2
            yield Lamp(station, _beside(road, side, 0.5), height=height, side=side)
            station += spacing
        station = start + dice.uniform(8, 24)
        while station < end:
            yield Sign(
                station,
                _beside(road, side, dice.uniform(0.5, 1.2)),
                kind=dice.pick(SIGNS[place]),
                height=dice.uniform(2.1, 2.6),
                radius=dice.uniform(0.38, 0.48) * (1.25 if place == "highway" else 1.0),
            )
            station += dice.uniform(9, 40)


def _traffic_lights(dice: Dice, place: str, road: Road) -> Iterator[Thing]:
    if place != "city":
        return
    for crossing in road.crossings:
        if dice.chance(0.6):
            shows = dice.integer(0, 2)
            for side in SIDES:
                yield TrafficLight(crossing + 3.8, _beside(road, side, 0.5), shows=shows)


def _highway_fixtures(dice: Dice, road: Road, start: float, end: float) -> Iterator[Thing]:
    length = 8.0
    for side in SIDES:
        if dice.chance(0.85):
            distance = dice.uniform(0.7, 1.3)
            for index in range(int((end - start) / length)):
                offset = _beside(road, side, distance)
                yield Rail(start + index * length, offset, length=length, side=side)
    station = start + dice.uniform(25, 110)
    while station < end:
        if dice.chance(0.5):
            colour = dice.pick(((24, 74, 150), (22, 104, 72)))
            left, right = _beside(road, -1, 1.6), _beside(road, 1, 1.6)
            yield Gantry(station, (left + right) / 2, left=left, right=right, colour=colour)
        station += dice.uniform(120, 260)


def populate(
    dice: Dice, place: str, road: Road, light: Light, start: float, length: float, lane: int
) -> tuple[Thing, ...]:
    """All the things along `length` metres of road from station `start`, standing still."""
    end = start + length
    things: list[Thing] = []
    if place == "city":
        things += _blocks(dice, road, start, end)
    elif place == "suburb":
        things += _houses(dice, road, start, end, density=0.75)
    elif place == "rural":
        things += _houses(dice, road, start + 20, end, density=0.12)
    things += _trees(dice, place, road, start, end)
    things += _bushes(dice, place, road, start, end)
    things += _posts(dice, place, road, start, end)
    things += _traffic_lights(dice, place, road)
    if place == "highway":
        things += _highway_fixtures(dice, road, start, end)
    things += traffic(dice, place, road, light, start, lane)
    things += parked_vehicles(dice, road, start, end)
    things += people(dice, place, road, start, end)
    return tuple(things)
