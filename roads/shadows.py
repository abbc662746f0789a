"""Shadows on the ground: the shape of each thing, moved away from the sun."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from roads.camera import HEIGHT_M, SUPERSAMPLING, Camera
from roads.shapes import SHAPES
from roads.things import Block, House, Lamp, Person, Plant, Sign, Vehicle
from roads.weather import Light

NEAR_M = 1.0
CIRCLE = [(math.cos(k * math.pi / 6), math.sin(k * math.pi / 6)) for k in range(12)]
FAR_M = 55.0


def convex_hull(points):
    """Corners of the smallest convex polygon around 2-D points. Source: Andrew 1979."""

    def half(ordered):
        chain = []
        for x, z in ordered:
            while len(chain) > 1:
                (x0, z0), (x1, z1) = chain[-2:]
                if (x1 - x0) * (z - z0) - (z1 - z0) * (x - x0) > 0:
                    break
                chain.pop()
            chain.append((x, z))
        return chain[:-1]

    points = sorted(points)
    return half(points) + half(points[::-1])


def _depth(point):
    return point[1]


def clip_near(points):
    """The part of a ground polygon (x, z) that lies in front of the camera."""
    kept = []
    for (x0, z0), (x1, z1) in zip(points, points[1:] + points[:1], strict=True):
        if z0 >= NEAR_M:
            kept.append((x0, z0))
        if (z0 >= NEAR_M) != (z1 >= NEAR_M):
            share = (NEAR_M - z0) / (z1 - z0)
            kept.append((x0 + (x1 - x0) * share, NEAR_M))
    return kept


class ShadowLayer:
    """Collects shadows as polygons on the ground, in metres (x, z)."""

    def __init__(self, camera: Camera, light: Light):
        self.camera = camera
        self.light = light
        self.size = (camera.width * SUPERSAMPLING, camera.height * SUPERSAMPLING)
        self.image = Image.new("L", self.size, 0)
        self.draw = ImageDraw.Draw(self.image)

    def patch(self, points, strength: int = 255) -> None:
        """Darkens a polygon of ground points (x, z)."""
        focal = self.camera.focal * SUPERSAMPLING
        centre = self.camera.centre * SUPERSAMPLING - 0.5
        horizon = self.camera.horizon * SUPERSAMPLING - 0.5
        corners = []
        for x, z in clip_near(points) if min(points, key=_depth)[1] < NEAR_M else points:
            scale = focal / z
            corners.append((centre + x * scale, horizon + HEIGHT_M * scale))
        if len(corners) > 2:
            self.draw.polygon(corners, fill=strength)

    def ball(self, x, z, height, across, upright) -> None:
        """Shadow of a ball-like crown: its centre `height` above (x, z)."""
        shift_x, shift_z = self.light.shadow
        length = math.hypot(shift_x, shift_z)
        along_x, along_z = shift_x / length, shift_z / length
        # The upright radius is stretched along the shadow, the other one is not.
        stretch = max(across, upright * length)
        centre_x, centre_z = x + shift_x * height, z + shift_z * height
        outline = []
        for cosine, sine in CIRCLE:
            a, b = stretch * cosine, across * sine
            outline.append(
                (centre_x + along_x * a - along_z * b, centre_z + along_z * a + along_x * b)
            )
        self.patch(outline)

    def pole(self, x, z, height, width) -> None:
        shift_x, shift_z = self.light.shadow
        length = math.hypot(shift_x, shift_z)
        side_x, side_z = -shift_z / length * width / 2, shift_x / length * width / 2
        end_x, end_z = x + shift_x * height, z + shift_z * height
        self.patch(
            [
                (x - side_x, z - side_z),
                (x + side_x, z + side_z),
                (end_x + side_x, end_z + side_z),
                (end_x - side_x, end_z - side_z),
            ]
        )

    def prism(self, footprint, height) -> None:
        """Shadow of an upright solid over a convex footprint."""
        shift_x, shift_z = self.light.shadow
        moved = [(x + shift_x * height, z + shift_z * height) for x, z in footprint]
        self.patch(convex_hull(footprint + moved))

    def finish(self) -> np.ndarray:
        """Share of the sun that is blocked, float32 [H, W] in [0, 1]."""
        small = self.image.reduce(SUPERSAMPLING)
        if not self.light.casts_shadows:
            small = small.filter(ImageFilter.BoxBlur(self.camera.width / 200))
        return np.asarray(small).astype(np.float32) / 255


def _vehicle_footprint(thing: Vehicle, x, z, slope, margin=0.0):
    shape = SHAPES[thing.kind]
    half = shape.width / 2 + margin
    end_x = x + slope * shape.length
    return [
        (x - half, z),
        (x + half, z),
        (end_x + half, z + shape.length),
        (end_x - half, z + shape.length),
    ]


def _sunny(layer: ShadowLayer, thing, x, z, slope) -> None:
    if isinstance(thing, Vehicle):
        layer.prism(_vehicle_footprint(thing, x, z, slope), SHAPES[thing.kind].height * 0.92)
    elif isinstance(thing, Plant) and thing.kind == "bush":
        layer.ball(x, z, thing.height * 0.3, thing.height * 0.4, thing.height * 0.28)
    elif isinstance(thing, Plant):
        layer.pole(x, z, thing.height * 0.5, 0.22)
        across = thing.height * (0.28 if thing.kind == "broad" else 0.17)
        layer.ball(x, z, thing.height * 0.62, across, thing.height * 0.27)
    elif isinstance(thing, Person):
        layer.pole(x, z, thing.height * 0.9, 0.4)
    elif isinstance(thing, Lamp | Sign):
        layer.pole(x, z, thing.height, 0.14)


def cast_shadow(layer: ShadowLayer, thing, x, z, slope) -> None:
    """Paints the shadow of one thing whose foot is at (x, z)."""
    if z > FAR_M and not isinstance(thing, Block | House):
        return
    if isinstance(thing, Block | House):
        if layer.light.casts_shadows:
            end = (x + slope * thing.length, z + thing.length)
            depth = getattr(thing, "depth", 10.0) * thing.side
            footprint = [(x, z), end, (end[0] + depth, end[1]), (x + depth, z)]
            layer.prism(footprint, thing.height + getattr(thing, "roof", 0) * 0.6)
    elif layer.light.casts_shadows:
        _sunny(layer, thing, x, z, slope)
    if isinstance(thing, Vehicle):
        margin = 0.0 if layer.light.casts_shadows else 0.12
        layer.patch(_vehicle_footprint(thing, x, z, slope, margin), 255)
    elif isinstance(thing, Plant | Person) and not layer.light.casts_shadows:
        radius = 0.3 if isinstance(thing, Person) else thing.height * 0.22
        layer.patch([(x + radius * c, z + radius * s) for c, s in CIRCLE], 110)
