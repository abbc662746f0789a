"""The ground, pixel by pixel: each one below the horizon is a known point of the road plane.

All edges are antialiased with the width that a pixel covers on the ground.
"""

from dataclasses import dataclass

import numpy as np

from roads.camera import HEIGHT_M, Camera
from roads.dice import Dice
from roads.labels import MARKING, MAX_DEPTH, ROAD, SIDEWALK, VEGETATION
from roads.road import Ego, Road
from roads.textures import bank, sample

LINE_WIDTH = 0.16
CROSSING_LENGTH = 3.2
WHITE = np.array([230, 230, 226], np.float32)
YELLOW = np.array([228, 182, 62], np.float32)
KERB = np.array([166, 164, 160], np.float32)
GRAVEL = np.array([140, 130, 114], np.float32)


@dataclass(frozen=True)
class Surface:
    """Colours of the ground of one scene."""

    asphalt: np.ndarray
    paving: np.ndarray
    grass: np.ndarray
    place: str


def sample_surface(dice: Dice, place: str) -> Surface:
    """Draws the colours of asphalt, paving and grass."""
    dry = dice.random() ** 2
    green, straw = np.array([76, 114, 46]), np.array([152, 142, 84])
    grass = (green + (straw - green) * dry) * dice.uniform(0.8, 1.1)
    asphalt = np.array([1.0, 1.0, 1.03]) * dice.uniform(82, 122)
    paving = np.array([1.0, 0.985, 0.96]) * dice.uniform(124, 164)
    return Surface(*(colour.astype(np.float32) for colour in (asphalt, paving, grass)), place)


@dataclass
class Plane:
    """The points of the road plane seen by the rows below the horizon.

    depth, station: [R], metres. offset: [R, W], metres right of the road's centre line.
    pixel: [R, 1], metres that a pixel is wide there. depth_pixel: [R], metres it is long.
    """

    first_row: int
    depth: np.ndarray
    station: np.ndarray
    offset: np.ndarray
    pixel: np.ndarray
    depth_pixel: np.ndarray
    near: np.ndarray

    def edge(self, inside: np.ndarray) -> np.ndarray:
        """Share of each pixel that lies inside, from the metres it lies inside."""
        share = inside / self.pixel
        share += 0.5
        return np.clip(share, 0, 1, out=share)

    def stretch(self, station: float, length: float) -> np.ndarray:
        """Share of each row [R] that lies in a stretch of the road."""
        start = np.clip((self.station - station) / self.depth_pixel + 0.5, 0, 1)
        return start * np.clip((station + length - self.station) / self.depth_pixel + 0.5, 0, 1)


def road_plane(camera: Camera, road: Road, ego: Ego) -> Plane:
    """Intersects the viewing rays with the road plane.

    depth = focal * camera height / (row - horizon),  x = (column - centre) * depth / focal
    """
    rows = np.arange(camera.height, dtype=np.float32) + np.float32(0.5)
    first = int(np.searchsorted(rows, camera.horizon + 0.25))
    rows = rows[first:] - np.float32(camera.horizon)
    depth = np.float32(camera.focal * HEIGHT_M) / rows
    centre = road.centre(depth, ego).astype(np.float32)
    columns = np.arange(camera.width, dtype=np.float32) + np.float32(0.5 - camera.centre)
    pixel = (depth / np.float32(camera.focal))[:, None]
    offset = columns[None] * pixel
    offset -= centre[:, None]
    depth_pixel = np.maximum(depth**2 / np.float32(camera.focal * HEIGHT_M), 0.01)
    near = np.clip(1.2 - depth / 45, 0.06, 1).astype(np.float32)[:, None]
    station = depth + np.float32(ego.station)
    return Plane(first, depth, station, offset, pixel, depth_pixel, near)


def _blend(ground: np.ndarray, colour: np.ndarray, share: np.ndarray) -> None:
    """ground += (colour - ground) * share, in place and only in the rows that need it."""
    rows = np.flatnonzero(share.any(1))
    if len(rows) == 0:
        return
    part = slice(rows[0], rows[-1] + 1)
    colour = colour[:, part] if colour.ndim == 3 else colour[:, None, None]
    patch = colour - ground[:, part]
    patch *= share[part]
    ground[:, part] += patch


