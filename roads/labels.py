"""The classes, the colours and the sample of the road scenes. Taught in chapter 12."""

from dataclasses import dataclass, field

import numpy as np

CLASSES = (
    "sky",
    "road",
    "marking",
    "sidewalk",
    "vegetation",
    "building",
    "vehicle",
    "person",
    "sign",
)
SKY, ROAD, MARKING, SIDEWALK, VEGETATION, BUILDING, VEHICLE, PERSON, SIGN = range(9)
IGNORE = 255  # own data only: a pixel that belongs to none of the nine classes
MAX_DEPTH = 200.0  # metres; the sky and all that lies farther away

PLACES = ("city", "suburb", "highway", "rural")
WEATHERS = ("clear", "overcast", "dusk", "night", "fog", "rain")

PALETTE = np.array(
    [
        (110, 170, 215),
        (118, 74, 122),
        (248, 248, 244),
        (224, 138, 214),
        (96, 140, 52),
        (84, 84, 90),
        (24, 40, 150),
        (214, 40, 57),
        (246, 204, 38),
    ],
    np.uint8,
)


@dataclass(frozen=True)
class Box:
    """One vehicle or person: corners in pixels (x1 and y1 are one past the end), distance in m."""

    class_id: int
    x0: int
    y0: int
    x1: int
    y1: int
    distance_m: float


@dataclass
class RoadSample:
    """One image with its labels.

    image: uint8 [H, W, 3]. segmentation: uint8 [H, W], indices into CLASSES.
    depth: float32 [H, W] in metres along the viewing direction (None where own data has none).
    steering: degrees, positive to the right (None where own data has none).
    vehicles: how many vehicles have a box. place, weather: one of PLACES, WEATHERS.
    """

    image: np.ndarray
    segmentation: np.ndarray
    depth: np.ndarray | None
    steering: float | None
    vehicles: int | None
    boxes: list[Box] = field(default_factory=list)
    place: str = "unknown"
    weather: str = "unknown"

    def __repr__(self) -> str:
        height, width = self.segmentation.shape
        steering = "unknown" if self.steering is None else f"{self.steering:+.2f} degrees"
        return (
            f"RoadSample({height}x{width}, {self.place}, {self.weather}, "
            f"steering {steering}, {self.vehicles} vehicles)"
        )


def colour_labels(segmentation: np.ndarray) -> np.ndarray:
    """Label colours of a segmentation: uint8 [..., H, W] to uint8 [..., H, W, 3].

    Pixels marked IGNORE become black.
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(PALETTE)] = PALETTE
    return table[segmentation]
