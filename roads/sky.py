"""The sky, its clouds and sun, and the far hills or skyline in front of it."""

import math

import numpy as np
from PIL import Image

from roads.camera import Camera
from roads.labels import BUILDING, MAX_DEPTH, SKY, VEGETATION
from roads.textures import bank, sample
from roads.weather import Light

CLOUD_STEP = 2  # clouds are computed on every second row and column


def _clouds(camera: Camera, rows: int, light: Light, heading: float) -> np.ndarray:
    """Share of each sky pixel that a cloud covers, float32 [rows, W]."""
    height, width = camera.height, camera.width
    step_rows = np.arange(0, rows, CLOUD_STEP, dtype=np.float32)
    columns = np.arange(0, width, CLOUD_STEP, dtype=np.float32) - camera.centre
    columns = (columns + np.float32(heading * camera.focal)) / np.float32(width)
    # A flat layer of clouds: its distance grows as the row nears the horizon.
    distance = (0.12 * height) / (camera.horizon - step_rows + 0.08 * height)
    along = (distance * 140 * light.cloud_scale + light.cloud_offset[0]).astype(np.int32)
    across = columns[None] * (distance * 650)[:, None] + light.cloud_offset[1] + 4096
    texture = bank().clouds[light.cloud_texture]
    density = sample(texture, along[:, None], across.astype(np.int32))
    cover = np.clip((density - light.cloud_level) * light.cloud_edge, 0, 1)
    cover *= np.clip(1.25 - distance / 1.6, 0.15, 1)[:, None]
    cover = cover.astype(np.float32) * np.float32(0.9 * light.mood.clouds)
    smooth = Image.fromarray(cover).resize((width, rows), Image.Resampling.BICUBIC)
    return np.asarray(smooth)


def _add_sun(sky: np.ndarray, camera: Camera, light: Light) -> None:
    """A bright disc with a halo, where the sun stands in the picture."""
    azimuth = light.azimuth
    if not light.casts_shadows or math.cos(azimuth) < 0.3:
        return
    column = camera.centre + camera.focal * math.tan(azimuth)
    row = camera.horizon - camera.focal * math.tan(light.elevation) / math.cos(azimuth)
    rows = np.arange(sky.shape[1], dtype=np.float32)[:, None] + np.float32(0.5 - row)
    columns = np.arange(camera.width, dtype=np.float32)[None] + np.float32(0.5 - column)
    square = (rows**2 + columns**2) / np.float32((camera.width * 0.1) ** 2)
    halo = np.exp(-square * np.float32(0.6)) * np.float32(0.7) + np.exp(-square * 40)
    sky += np.array([150, 118, 62], np.float32)[:, None, None] * halo


def _hill_line(camera: Camera, light: Light, heading: float, layer: int) -> np.ndarray:
    """Height of a far ridge of woods above the horizon, in pixels, [W]."""
    row = bank().medium[layer][int(light.cloud_offset[0])]
    angle = (np.arange(camera.width) - camera.centre) / camera.width + heading
    position = (angle * (26 if layer == 0 else 90) + light.cloud_offset[1]) % len(row)
    table = np.append(row, row[0])
    ridge = np.interp(position, np.arange(len(table)), table) + 0.5
    amplitude = camera.height * (0.02 + 0.08 * light.cloud_offset[0] / 256) * (1 - 0.5 * layer)
    return ridge * amplitude + 0.012 * camera.height


def _skyline(camera: Camera, light: Light, heading: float) -> np.ndarray:
    """Height of far blocks of houses above the horizon, in pixels, [W]."""
    angle = (np.arange(camera.width) - camera.centre) / camera.width + heading
    row = bank().fine[1][int(light.cloud_offset[0])]
    index = ((angle + 20) * 22).astype(int) % len(row)
    return (row[index] + 0.5) * 0.17 * camera.height + 0.02 * camera.height


def draw_sky(
    camera: Camera, rows: int, light: Light, heading: float, city: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour [3, rows, W], classes and depth [rows, W] of the rows above the horizon.

    heading: direction of the camera in radians; sky and hills turn with it.
    """
    mood = light.mood
    zenith, horizon = np.array(mood.zenith, np.float32), np.array(mood.horizon, np.float32)
    height = np.clip(np.arange(rows, dtype=np.float32) / max(rows, 1), 0, 1) ** 1.4
    gradient = zenith[:, None] + (horizon - zenith)[:, None] * height
    sky = np.repeat(gradient[..., None], camera.width, 2)
    if mood.clouds:
        cover = _clouds(camera, rows, light, heading)
        sky += (np.array(mood.cloud, np.float32)[:, None, None] - sky) * cover
    _add_sun(sky, camera, light)
    seg = np.full((rows, camera.width), SKY, np.uint8)
    depth = np.full((rows, camera.width), MAX_DEPTH, np.float32)
    above = np.float32(camera.horizon) - np.arange(rows, dtype=np.float32)[:, None] - 0.5
    if city:
        layers = [(_skyline(camera, light, heading), (122, 124, 132), BUILDING, 0.45)]
    else:
        far = (_hill_line(camera, light, heading, 0), (104, 122, 112), VEGETATION, 0.58)
        near = (_hill_line(camera, light, heading, 1), (84, 104, 72), VEGETATION, 0.3)
        layers = [far, near]
    for ridge, base, class_id, faded in layers:
        # The far land is dark against a night or dusk sky: it is lit like everything else.
        colour = np.array(base, np.float32) * light.tint
        colour += (horizon - colour) * np.float32(faded)
        cover = np.clip(ridge.astype(np.float32)[None] - above + 0.5, 0, 1)
        part = slice(max(0, rows - int(ridge.max()) - 2), rows)
        cover = cover[part]
        sky[:, part] += (colour[:, None, None] - sky[:, part]) * cover
        seg[part][cover > 0.5] = class_id
        depth[part][cover > 0.5] = MAX_DEPTH * 0.95
    return sky, seg, depth
