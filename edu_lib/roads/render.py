"""Draws a scene: ground, sky and facades pixel by pixel, things painted over them, then light."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from edu_lib.roads.camera import Camera
from edu_lib.roads.canvas import Canvas
from edu_lib.roads.dice import Dice
from edu_lib.roads.facades import build_walls, draw_facades
from edu_lib.roads.furniture import (
    draw_gantry,
    draw_lamp,
    draw_rail,
    draw_sign,
    draw_traffic_light,
)
from edu_lib.roads.ground import draw_ground, road_plane, sample_surface
from edu_lib.roads.houses import draw_house
from edu_lib.roads.labels import BUILDING, MAX_DEPTH, PERSON, VEHICLE, Box, RoadSample
from edu_lib.roads.lens import (
    add_glows,
    add_haze,
    add_rain,
    add_reflections,
    expose,
    light_up,
)
from edu_lib.roads.people import draw_person
from edu_lib.roads.plants import draw_plant
from edu_lib.roads.scene import Scene, sample_scene
from edu_lib.roads.shadows import ShadowLayer, cast_shadow
from edu_lib.roads.sky import draw_sky
from edu_lib.roads.things import (
    Block,
    Gantry,
    House,
    Lamp,
    Person,
    Plant,
    Rail,
    Sign,
    TrafficLight,
    Vehicle,
)
from edu_lib.roads.vehicles import draw_vehicle

DRAW: dict[type, Callable] = {
    Vehicle: draw_vehicle,
    Person: draw_person,
    Plant: draw_plant,
    Lamp: draw_lamp,
    Sign: draw_sign,
    TrafficLight: draw_traffic_light,
    Rail: draw_rail,
    Gantry: draw_gantry,
    House: draw_house,
}
SIGHT_M = 135.0  # things farther away are not drawn
GROWTH_M = 25.0  # over the last metres before that limit they rise from the ground
SHADE = (0.46, 0.3)  # share of the light that a shadow takes away: by day, at dusk
SMALLEST_BOX = 6  # pixels at 128 x 256; a thing that shows fewer has no box
MIN_SIZE = 32
MOST_THINGS = 180  # the nearest ones; a lit house takes two of the 255 numbers


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


def _placed(scene: Scene) -> list[tuple]:
    """The things in sight as (thing, x, z, slope), metres in front of the camera, far ones first."""
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


def _draw_background(picture: Picture, scene: Scene, placed: list[tuple]) -> None:
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
    ground *= 1 - shade * np.float32(SHADE[light.weather == "dusk"])
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


def _draw_things(picture: Picture, scene: Scene, placed: list[tuple]) -> Canvas:
    """Paints the things far ones first and lays them over the background."""
    canvas = Canvas(picture.camera)
    visible = [row for row in placed if type(row[0]) in DRAW]
    for thing, x, z, slope in visible[-MOST_THINGS:]:
        if canvas.full:
            break
        if z > SIGHT_M - GROWTH_M and hasattr(thing, "height"):
            thing = replace(thing, height=thing.height * (SIGHT_M - z) / GROWTH_M)
        DRAW[type(thing)](canvas, thing, x, z, slope, scene.light)
    return canvas


def _lay_over(picture: Picture, canvas: Canvas) -> np.ndarray:
    """Composes the painted layer with the background; returns the number at each pixel."""
    camera = picture.camera
    colour, cover, numbers = canvas.finish()
    here = numbers[1::2, 1::2]
    near = np.array(canvas.nearest, np.float32)
    behind = None
    if (picture.seg == BUILDING).any():
        # A facade hides what stands behind it, the soft rim included.
        largest = np.maximum(numbers[::2], numbers[1::2])
        largest = np.maximum(largest[:, ::2], largest[:, 1::2])
        behind = (near[largest] > picture.depth + 0.5) & (picture.seg == BUILDING)
        cover = np.where(behind, np.float32(0), cover)
        colour[:, behind] = 0
        here = np.where(behind, np.uint8(0), here)
    picture.colour *= 1 - cover
    picture.colour += colour
    ray = (
        np.arange(camera.width, dtype=np.float32) + np.float32(0.5 - camera.centre)
    ) / np.float32(camera.focal)
    inverse = np.array(canvas.inverse, np.float32)[here]
    inverse += np.array(canvas.tilt, np.float32)[here] * ray[None]
    thing = here > 0
    # An upright plane's 1 / depth is linear in the column.
    depth = 1 / np.clip(inverse, 1 / MAX_DEPTH, 1.0)
    np.copyto(picture.depth, np.maximum(depth, near[here]), where=thing)
    np.copyto(picture.seg, np.array(canvas.classes, np.uint8)[here], where=thing)
    emits = np.array(canvas.emits, np.float32)
    if emits.any():
        np.copyto(picture.emission(), emits[here], where=thing)
    elif picture.emits is not None:
        picture.emits[thing] = 0
    return here


def _lamp_pools(scene: Scene, camera: Camera, placed: list[tuple]) -> np.ndarray | None:
    """Light that street lamps throw on the ground, float32 [H, W], or None by day."""
    lamps = [row for row in placed if isinstance(row[0], Lamp) and 3 < row[2] < 90]
    if scene.weather != "night" or not lamps:
        return None
    layer = Image.new("L", (camera.width, camera.height), 0)
    draw = ImageDraw.Draw(layer)
    for lamp, x, z, _ in lamps:
        for radius, strength in ((6.0, 60), (4.5, 120), (3.0, 190)):
            middle = x - lamp.side * 1.7
            far_row = camera.project(0, 0, z + radius)[1]
            near_row = camera.project(0, 0, max(z - radius, 1.5))[1]
            scale = camera.focal / z
            column = camera.project(middle, 0, z)[0]
            box = (column - radius * scale, far_row, column + radius * scale, near_row)
            draw.ellipse(box, fill=strength)
    soft = layer.filter(ImageFilter.BoxBlur(camera.width / 64))
    return np.asarray(soft).astype(np.float32) / 255


def _boxes(canvas: Canvas, numbers: np.ndarray, camera: Camera) -> list[Box]:
    """Boxes of the vehicles and people that show enough pixels, near ones last."""
    counts = np.bincount(numbers.ravel(), minlength=len(canvas.classes))
    least = max(3, SMALLEST_BOX * camera.width // 256)
    boxes = []
    for number, class_id in enumerate(canvas.classes):
        if class_id not in (VEHICLE, PERSON) or counts[number] < least:
            continue
        mask = numbers == number
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        corners = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        boxes.append(Box(class_id, *map(int, corners), canvas.nearest[number]))
    return boxes


def render(scene: Scene, height: int = 128, width: int = 256, frame: int = 0) -> RoadSample:
    """Draws a scene. frame changes the camera's noise and the rain, nothing else.

    Raises ValueError if height or width is smaller than 32.
    """
    if height < MIN_SIZE or width < MIN_SIZE:
        raise ValueError(f"height and width must be at least {MIN_SIZE}, got {height} x {width}.")
    camera = Camera(height, width)
    heading = scene.road.heading(scene.ego.station) + scene.ego.yaw
    scene = replace(scene, light=scene.light.turned(heading))
    picture = Picture(camera)
    placed = _placed(scene)
    _draw_background(picture, scene, placed)
    canvas = _draw_things(picture, scene, placed)
    numbers = _lay_over(picture, canvas)
    image, seg, depth, light = picture.colour, picture.seg, picture.depth, scene.light
    pools = _lamp_pools(scene, camera, placed)
    light_up(image, camera, light, seg, depth, picture.emits, pools)
    add_haze(image, light, seg, depth)
    if light.wet > 0:
        add_reflections(image, camera, light, seg)
    add_glows(image, canvas.glows)
    dice = Dice([scene.seed, 2, frame])
    if scene.weather == "rain":
        add_rain(image, dice)
    boxes = _boxes(canvas, numbers, camera)
    return RoadSample(
        image=expose(image, light, dice.rng),
        segmentation=seg,
        depth=np.clip(depth, 1.0, MAX_DEPTH),
        steering=scene.steering,
        vehicles=sum(box.class_id == VEHICLE for box in boxes),
        boxes=boxes,
        place=scene.place,
        weather=scene.weather,
    )


def scene(
    seed: int,
    height: int = 128,
    width: int = 256,
    place: str | None = None,
    weather: str | None = None,
) -> RoadSample:
    """One road scene with its labels, made from a seed alone.

    place, weather: one of PLACES, WEATHERS, to ask for a certain kind of scene.
    The same seed gives the same bytes on one machine. Raises ValueError for a negative seed, an
    unknown place or weather, or a size below 32. Taught in chapter 12.
    """
    return render(sample_scene(seed, place, weather), height, width)
