"""City buildings that line the street, drawn by casting one ray for each image column.

A wall's distance is the same for a whole column, so windows are found from two numbers: the
metres along the wall (one for each column) and the height (one for each pixel).
"""

from dataclasses import dataclass

import numpy as np

from roads.camera import HEIGHT_M, Camera
from roads.textures import bank
from roads.things import Block
from roads.weather import Light

LAYERS = 5  # buildings behind one another that one column can show
BEHIND_STREET_M = 14.0
NEAREST_M = 1.0
GLASS = np.array([60, 74, 90], np.float32)
WARM = np.array([255, 212, 132], np.float32)
SHOP = np.array([56, 60, 68], np.float32)


@dataclass(frozen=True)
class Walls:
    """Upright walls: start and end [S, 2] as (x, z) in metres, colour and awning [3, S], and
    one value for each wall."""

    start: np.ndarray
    end: np.ndarray
    height: np.ndarray
    shine: np.ndarray
    front: np.ndarray
    colour: np.ndarray
    awning: np.ndarray
    window: np.ndarray
    storey: np.ndarray
    style: np.ndarray
    seed: np.ndarray


@dataclass(frozen=True)
class Facades:
    """What the columns see. mask: bool [H, W]. colour: [3, N] for the N pixels of the mask,
    cover: [N], depth: [N] in metres, emits: [N], share of the colour that shines by itself.
    """

    mask: np.ndarray
    colour: np.ndarray
    cover: np.ndarray
    depth: np.ndarray
    emits: np.ndarray


def build_walls(blocks: list[tuple[Block, tuple, tuple, float]], light: Light) -> Walls:
    """Front wall and near end wall of each block, given with both ends of its front and its
    share of height (blocks grow out of the ground at the limit of sight).
    """
    start, end, values = [], [], []
    for block, near, far, grown in blocks:
        deep = (near[0] + block.side * BEHIND_STREET_M, near[1])
        for first, second, front in ((near, far, 1.0), (near, deep, 0.0)):
            start.append(first)
            end.append(second)
            normal = (-block.side, 0.0) if front else (0.0, -1.0)
            shine = light.on_wall(*normal) * (1.0 if front else 0.9)
            values.append(
                (
                    block.height * grown,
                    shine,
                    front,
                    *block.wall,
                    *block.awning,
                    block.window,
                    block.storey,
                    block.style,
                    block.seed,
                )
            )
    table = np.array(values, np.float32)
    return Walls(
        np.array(start),
        np.array(end),
        *(table[:, k] for k in range(3)),
        np.ascontiguousarray(table[:, 3:6].T),
        np.ascontiguousarray(table[:, 6:9].T),
        *(table[:, k] for k in range(9, 13)),
    )


