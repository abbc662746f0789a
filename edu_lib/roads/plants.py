"""Draws trees and bushes: shared pictures, scaled to their distance."""

from edu_lib.roads.canvas import Canvas
from edu_lib.roads.labels import VEGETATION
from edu_lib.roads.textures import SPRITE_KINDS, plant_pyramid
from edu_lib.roads.things import Plant
from edu_lib.roads.weather import Light


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
