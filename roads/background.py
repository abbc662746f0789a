"""The background of a picture: ground with shadows, sky, city facades and light of lamps."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from roads.camera import Camera
from roads.dice import Dice
from roads.facades import build_walls, draw_facades
from roads.ground import draw_ground, road_plane, sample_surface
from roads.labels import BUILDING
from roads.scene import Scene
from roads.shadows import CIRCLE, ShadowLayer, cast_shadow, clip_near
from roads.sky import draw_sky
from roads.things import Block, House, Lamp

SIGHT_M = 135.0  # things farther away are not drawn
GROWTH_M = 25.0  # over the last metres before that limit they rise from the ground
SHADE = {"clear": 0.46, "dusk": 0.3}  # share of the light that a shadow takes away
SOFT_SHADE = 0.46


class Picture:
    """Arrays under construction: colour [3, H, W]; classes, depth and emission [H, W]."""

    def __init__(self, camera: Camera):
        shape = (camera.height, camera.width)
        self.camera = camera
        self.colour = np.empty((3, *shape), np.float32)
        self.seg = np.empty(shape, np.uint8)
        self.depth = np.empty(shape, np.float32)
        self.emits: np.ndarray | None = None

    def emission(self) -> np.ndarray:
        if self.emits is None:
            self.emits = np.zeros(self.seg.shape, np.float32)
        return self.emits


def place_things(scene: Scene) -> list[tuple]:
    """The things in sight as (thing, x, z, slope), in metres, far ones first."""
    ego = scene.ego
    depths = np.array([t.station + t.speed * ego.time - ego.station for t in scene.things])
    offsets = np.array([thing.offset for thing in scene.things])
    centres, slopes = scene.road.centre(depths, ego), scene.road.slope(depths, ego)
    rows = zip(
        scene.things, (centres + offsets).tolist(), depths.tolist(), slopes.tolist(), strict=True
    )
    seen = [row for row in rows if -25 < row[2] < SIGHT_M]
    return sorted(
        seen, key=lambda row: -row[2] - (row[0].length if isinstance(row[0], House) else 0)
    )


def draw_background(picture: Picture, scene: Scene, placed: list[tuple]) -> None:
    """Sky, ground with shadows, and the facades of city blocks."""
    camera, light = picture.camera, scene.light
    plane = road_plane(camera, scene.road, scene.ego)
    first = plane.first_row
    surface = sample_surface(Dice([scene.seed, 1]), scene.place)
    ground, seg, depth = draw_ground(plane, scene.road, surface)
    shadows = ShadowLayer(camera, light)
    for thing, x, z, slope in placed:
        cast_shadow(shadows, thing, x, z, slope)
    shade = shadows.finish()[first:]
    ground *= 1 - shade * np.float32(SHADE.get(light.weather, SOFT_SHADE))
    picture.colour[:, first:], picture.seg[first:] = ground, seg
    picture.depth[first:] = depth[:, None]
    heading = scene.road.heading(scene.ego.station) + scene.ego.yaw
    sky = draw_sky(camera, first, light, heading, scene.place == "city")
    picture.colour[:, :first], picture.seg[:first], picture.depth[:first] = sky
    blocks = [row for row in placed if isinstance(row[0], Block)]
    if blocks:
        _draw_blocks(picture, scene, blocks, plane)


def _draw_blocks(picture: Picture, scene: Scene, blocks: list[tuple], plane) -> None:
    camera, ego = picture.camera, scene.ego
    ends = np.array([z + block.length for block, _, z, _ in blocks])
    offsets = np.array([block.offset for block, *_ in blocks])
    end_x = scene.road.centre(ends, ego) + offsets
    rows = []
    for (block, x, z, _), far_x, far_z in zip(blocks, end_x.tolist(), ends.tolist(), strict=True):
        grown = min(1.0, (SIGHT_M - z) / GROWTH_M)
        rows.append((block, (x, z), (far_x, far_z), grown))
    limit = np.full(camera.height, np.inf, np.float32)
    limit[plane.first_row :] = plane.depth
    facades = draw_facades(build_walls(rows, scene.light), camera, scene.light, limit)
    mask = facades.mask
    behind = picture.colour[:, mask]
    picture.colour[:, mask] = behind + (facades.colour - behind) * facades.cover
    solid = facades.cover >= 0.5
    picture.seg[mask] = np.where(solid, BUILDING, picture.seg[mask])
    picture.depth[mask] = np.where(solid, facades.depth, picture.depth[mask])
    if facades.emits.any():
        picture.emission()[mask] = facades.emits


def lamp_pools(scene: Scene, camera: Camera, placed: list[tuple]) -> np.ndarray | None:
    """Light that street lamps throw on the ground, float32 [H, W], or None by day."""
    lamps = [row for row in placed if isinstance(row[0], Lamp) and row[2] < 90]
    if scene.weather != "night" or not lamps:
        return None
    layer = Image.new("L", (camera.width, camera.height), 0)
    draw = ImageDraw.Draw(layer)
    for radius, strength in ((6.0, 60), (4.5, 120), (3.0, 190)):
        for lamp, x, z, _ in lamps:
            middle = x - lamp.side * 1.7
            circle = clip_near([(middle + radius * c, z + radius * s) for c, s in CIRCLE])
            if len(circle) > 2:
                draw.polygon([camera.project(x, 0, z) for x, z in circle], fill=strength)
    soft = layer.filter(ImageFilter.BoxBlur(camera.width / 64))
    return np.asarray(soft).astype(np.float32) / 255