def _noise(plane: Plane, texture: np.ndarray, across: float, along: float) -> np.ndarray:
    """Texture on the ground, `across` and `along` texels a metre."""
    columns = (plane.offset * np.float32(across)).astype(np.int32)
    rows = (plane.station * np.float32(along)).astype(np.int32)[:, None]
    return sample(texture, rows, columns)


def _asphalt(plane: Plane, road: Road, surface: Surface, fine, medium) -> np.ndarray:
    """Colour of the road: grain, stains, wheel tracks and mended patches, [3, R, W]."""
    tone = fine * (np.float32(0.3) * plane.near)
    tone += medium * np.float32(0.2)
    tone += 1
    # Tyres polish two tracks 0.8 m to either side of a lane's middle.
    lane = np.abs((plane.offset / np.float32(road.lane_width)) % 1 - np.float32(0.5))
    track = np.clip(1 - np.abs(lane * np.float32(road.lane_width) - 0.8) / 0.4, 0, 1)
    track *= np.float32(0.1) * np.clip(1.4 - plane.depth / 60, 0, 1).astype(np.float32)[:, None]
    tone -= track
    for station, offset, length, width in road.patches:
        rows = plane.stretch(station, length)
        if rows.any():
            across = plane.edge(width / 2 - np.abs(plane.offset - np.float32(offset)))
            tone -= across * (rows * np.float32(0.17)).astype(np.float32)[:, None]
    return surface.asphalt[:, None, None] * tone


def _dashes(plane: Plane, road: Road) -> np.ndarray:
    """Share of each row [R, 1] that a dashed line covers."""
    position = plane.station % road.dash_period
    # Distance into the dash, positive inside; both ends are softened by the row's length.
    inside = road.dash_length / 2 - np.abs(position - road.dash_length / 2)
    wrapped = np.maximum(inside, position - road.dash_period)
    share = np.clip(wrapped / plane.depth_pixel + 0.5, 0, 1)
    mean = road.dash_length / road.dash_period
    blur = np.clip(plane.depth_pixel / road.dash_period, 0, 1)
    return (share + (mean - share) * blur).astype(np.float32)[:, None]


def _lines(road: Road) -> list[tuple[float, float, bool, bool]]:
    """The lines along the road: offset, width, dashed, yellow."""
    lines = []
    if road.centre_line == "double":
        lines += [(-0.16, 0.14, False, road.yellow), (0.16, 0.14, False, road.yellow)]
    elif road.centre_line == "dashed":
        lines.append((0.0, LINE_WIDTH, True, road.yellow))
    if road.lane_lines:
        lanes = [*range(1, road.lanes_right), *range(-road.lanes_left + 1, 0)]
        lines += [(lane * road.lane_width, LINE_WIDTH, True, False) for lane in lanes]
    if road.edge_lines:
        yellow = road.yellow and not road.lanes_left
        lines.append((-road.lanes_left * road.lane_width, 0.18, False, yellow))
        lines.append((road.lanes_right * road.lane_width, 0.18, False, False))
    return lines


def _crossings(plane: Plane, road: Road, paint: np.ndarray) -> None:
    """Zebra crossings and their stop lines, added to the paint [R, W]."""
    for station in road.crossings:
        rows = plane.stretch(station, CROSSING_LENGTH).astype(np.float32)
        band = np.flatnonzero(rows)
        stop = plane.stretch(station - 1.6, 0.4).astype(np.float32)
        for part, share, left, right, striped in (
            (band, rows, road.edge_left, road.edge_right - road.parking, True),
            (np.flatnonzero(stop), stop, 0.1, road.lanes_right * road.lane_width, False),
        ):
            if len(part) == 0:
                continue
            cut = slice(part[0], part[-1] + 1)
            offset, pixel = plane.offset[cut], plane.pixel[cut]
            cover = np.clip((offset - left) / pixel, 0, 1) * np.clip((right - offset) / pixel, 0, 1)
            if striped:
                inside = 0.25 - np.abs(offset % 1 - np.float32(0.5))
                cover *= np.clip(inside / pixel + 0.5, 0, 1)
            cover *= share[cut, None]
            if striped:
                paint[cut] *= 1 - share[cut, None]
            np.maximum(paint[cut], cover, out=paint[cut])


