"""Draws cars, vans, trucks and buses from their meshes."""

import numpy as np

from roads.camera import HEIGHT_M, NEAREST
from roads.canvas import Canvas, scaled
from roads.labels import VEHICLE
from roads.mesh import mesh
from roads.shapes import SHAPES
from roads.things import Vehicle
from roads.weather import Light

DETAIL_M = 40.0  # farther away small parts are left out
BOX_COLOUR = (206, 207, 210)


def _materials(vehicle: Vehicle, light: Light) -> dict[str, tuple[int, int, int]]:
    """Colour of each material before shading."""
    shining = light.mood.lamps
    night = light.weather == "night"
    glint = tuple(int(0.3 * channel + 34) for channel in light.mood.horizon)
    tail = (255, 62, 46) if shining or vehicle.braking else (150, 20, 24)
    return {
        "body": vehicle.colour,
        "roof": vehicle.colour,
        "box": BOX_COLOUR,
        "trim": scaled(vehicle.colour, 0.62),
        "dark": (24, 24, 27),
        "glass": (16, 18, 24) if night else (42, 50, 60),
        "glint": (24, 28, 38) if night else glint,
        "arch": (20, 20, 22),
        "tyre": (27, 27, 29),
        "rim": (132, 135, 140),
        "tail": tail,
        "head": (255, 252, 236) if shining else (214, 218, 222),
        "plate": (226, 226, 220),
    }


def _shine(vehicle: Vehicle, light: Light, slope: float) -> dict[str, float]:
    """Brightness of the faces: the end and the sides that point left and right, and the top."""
    return {
        "end": light.on_wall(slope, -1.0),
        "left": light.on_wall(-1.0, -slope) * 0.88,
        "right": light.on_wall(1.0, slope) * 0.88,
        "top": 1.12 if light.casts_shadows else 1.02,
    }


def _place(vehicle: Vehicle, x: float, z: float, slope: float) -> np.ndarray:
    """Corners of the vehicle's mesh in the camera's metres, [V, 3]; near end at (x, z)."""
    shape, corners = SHAPES[vehicle.kind], mesh(vehicle.kind).corners
    along = corners[:, 0] if vehicle.facing > 0 else shape.length - corners[:, 0]
    across = corners[:, 1] * (shape.width / 2 * vehicle.facing)
    length = np.hypot(1.0, slope)
    cosine, sine = 1 / length, slope / length
    return np.stack(
        [x + along * sine + across * cosine, corners[:, 2], z + along * cosine - across * sine], 1
    )


def _lamps(canvas: Canvas, vehicle: Vehicle, light: Light, x: float, z: float) -> None:
    """Glow around the lamps that are on."""
    rear = vehicle.facing > 0
    if not (light.mood.lamps or (rear and vehicle.braking)):
        return
    shape = SHAPES[vehicle.kind]
    bottom, top, inner, outer = shape.tail if rear else shape.head
    night = light.weather == "night"
    colour = (255, 48, 34) if rear else (255, 240, 208)
    radius = (0.34 if rear else 0.6) * (1.2 if night else 0.7)
    for side in (-1, 1):
        across = side * (inner + outer) / 2 * shape.width / 2
        canvas.glow(x + across, (bottom + top) / 2, z, radius, colour, 1.0 if night else 0.5)


def draw_vehicle(
    canvas: Canvas, vehicle: Vehicle, x: float, z: float, slope: float, light: Light
) -> None:
    """Draws one vehicle whose near end stands at (x, z) on a road that runs with `slope`."""
    shape, model = SHAPES[vehicle.kind], mesh(vehicle.kind)
    if z + shape.length < 3.0:
        return
    points = _place(vehicle, x, z, slope)
    scale = canvas.focal / np.maximum(points[:, 2], NEAREST)
    columns = canvas.centre + points[:, 0] * scale
    if columns.max() < 0 or columns.min() > canvas.size[0]:
        return
    rows = canvas.horizon + (HEIGHT_M - points[:, 1]) * scale
    flat = np.stack([columns, rows], 1)
    a, b, c = flat[model.triples[:, 0]], flat[model.triples[:, 1]], flat[model.triples[:, 2]]
    # A part is seen from outside when its corners turn the same way on the image.
    turn = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    visible = (turn < 0).tolist()
    flat = flat.ravel().tolist()
    colours, shine = _materials(vehicle, light), _shine(vehicle, light, slope)
    if vehicle.facing < 0:
        shine["left"], shine["right"] = shine["right"], shine["left"]
    canvas.begin(VEHICLE, z, owner=vehicle)
    near = z < DETAIL_M
    for part, seen in zip(model.parts, visible, strict=True):
        if seen and (near or not part.detail):
            colour = colours[part.material]
            if part.material in ("body", "roof", "box", "trim"):
                colour = scaled(colour, part.shade * shine[part.face])
            canvas.polygon(flat[2 * part.first : 2 * part.last], colour)
    _lamps(canvas, vehicle, light, x, z)
