"""Draws a scene: background, things over it, then light and camera; and sheets of scenes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from roads.background import Picture, draw_background, lamp_pools, place_things
from roads.camera import Camera
from roads.canvas import Canvas
from roads.dice import Dice
from roads.labels import MAX_DEPTH, PERSON, VEHICLE, Box, RoadSample, colour_labels
from roads.lens import (
    add_glows,
    add_haze,
    add_rain,
    add_reflections,
    expose,
    light_up,
)
from roads.painting import draw_things, lay_over
from roads.scene import Scene, sample_scene

SMALLEST_BOX = 6  # pixels at 128 x 256; a thing that shows fewer has no box
MIN_SIZE = 32
SHEET_SEEDS = (22, 17, 18, 38, 19, 26, 21, 31, 34, 36, 44, 47, 25, 40, 30, 28)
GAP = 4


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
    placed = place_things(scene)
    draw_background(picture, scene, placed)
    canvas = draw_things(picture, scene, placed)
    numbers = lay_over(picture, canvas)
    image, seg, depth, light = picture.colour, picture.seg, picture.depth, scene.light
    pools = lamp_pools(scene, camera, placed)
    light_up(image, camera, light, seg, depth, picture.emits, pools)
    add_haze(image, light, seg, depth)
    if light.wet > 0:
        add_reflections(image, camera, light, seg)
    add_glows(image, canvas.glows, depth)
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


def contact_sheet(
    seeds: Sequence[int] = SHEET_SEEDS,
    columns: int = 4,
    height: int = 128,
    width: int = 256,
    gap: int = GAP,
) -> Image.Image:
    """Draws one scene for each seed, image above label colours, in a grid. Returns RGB.

    Raises ValueError without seeds or columns.
    """
    if len(seeds) == 0 or columns < 1:
        raise ValueError("A contact sheet needs at least one seed and one column.")
    rows = -(-len(seeds) // columns)
    cell_width, cell_height = width + gap, 2 * height + 2 * gap
    size = (columns * cell_width - gap, rows * cell_height - 2 * gap)
    sheet = Image.new("RGB", size, "white")
    for index, seed in enumerate(seeds):
        sample = scene(seed, height, width)
        left, top = index % columns * cell_width, index // columns * cell_height
        sheet.paste(Image.fromarray(sample.image), (left, top))
        labels = Image.fromarray(colour_labels(sample.segmentation))
        sheet.paste(labels, (left, top + height))
    return sheet
