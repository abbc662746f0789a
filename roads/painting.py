"""Paints the things of a scene and lays them over the background."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from roads.background import GROWTH_M, SIGHT_M, Picture
from roads.canvas import Canvas
from roads.furniture import (
    draw_gantry,
    draw_lamp,
    draw_rail,
    draw_sign,
    draw_traffic_light,
)
from roads.houses import draw_house
from roads.labels import BUILDING, MAX_DEPTH, VEGETATION
from roads.people import draw_person
from roads.scene import Scene
from roads.textures import SPRITE_KINDS, plant_pyramid
from roads.things import (
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
from roads.vehicles import draw_vehicle
from roads.weather import Light


def draw_plant(
    canvas: Canvas, plant: Plant, x: float, z: float, slope: float, light: Light
) -> None:
    """Draws one plant whose foot stands at (x, z). The lit side turns to the sun."""
    if z < 1.5:
        return
    size = canvas.focal * plant.height / z
    column, row = canvas.point(x, 0.0, z)
    if size < 2 or column + size / 2 < 0 or column - size / 2 > canvas.size[0]:
        return
    # The pictures are lit from the left: turn them around when the sun stands on the right.
    flip = light.sun[0] > 0 if light.casts_shadows else plant.variant % 2 == 1
    levels = plant_pyramid(plant.kind, plant.variant % SPRITE_KINDS[plant.kind], plant.tone)
    canvas.begin(VEGETATION, z, owner=plant)
    canvas.sprite(levels, column - size / 2, row - size * 0.98, size, size, flip)


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
MOST_THINGS = 180  # the nearest ones; a lit house takes two of the 255 numbers


def draw_things(picture: Picture, scene: Scene, placed: list[tuple]) -> Canvas:
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


def lay_over(picture: Picture, canvas: Canvas) -> np.ndarray:
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