def _markings(plane: Plane, road: Road) -> tuple[np.ndarray, np.ndarray]:
    """Shares of each pixel covered by white and by yellow paint, [R, W] each."""
    white = np.zeros_like(plane.offset)
    yellow = np.zeros_like(plane.offset)
    dashes = _dashes(plane, road)
    for offset, width, dashed, is_yellow in _lines(road):
        cover = np.abs(plane.offset - np.float32(offset))
        np.subtract(width / 2, cover, out=cover)
        cover = plane.edge(cover)
        cover *= np.minimum(1, np.float32(width) / plane.pixel)
        if dashed:
            cover *= dashes
        target = yellow if is_yellow else white
        np.maximum(target, cover, out=target)
    for station in road.crossings:
        yellow *= 1 - plane.stretch(station, CROSSING_LENGTH)[:, None].astype(np.float32)
    _crossings(plane, road, white)
    return white, yellow


def _roadside(ground, seg, plane: Plane, road: Road, surface: Surface, fine, medium) -> None:
    """Everything beyond the edges of the road, painted over it."""
    outside = np.maximum(road.edge_left - plane.offset, plane.offset - road.edge_right)
    beyond = plane.edge(outside)
    paved = road.sidewalk > 0
    grass = surface.grass[:, None, None] * (1 + (fine * plane.near * 0.7 + medium * 0.7))
    verge = plane.edge(outside - np.float32(road.sidewalk)) if paved else beyond
    if surface.place == "city":
        _blend(ground, surface.paving * np.float32(0.82), verge)
    else:
        _blend(ground, grass, verge)
    seg[outside > 0] = SIDEWALK if surface.place == "city" else VEGETATION
    if paved:
        along = (plane.station % 1.2 < 0.07) & (plane.depth < 20)
        joints = ((plane.offset % 1.0 < 0.06) & (plane.depth < 20)[:, None]) | along[:, None]
        tone = 1 + fine * plane.near * 0.14 + medium * 0.14 - joints * np.float32(0.12)
        _blend(ground, surface.paving[:, None, None] * tone, beyond - verge)
        seg[(outside > 0) & (outside < road.sidewalk)] = SIDEWALK
        kerb = beyond - plane.edge(outside - np.float32(0.2))
        _blend(ground, KERB, kerb)
        gutter = plane.edge(outside + np.float32(0.12)) - beyond
        _blend(ground, surface.asphalt * np.float32(0.66), gutter)
    elif surface.place in ("highway", "rural"):
        gravel = beyond - plane.edge(outside - np.float32(0.7))
        _blend(ground, GRAVEL[:, None, None] * (1 + fine * plane.near * 0.5), gravel)


def draw_ground(
    plane: Plane, road: Road, surface: Surface
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour [3, R, W], classes [R, W] and depth [R] of the rows below the horizon."""
    textures = bank()
    fine = _noise(plane, textures.fine[0], 22, 7)
    medium = _noise(plane, textures.medium[0], 5, 2.2)
    ground = _asphalt(plane, road, surface, fine, medium)
    seg = np.full(plane.offset.shape, ROAD, np.uint8)
    white, yellow = _markings(plane, road)
    wear = np.clip(road.wear + medium * np.float32(0.9), 0.2, 1)
    _blend(ground, WHITE, white * wear)
    if yellow.any():
        _blend(ground, YELLOW, yellow * wear)
    painted = np.maximum(white, yellow) > 0.38
    painted &= (plane.depth < 70)[:, None]
    seg[painted] = MARKING
    _roadside(ground, seg, plane, road, surface, fine, medium)
    return ground, seg, np.minimum(plane.depth, MAX_DEPTH)
