"""From painted colours to a camera image: light, headlights, fog, rain, glow and noise."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from roads.camera import Camera
from roads.canvas import Glow
from roads.dice import Dice
from roads.labels import MARKING, ROAD, SKY
from roads.weather import Light

BEAM = np.array([1.0, 0.94, 0.80], np.float32)
LAMP = np.array([0.62, 0.50, 0.32], np.float32)


def headlights(camera: Camera, depth: np.ndarray) -> np.ndarray:
    """Brightness of the own headlights at each pixel, float32 [H, W]."""
    columns = np.arange(camera.width, dtype=np.float32) + np.float32(0.5 - camera.centre)
    rows = np.arange(camera.height, dtype=np.float32) + np.float32(0.5 - camera.horizon)
    sideways = columns[None] / np.float32(camera.focal)
    # beam = exp(-(x / width)^2) * exp(-depth / 36 m), cut off above the horizon
    spread = 0.15 + 2.4 / depth
    beam = np.exp(-((sideways / spread) ** 2) - depth * np.float32(1 / 36))
    beam *= np.clip(rows / (0.11 * camera.height) + 0.45, 0, 1)[:, None]
    return beam


def light_up(image, camera: Camera, light: Light, seg, depth, emits, pools) -> None:
    """Tints what was painted in daylight colours, in place. The sky keeps its own colour.

    image: float32 [3, H, W], as everywhere in this module.
    emits: [H, W], share that shines by itself. pools: [H, W], light of street lamps, or None.
    """
    strength = light.tint[:, None, None]
    if light.weather == "night":
        strength = strength + (BEAM * np.float32(1.2))[:, None, None] * headlights(camera, depth)
    if pools is not None:
        strength = strength + LAMP[:, None, None] * pools
    if emits is not None:
        strength = strength + (1 - strength) * emits
    image *= np.where(seg == SKY, np.float32(1), strength)


def add_haze(image: np.ndarray, light: Light, seg: np.ndarray, depth: np.ndarray) -> None:
    """Mixes in the colour of the air, in place.

    seen = t * colour + (1 - t) * air with t = exp(-haze * depth). Source: Koschmieder 1924.
    """
    through = np.exp(depth * np.float32(-light.haze))
    if light.weather != "fog":
        through[seg == SKY] = 1
    air = np.array(light.mood.horizon, np.float32)[:, None, None]
    image -= air
    image *= through
    image += air


def add_reflections(image: np.ndarray, camera: Camera, light: Light, seg: np.ndarray) -> None:
    """Mirrors what stands above the horizon in a wet road, in place."""
    horizon = math.ceil(camera.horizon)
    rows = min(camera.height - horizon, horizon)
    above = image[:, horizon - rows : horizon][:, ::-1].transpose(1, 2, 0)
    above = np.ascontiguousarray(np.clip(above, 0, 255).astype(np.uint8))
    mirror = Image.fromarray(above).filter(ImageFilter.BoxBlur(camera.width / 128))
    small = mirror.resize((camera.width, max(1, rows // 6)), Image.Resampling.BOX)
    mirror = np.asarray(small.resize((camera.width, rows), Image.Resampling.BICUBIC), np.float32)
    fade = np.clip((rows - np.arange(rows, dtype=np.float32)) / (0.35 * rows), 0, 1)
    part = slice(horizon, horizon + rows)
    wet = ((seg[part] == ROAD) | (seg[part] == MARKING)) * (fade * np.float32(light.wet))[:, None]
    wet = wet.astype(np.float32)
    image[:, part] *= 1 - wet * np.float32(0.6)
    image[:, part] += mirror.transpose(2, 0, 1) * (wet * np.float32(0.85))


def _hidden(glow: Glow, depth: np.ndarray) -> bool:
    """Whether something nearer covers the middle of a glow."""
    row, column = int(glow.row), int(glow.column)
    inside = 0 <= row < depth.shape[0] and 0 <= column < depth.shape[1]
    return inside and depth[row, column] < glow.depth - 1.0


def add_glows(image: np.ndarray, glows: list[Glow], depth: np.ndarray) -> None:
    """Adds the shine of lamps, in place: a small bright core and a wide faint halo."""
    height, width = image.shape[1:]
    for glow in glows:
        reach = int(glow.radius * 3) + 1
        x0, x1 = max(0, int(glow.column) - reach), min(width, int(glow.column) + reach + 1)
        y0, y1 = max(0, int(glow.row) - reach), min(height, int(glow.row) + reach + 1)
        if x0 >= x1 or y0 >= y1 or _hidden(glow, depth):
            continue
        radius = max(glow.radius, 0.8)
        strength = glow.strength * min(1.0, (glow.radius / 0.8) ** 2)
        columns = np.arange(x0, x1, dtype=np.float32) + np.float32(0.5 - glow.column)
        rows = np.arange(y0, y1, dtype=np.float32) + np.float32(0.5 - glow.row)
        # A Gaussian is the product of one along the columns and one along the rows.
        patch = 0.62 * np.outer(
            np.exp(-(rows**2) / (0.25 * radius**2)), np.exp(-(columns**2) / (0.25 * radius**2))
        )
        patch += 0.22 * np.outer(
            np.exp(-(rows**2) / (1.6 * radius**2)), np.exp(-(columns**2) / (1.6 * radius**2))
        )
        patch = (patch * strength).astype(np.float32)
        image[:, y0:y1, x0:x1] += np.array(glow.colour, np.float32)[:, None, None] * patch


def add_rain(image: np.ndarray, dice: Dice) -> None:
    """Streaks of falling drops, in place."""
    height, width = image.shape[1:]
    layer = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(layer)
    slant = dice.uniform(-0.15, 0.15)
    for _ in range(height * width // 480):
        x, y = dice.uniform(0, width), dice.uniform(0, height)
        length = dice.uniform(0.025, 0.075) * height
        draw.line((x, y, x + slant * length, y + length), fill=dice.integer(16, 54))
    image += np.asarray(layer).astype(np.float32) * np.float32(0.55)


def expose(image: np.ndarray, light: Light, rng: np.random.Generator) -> np.ndarray:
    """Vignetting, exposure, white balance and noise; returns uint8 [H, W, 3]."""
    height, width = image.shape[1:]
    rows = (np.arange(height, dtype=np.float32) / height - np.float32(0.5)) ** 2
    columns = (np.arange(width, dtype=np.float32) / width - np.float32(0.5)) ** 2
    falloff = 1 - np.float32(0.34) * rows[:, None] - np.float32(0.42) * columns[None]
    image *= falloff
    image *= np.array(light.exposure, np.float32)[:, None, None]
    noise = rng.standard_normal((height, width), dtype=np.float32)
    noise *= np.float32(light.noise)
    image += noise
    levels = np.clip(image, 0, 255, out=image).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))
