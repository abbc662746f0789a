"""The bank of noise textures and plant pictures that all scenes share. Made once a process."""

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from PIL import Image

SIZE = 256  # texels along a side of a noise texture; a power of two, so that & wraps around
SPRITE = 192
TONES = (0.82, 0.94, 1.06)
SPRITE_KINDS = {"broad": 14, "conifer": 6, "bush": 6}


@dataclass(frozen=True)
class Bank:
    """fine, medium, clouds: float32 textures [SIZE, SIZE] that tile; fine and medium lie in
    [-0.5, 0.5], clouds in [0, 1]. plants: for each kind a list of pictures uint8
    [SPRITE, SPRITE, 4] (red, green, blue, mask).
    """

    fine: list[np.ndarray]
    medium: list[np.ndarray]
    clouds: list[np.ndarray]
    plants: dict[str, list[np.ndarray]]


def fractal_noise(rng, size: int, cells: int, octaves: int, gain: float) -> np.ndarray:
    """Smooth random texture float32 [size, size] in [0, 1] whose edges fit together."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        count = min(cells * 2**octave, size)
        lattice = np.pad(rng.random((count, count), dtype=np.float32), 2, mode="wrap")
        box = (2, 2, count + 2, count + 2)
        layer = Image.fromarray(lattice).resize((size, size), Image.Resampling.BICUBIC, box=box)
        total += gain**octave * np.asarray(layer)
    total -= total.min()
    return total / total.max()


def sample(texture: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Texture values at [R, 1] or [R, C] integer rows and [R, C] integer columns, wrapped."""
    index = ((rows & (SIZE - 1)) * SIZE) + (columns & (SIZE - 1))
    return texture.ravel().take(index)


def _leaves(rng, blobs, across, down, texture):
    """Overlapping leafy balls lit from the upper left: mask and light, both [n, n]."""
    mask = np.zeros_like(across)
    light = np.zeros_like(across)
    for x, y, radius in blobs:
        dx, dy = (across - x) / radius, (down - y) / radius
        bulge = 1 - dx**2 - dy**2 + (texture - 0.5) * 1.3
        nearer = bulge > mask
        height = np.sqrt(np.clip(1 - dx**2 - dy**2, 0, 1))
        # Lambert: light = normal . direction towards the sun
        lambert = 0.38 - 0.46 * dx - 0.62 * dy + 0.3 * height
        light[nearer] = lambert[nearer]
        mask = np.maximum(mask, bulge)
    return mask, light


def _broad_shape(rng, across, down, texture):
    blobs = [(0.5, 0.36, 0.2)]
    for _ in range(rng.integers(20, 30)):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.06, 0.29)
        x, y = 0.5 + reach * np.cos(angle), 0.36 + 0.85 * reach * np.sin(angle)
        blobs.append((x, y, rng.uniform(0.07, 0.125)))
    mask, light = _leaves(rng, blobs, across, down, texture)
    return mask > 0.12, light * (1.1 - 0.45 * down)


def _conifer_shape(rng, across, down, texture):
    height = np.clip((down - 0.03) / 0.83, 0, 1)
    tier = (height * rng.integers(5, 9)) % 1
    half_width = 0.02 + 0.27 * height * (0.55 + 0.45 * tier)
    inside = np.abs(across - 0.5) + (texture - 0.5) * 0.09 < half_width
    light = 0.62 - (across - 0.5) * 1.5 - 0.35 * tier
    return inside & (down < 0.88) & (down > 0.03), light


def _bush_shape(rng, across, down, texture):
    blobs = []
    for _ in range(9):
        x, y = rng.uniform(0.2, 0.8), rng.uniform(0.6, 0.82)
        blobs.append((x, y, rng.uniform(0.13, 0.22)))
    mask, light = _leaves(rng, blobs, across, down, texture)
    return (mask > 0.12) & (down < 0.985), light


def _leaf_colour(rng, kind: str) -> np.ndarray:
    if kind == "conifer":
        return np.array([52, 88, 56]) * rng.uniform(0.8, 1.15)
    if kind == "broad" and rng.random() < 0.14:
        return np.array([184, 116, 48]) * rng.uniform(0.8, 1.0)
    return np.array([rng.uniform(66, 116), rng.uniform(102, 142), rng.uniform(36, 58)])


def plant_picture(rng, kind: str) -> np.ndarray:
    """A plant seen from the side: uint8 [SPRITE, SPRITE, 4], colours and mask."""
    down, across = np.mgrid[0:SPRITE, 0:SPRITE].astype(np.float32) / SPRITE
    texture = fractal_noise(rng, SPRITE, 24, 4, 0.85)
    shape = {"broad": _broad_shape, "conifer": _conifer_shape, "bush": _bush_shape}[kind]
    mask, light = shape(rng, across, down, texture)
    shade = (0.42 + 0.8 * np.clip(light, 0, 1)) * (0.5 + texture)
    colour = _leaf_colour(rng, kind) * shade[..., None]
    if kind != "bush":
        lean = rng.uniform(-0.04, 0.04) * (0.95 - down)
        width = 0.013 + 0.028 * np.clip(down - 0.45, 0, 1)
        trunk = (np.abs(across - 0.5 - lean) < width) & (down > 0.5) & ~mask
        bark = (
            np.array([88, 70, 54]) * (0.75 - (across - 0.5) * 6 + 0.4 * (texture - 0.5))[..., None]
        )
        colour = np.where(trunk[..., None], bark, colour)
        mask = mask | trunk
    picture = np.dstack([colour, mask * 255.0])
    return np.clip(picture, 0, 255).astype(np.uint8)


@cache
def plant_pyramid(kind: str, index: int, tone: int) -> list[Image.Image]:
    """A plant's picture at full, 1/2, 1/4 and 1/8 size, so that shrinking it stays quick.

    tone: a step of TONES. Colours are weighted with the mask: no dark rim appears.
    """
    picture = bank().plants[kind][index].astype(np.float32)
    weighted = picture * (picture[..., 3:] / 255)
    weighted[..., :3] *= np.float32(TONES[tone])
    plain = weighted[..., :3].sum((0, 1)) / weighted[..., 3].sum() * 255
    levels = []
    for _ in range(4):
        weight = weighted[..., 3:]
        colour = np.where(weight > 1, weighted[..., :3] * 255 / np.maximum(weight, 1), plain)
        stacked = np.clip(np.dstack([colour, weight]), 0, 255).astype(np.uint8)
        levels.append(Image.frombytes("CMYK", stacked.shape[:2], stacked.tobytes()))
        weighted = weighted[::2] + weighted[1::2]
        weighted = (weighted[:, ::2] + weighted[:, 1::2]) / 4
    return levels


@lru_cache(maxsize=1)
def bank() -> Bank:
    """The shared textures and pictures. Always the same ones."""
    rng = np.random.default_rng(1998)
    plants = {
        kind: [plant_picture(rng, kind) for _ in range(count)]
        for kind, count in SPRITE_KINDS.items()
    }
    return Bank(
        fine=[fractal_noise(rng, SIZE, 64, 3, 0.7) - 0.5 for _ in range(2)],
        medium=[fractal_noise(rng, SIZE, 8, 5, 0.6) - 0.5 for _ in range(3)],
        clouds=[fractal_noise(rng, SIZE, 3, 6, 0.55) for _ in range(5)],
        plants=plants,
    )
