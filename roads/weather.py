"""Weather and time of day: the colours of the sky, the sun, the haze, and how the camera sees."""

import math
from dataclasses import dataclass, replace

import numpy as np

from roads.dice import Dice


@dataclass(frozen=True)
class Mood:
    """What one kind of weather always looks like."""

    zenith: tuple[int, int, int]
    horizon: tuple[int, int, int]
    tint: tuple[float, float, float]
    cloud: tuple[int, int, int]
    clouds: float  # 0: none
    haze: tuple[float, float]  # range, per metre
    noise: tuple[float, float]  # range, grey levels
    sunny: bool = False
    lamps: bool = False


MOODS = {
    "clear": Mood(
        (74, 134, 208),
        (206, 224, 238),
        (1.14, 1.10, 1.02),
        (252, 252, 253),
        1.0,
        (0.0012, 0.0025),
        (1.0, 2.5),
        sunny=True,
    ),
    "overcast": Mood(
        (158, 166, 176),
        (208, 211, 214),
        (0.94, 0.96, 1.0),
        (146, 151, 158),
        0.6,
        (0.002, 0.005),
        (1.0, 3.0),
    ),
    "dusk": Mood(
        (82, 96, 152),
        (252, 180, 118),
        (1.0, 0.83, 0.72),
        (250, 176, 142),
        0.9,
        (0.002, 0.004),
        (1.5, 3.5),
        sunny=True,
        lamps=True,
    ),
    "night": Mood(
        (7, 9, 22),
        (34, 35, 56),
        (0.22, 0.24, 0.34),
        (30, 30, 44),
        0.35,
        (0.0015, 0.003),
        (2.5, 5.0),
        lamps=True,
    ),
    "fog": Mood(
        (190, 194, 198),
        (205, 208, 210),
        (0.88, 0.89, 0.90),
        (200, 202, 205),
        0.0,
        (0.018, 0.045),
        (1.0, 2.5),
        lamps=True,
    ),
    "rain": Mood(
        (112, 119, 129),
        (164, 170, 177),
        (0.66, 0.69, 0.74),
        (88, 94, 103),
        0.9,
        (0.006, 0.012),
        (1.5, 3.0),
        lamps=True,
    ),
}


@dataclass(frozen=True)
class Light:
    """The light of one scene. Angles in radians, azimuth 0 straight ahead, positive right."""

    weather: str
    mood: Mood
    azimuth: float
    elevation: float
    tint: np.ndarray
    haze: float
    exposure: tuple[float, float, float]
    noise: float
    wet: float  # 0 dry, 1 mirror
    cloud_texture: int
    cloud_offset: tuple[float, float]
    cloud_level: float
    cloud_edge: float
    cloud_scale: float

    def turned(self, heading: float) -> "Light":
        """The same light, seen by a camera that has turned by `heading` radians."""
        return replace(self, azimuth=self.azimuth - heading)

    @property
    def casts_shadows(self) -> bool:
        return self.mood.sunny

    @property
    def sun(self) -> tuple[float, float]:
        """Horizontal direction towards the sun: x right, z ahead."""
        return math.sin(self.azimuth), math.cos(self.azimuth)

    @property
    def shadow(self) -> tuple[float, float]:
        """Where the shadow of a point one metre high falls: x, z, in metres."""
        length = 1 / math.tan(self.elevation)
        return -math.sin(self.azimuth) * length, -math.cos(self.azimuth) * length

    def on_wall(self, normal_x: float, normal_z: float) -> float:
        """Brightness of an upright wall whose normal points to (normal_x, normal_z)."""
        if not self.mood.sunny:
            return 0.86 - 0.06 * normal_z
        # Lambert: brightness = ambient + direct * max(0, normal . sun)
        facing = normal_x * self.sun[0] + normal_z * self.sun[1]
        return 0.66 + 0.44 * max(0.0, facing)


def sample_light(dice: Dice, weather: str) -> Light:
    """Draws sun, haze, clouds and camera for one kind of weather."""
    mood = MOODS[weather]
    if weather == "dusk":
        azimuth, elevation = dice.pick((-1, 1)) * dice.uniform(0.15, 1.2), dice.uniform(0.13, 0.24)
    else:
        azimuth, elevation = dice.uniform(-math.pi, math.pi), dice.uniform(0.5, 1.05)
    brightness = dice.uniform(0.92, 1.1)
    exposure = dice.uniform(0.9, 1.1)
    wet = {"rain": dice.uniform(0.4, 0.7), "night": dice.uniform(-0.5, 0.5)}.get(weather, 0.0)
    return Light(
        weather=weather,
        mood=mood,
        azimuth=azimuth,
        elevation=elevation,
        tint=np.array(mood.tint, np.float32) * np.float32(brightness),
        haze=dice.uniform(*mood.haze),
        exposure=(
            exposure * dice.uniform(0.97, 1.03),
            exposure,
            exposure * dice.uniform(0.97, 1.03),
        ),
        noise=dice.uniform(*mood.noise),
        wet=max(0.0, wet),
        cloud_texture=dice.integer(0, 4),
        cloud_offset=(dice.uniform(0, 256), dice.uniform(0, 256)),
        cloud_level=dice.uniform(0.44, 0.62),
        cloud_edge=dice.uniform(3.0, 5.0),
        cloud_scale=dice.uniform(0.8, 1.25),
    )
