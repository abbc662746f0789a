"""What stands, walks or drives beside and on the road. All choices of looks are made here."""

from dataclasses import dataclass

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Thing:
    """station, offset: metres along and to the right of the road's centre line.

    speed: metres a second along the road, negative towards the camera.
    """

    station: float
    offset: float
    speed: float = 0.0


@dataclass(frozen=True)
class Vehicle(Thing):
    kind: str = "hatchback"
    colour: Colour = (120, 120, 120)
    facing: int = 1  # +1: seen from behind, -1: oncoming
    braking: bool = False


@dataclass(frozen=True)
class Person(Thing):
    height: float = 1.75
    top: Colour = (90, 90, 90)
    legs: Colour = (40, 44, 60)
    skin: Colour = (200, 160, 130)
    hair: Colour = (40, 30, 22)
    build: float = 1.0
    stride: float = 0.6
    facing: int = 1
    bag: bool = False
    bicycle: str = "none"  # "none", "along" or "across"


@dataclass(frozen=True)
class Plant(Thing):
    kind: str = "broad"  # "broad", "conifer" or "bush"
    variant: int = 0
    height: float = 6.0
    tone: int = 1  # 0 dark, 1, 2 bright


@dataclass(frozen=True)
class Lamp(Thing):
    height: float = 6.0
    side: int = 1


@dataclass(frozen=True)
class Sign(Thing):
    kind: str = "no_entry"
    height: float = 2.3
    radius: float = 0.42


@dataclass(frozen=True)
class TrafficLight(Thing):
    shows: int = 2  # 0 red, 1 amber, 2 green


@dataclass(frozen=True)
class Rail(Thing):
    length: float = 8.0
    side: int = 1


@dataclass(frozen=True)
class Gantry(Thing):
    left: float = -2.0
    right: float = 12.0
    height: float = 6.6
    colour: Colour = (24, 74, 150)


@dataclass(frozen=True)
class House(Thing):
    length: float = 10.0
    depth: float = 7.0
    height: float = 5.0
    roof: float = 2.2
    side: int = 1
    wall: Colour = (205, 195, 178)
    tiles: Colour = (126, 74, 58)
    lit: int = 0  # bits: which windows are lit at night


@dataclass(frozen=True)
class Block(Thing):
    """A city building that lines the street; offset is that of its front wall."""

    length: float = 14.0
    height: float = 15.0
    side: int = 1
    wall: Colour = (176, 150, 128)
    awning: Colour = (150, 40, 36)
    window: float = 2.6  # metres from one window to the next
    storey: float = 3.2
    style: int = 0
    seed: int = 0