def _hits(walls: Walls, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Depth and metres along the wall where each column's ray meets each wall, [S, W] each.

    The ray is x = t * z. With p = start + s * (end - start) on the wall,
    s = (t * z0 - x0) / ((x1 - x0) - t * (z1 - z0)); no hit gives an infinite depth.
    """
    ray = (np.arange(camera.width) + 0.5 - camera.centre)[None] / camera.focal
    x0, z0 = walls.start[:, :1], walls.start[:, 1:]
    dx, dz = walls.end[:, :1] - x0, walls.end[:, 1:] - z0
    denominator = dx - ray * dz
    denominator = np.where(np.abs(denominator) < 1e-9, 1e-9, denominator)
    share = (ray * z0 - x0) / denominator
    depth = z0 + share * dz
    seen = (share >= 0) & (share <= 1) & (depth > NEAREST_M)
    return np.where(seen, depth, np.inf), share * np.hypot(dx, dz)


def _visible(depth: np.ndarray, along: np.ndarray, walls: Walls, camera: Camera):
    """The nearest LAYERS walls of each column: wall index, depth, metres along, top row."""
    order = np.argsort(depth, axis=0)[:LAYERS]
    near = np.take_along_axis(depth, order, 0)
    metres = np.take_along_axis(along, order, 0)
    # row = horizon - focal * (height - camera height) / depth
    top = camera.horizon - camera.focal * (walls.height[order] - HEIGHT_M) / near
    top = np.where(np.isfinite(near), top, np.inf)
    return order, near, metres, top


def _assign(top: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Which layer each pixel shows (LAYERS: none), and how much of the pixel is below its top."""
    rows = np.arange(camera.height, dtype=np.float32)[:, None] + np.float32(0.5)
    layer = np.full((camera.height, camera.width), len(top), np.int8)
    skyline = np.minimum.reduce(top)
    for index in range(len(top) - 1, -1, -1):
        limit = top[index].astype(np.float32)
        # The highest of all tops also takes the pixels it covers by less than a half.
        limit = np.where(top[index] == skyline, limit - 0.5, limit)
        layer[rows > limit[None]] = index
    cover = np.clip(rows - skyline.astype(np.float32)[None] + 0.5, 0, 1)
    return layer, cover


def _stripes(position, period, width, pixel):
    """Share of a pixel inside stripes `width` wide, one every `period`, antialiased."""
    phase = position / period
    distance = np.abs(phase - np.floor(phase) - np.float32(0.5)) * period
    return np.clip((width / 2 - distance) / pixel + 0.5, 0, 1)


def _random(seed, first, second):
    """A reproducible number in [0, 1) for each window, read from a noise texture."""
    index = (seed * 7 + first * 37 + second * 101).astype(np.int32) & 0xFFFF
    return (bank().fine[0].ravel().take(index) * 97.0) % 1.0


def _paint(walls: Walls, wall, along, height, pixel, light: Light):
    """Colour [3, N] and emission [N] of wall points."""
    colour = walls.colour[:, wall] * walls.shine[wall]
    front = walls.front[wall]
    storey, spacing = walls.storey[wall], walls.window[wall]
    style = walls.style[wall]
    shop = height < 3.6
    upper = (height - np.float32(3.6)) / storey
    # Style 0: square windows, 1: tall ones, 2: bands of glass, 3: wide ones with a lintel.
    wide = np.array([0.52, 0.42, 0.92, 0.66], np.float32)[style.astype(np.int8)]
    tall = np.array([0.52, 0.66, 0.5, 0.46], np.float32)[style.astype(np.int8)]
    windows = _stripes(along, spacing, spacing * wide, pixel)
    windows *= _stripes(height - np.float32(3.6), storey, storey * tall, pixel)
    top = walls.height[wall]
    windows *= front * ~shop * (height < top - 0.9)
    column, floor = np.floor(along / spacing), np.floor(upper)
    draw = _random(walls.seed[wall], column, floor)
    lit_share = {"night": 0.4, "dusk": 0.22}.get(light.weather, -1.0)
    lit = draw < lit_share
    sheen = np.float32(0.72) + np.float32(0.7) * ((upper % 1) * (0.4 + draw))
    pane = np.where(lit, WARM[:, None], GLASS[:, None] * sheen)
    emits = windows * lit
    # Ledges between the storeys and a cornice at the top.
    ledge = _stripes(height - np.float32(3.6) + storey / 2, storey, np.float32(0.22), pixel)
    tone = 1 + 0.1 * ledge * front * (style != 2) + 0.16 * (height > top - 0.5)
    tone -= 0.16 * ((height > top - 0.9) & (height < top - 0.5))
    colour *= tone.astype(np.float32)
    colour += (pane - colour) * windows
    _paint_shops(colour, emits, walls, wall, along, height, pixel, light)
    return colour, emits


def _paint_shops(colour, emits, walls: Walls, wall, along, height, pixel, light: Light) -> None:
    """Shop windows, doors and awnings of the ground floor, in place."""
    ground = np.flatnonzero((height < 3.6) & (walls.front[wall] > 0))
    if len(ground) == 0:
        return
    wall, along, height, pixel = wall[ground], along[ground], height[ground], pixel[ground]
    pane = _stripes(along, np.float32(4.2), np.float32(3.5), pixel)
    pane *= np.clip((height - 0.45) / pixel + 0.5, 0, 1) * np.clip((2.7 - height) / pixel, 0, 1)
    open_late = _random(walls.seed[wall], np.floor(along / 4.2), height * 0) < 0.7
    shining = open_late * {"night": 0.8, "dusk": 0.7, "rain": 0.25}.get(light.weather, 0.0)
    shining = shining.astype(np.float32)
    glass = SHOP[:, None] * (0.8 + 0.25 * height)
    glass += (WARM[:, None] * np.float32(0.88) - glass) * shining
    part = colour[:, ground]
    part += (glass - part) * pane
    shade = np.clip((height - 2.7) / pixel, 0, 1) * np.clip((3.35 - height) / pixel, 0, 1)
    shade *= _random(walls.seed[wall], np.float32(3), np.float32(5)) < 0.75
    awning = walls.awning[:, wall] * walls.shine[wall]
    striped = (walls.seed[wall] % 2 == 0) & (np.floor(along / 0.5) % 2 == 0)
    awning = np.where(striped, awning * 0.5 + 112, awning)
    part += (awning - part) * shade
    colour[:, ground] = part
    emits[ground] = np.maximum(emits[ground], pane * shining)


def draw_facades(walls: Walls, camera: Camera, light: Light, ground_depth: np.ndarray) -> Facades:
    """Casts a ray for each column and paints what it meets above the ground.

    ground_depth: [H], metres at which each row meets the road plane, infinite above it.
    """
    depth, along = _hits(walls, camera)
    order, near, metres, top = _visible(depth, along, walls, camera)
    layer, cover = _assign(top, camera)
    column = np.arange(camera.width)
    nearest = np.append(near, np.full((1, camera.width), np.inf), 0).astype(np.float32)
    pixel_depth = nearest[layer, column[None]]
    mask = np.isfinite(pixel_depth) & (pixel_depth < ground_depth[:, None]) & (cover > 0)
    rows, columns = np.nonzero(mask)
    layers = layer[rows, columns]
    at_depth = pixel_depth[rows, columns]
    wall = order[layers, columns]
    pixel = at_depth / np.float32(camera.focal)
    height = HEIGHT_M - (rows + np.float32(0.5 - camera.horizon)) * pixel
    position = metres[layers, columns].astype(np.float32)
    # Metres along the wall that one column covers, from the slant of the wall.
    slant = np.abs(np.gradient(metres, axis=1))[layers, columns].astype(np.float32)
    smallest = np.maximum(pixel, np.minimum(slant, pixel * 12))
    colour, emits = _paint(walls, wall, position, height.astype(np.float32), smallest, light)
    return Facades(mask, colour, cover[rows, columns], at_depth, emits.astype(np.float32))
