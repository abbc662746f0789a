"""Vehicles, pedestrians and cyclists of a scene."""

from collections.abc import Iterator

from roads.dice import Dice
from roads.road import Road
from roads.things import Person, Vehicle
from roads.weather import Light

PAINTS = (
    (202, 203, 207),
    (234, 234, 232),
    (44, 46, 52),
    (92, 97, 104),
    (158, 28, 30),
    (30, 56, 116),
    (124, 129, 134),
    (58, 78, 68),
    (178, 164, 134),
    (26, 28, 32),
    (206, 118, 34),
    (66, 112, 162),
)
KINDS = {"hatchback": 0.3, "sedan": 0.26, "suv": 0.22, "van": 0.11, "truck": 0.07, "bus": 0.04}
TROUSERS = ((38, 44, 66), (62, 62, 68), (96, 80, 64), (26, 26, 30), (122, 122, 128))
SKINS = ((226, 182, 152), (192, 142, 112), (124, 86, 64), (238, 202, 174))
HAIRS = ((42, 32, 24), (94, 62, 38), (24, 20, 20), (156, 126, 84), (120, 118, 116))


def sample_vehicle(
    dice: Dice, station: float, offset: float, facing: int, kind: str | None = None
) -> Vehicle:
    """A vehicle of random kind and colour whose near end is at `station`."""
    paint = dice.pick(PAINTS)
    tone = dice.uniform(0.88, 1.08)
    return Vehicle(
        station,
        offset,
        kind=kind or dice.weighted(KINDS),
        colour=tuple(min(255, int(channel * tone)) for channel in paint),
        facing=facing,
        braking=dice.chance(0.25),
    )


def traffic(
    dice: Dice, place: str, road: Road, light: Light, start: float, lane: int
) -> Iterator[Vehicle]:
    """Vehicles in the lanes, at least a vehicle's length apart."""
    taken: list[tuple[int, float]] = []
    for _ in range(dice.integer(0, 7)):
        index = dice.integer(-road.lanes_left, road.lanes_right - 1)
        nearest = 6.5 if index == lane else 5.5
        distance = dice.log_uniform(nearest, 80)
        if any(other == index and abs(distance - far) < 13 for other, far in taken):
            continue
        taken.append((index, distance))
        offset = road.lane_centre(index) + dice.normal(0.2)
        yield sample_vehicle(dice, start + distance, offset, facing=1 if index >= 0 else -1)


def parked_vehicles(dice: Dice, road: Road, start: float, end: float) -> Iterator[Vehicle]:
    """Vehicles at the kerb, where the road has room to park. Crossings stay free."""
    if not road.parking:
        return
    for side in (-1, 1):
        if side < 0 and not road.lanes_left:
            continue
        edge = road.edge_right if side > 0 else road.edge_left
        station = start + dice.uniform(3.5, 10)
        while station < min(end, start + 75) or (station < end and end - start > 200):
            free = all(not -7 < station - crossing < 5 for crossing in road.crossings)
            if free and dice.chance(0.6):
                kind = dice.pick(("hatchback", "sedan", "suv", "hatchback", "van"))
                offset = edge - side * (road.parking / 2 + 0.1)
                yield sample_vehicle(dice, station, offset, facing=side, kind=kind)
            station += dice.uniform(5.8, 7.5)


def sample_person(dice: Dice, station: float, offset: float, bicycle: str = "none") -> Person:
    """A pedestrian, or a cyclist when `bicycle` is "along" or "across"."""
    child = bicycle == "none" and dice.chance(0.12)
    return Person(
        station,
        offset,
        height=dice.uniform(1.1, 1.4) if child else dice.uniform(1.56, 1.9),
        top=tuple(dice.integer(34, 228) for _ in range(3)),
        legs=dice.pick(TROUSERS),
        skin=dice.pick(SKINS),
        hair=dice.pick(HAIRS),
        build=dice.uniform(0.9, 1.18),
        stride=dice.uniform(0.1, 1.0),
        facing=dice.pick((-1, 1)),
        bag=dice.chance(0.3),
        bicycle=bicycle,
    )


def people(dice: Dice, place: str, road: Road, start: float, end: float) -> Iterator[Person]:
    """People on the sidewalks and crossings, cyclists at the edge of the road."""
    most = {"city": 8, "suburb": 5, "rural": 1, "highway": 0}[place]
    reach = end - start if end - start > 200 else 45
    for _ in range(dice.integer(0, most) * max(1, int(reach / 90))):
        side = dice.pick((-1, 1))
        edge = road.edge_right if side > 0 else road.edge_left
        distance = dice.log_uniform(6, 42) if reach == 45 else dice.uniform(5, reach)
        room = max(road.sidewalk, 1.2) * 0.85
        yield sample_person(dice, start + distance, edge + side * dice.uniform(0.45, room))
    for crossing in road.crossings:
        if end - start > 200:
            break
        for _ in range(dice.integer(0, 4)):
            offset = dice.uniform(road.edge_left, road.edge_right)
            station = start + crossing + dice.uniform(0.5, 2.7)
            yield sample_person(dice, station, offset, dice.pick(("none",) * 5 + ("across",)))
    cyclists = {"city": 1, "suburb": 1, "rural": 1, "highway": 0}[place]
    for _ in range(dice.integer(0, cyclists)):
        offset = road.edge_right - road.parking - dice.uniform(0.45, 0.7)
        yield sample_person(dice, start + dice.log_uniform(8, 55), offset, "along")
