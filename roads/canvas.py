"""The layer on which things are painted, far ones first.

Each painted pixel holds three colour bands and, in the fourth, the number of the thing it
belongs to. One pass of painting gives the picture and the labels.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from roads.camera import SUPERSAMPLING, Camera
from roads.labels import SKY

CAPACITY = 255  # numbers that fit in one byte; 0 is "nothing here"


@dataclass(frozen=True)
class Glow:
    """A light that shines into the lens: position and radius in pixels of the final image,
    depth in metres."""

    column: float
    row: float
    radius: float
    colour: tuple[int, int, int]
    strength: float
    depth: float


def scaled(colour, factor: float) -> tuple[int, int, int]:
    """The colour times factor, clipped to 0..255."""
    red, green, blue = colour
    return (
        min(255, max(0, int(red * factor))),
        min(255, max(0, int(green * factor))),
        min(255, max(0, int(blue * factor))),
    )


class Canvas:
    """Paints in metres through a camera. CMYK is used as a plain image of four bands."""

    def __init__(self, camera: Camera):
        self.camera = camera
        self.size = (camera.width * SUPERSAMPLING, camera.height * SUPERSAMPLING)
        self.image = Image.new("CMYK", self.size, 0)
        self.draw = ImageDraw.Draw(self.image)
        self.focal = camera.focal * SUPERSAMPLING
        self.centre = camera.centre * SUPERSAMPLING - 0.5
        self.horizon = camera.horizon * SUPERSAMPLING - 0.5
        self.glows: list[Glow] = []
        self.number = 0
        self.classes = [SKY]
        self.owners: list[object] = [None]
        self.nearest = [0.0]
        self.emits = [0.0]
        # 1 / depth = inverse + tilt * (column - centre) / focal, for upright planes
        self.inverse = [0.0]
        self.tilt = [0.0]

    @property
    def full(self) -> bool:
        return self.number >= CAPACITY - 2

    def begin(self, class_id: int, depth: float, owner=None, wall=None, emits=0.0) -> None:
        """Starts a thing: what is painted next is of this class and depth (metres).

        wall: ((x, z), (x, z)) for an upright plane through two points instead of one depth.
        """
        self.number += 1
        inverse, tilt = 1 / max(depth, 1.0), 0.0
        if wall is not None:
            (x0, z0), (x1, z1) = wall
            # z(t) with t = x / z on the line through both points: 1/z = a + b * t
            area = x1 * z0 - x0 * z1
            if abs(area) > 1e-6:
                inverse, tilt = (x1 - x0) / area, -(z1 - z0) / area
        self.classes.append(class_id)
        self.owners.append(owner)
        self.nearest.append(max(depth, 1.0))
        self.emits.append(emits)
        self.inverse.append(inverse)
        self.tilt.append(tilt)

    def point(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Painted pixel of a point in metres."""
        scale = self.focal / (z if z > 0.4 else 0.4)
        return self.centre + x * scale, self.horizon + (1.4 - y) * scale

    def polygon(self, points, colour) -> None:
        """Fills a polygon of painted pixels."""
        self.draw.polygon(points, fill=(*colour, self.number))

    def area(self, corners, colour) -> None:
        """Fills a polygon given by corners (x, y, z) in metres."""
        self.polygon([self.point(*corner) for corner in corners], colour)

    def upright(self, left, right, bottom, top, z, colour) -> None:
        """Fills an upright rectangle that faces the camera, in metres."""
        x0, y0 = self.point(left, top, z)
        x1, y1 = self.point(right, bottom, z)
        self.polygon((x0, y0, x1, y0, x1, y1, x0, y1), colour)

    def disc(self, x, y, radius, colour, width_share=1.0) -> None:
        """Fills an ellipse around painted pixel (x, y); radius in painted pixels."""
        across = radius * width_share
        box = (x - across, y - radius, x + across, y + radius)
        self.draw.ellipse(box, fill=(*colour, self.number))

    def line(self, points, colour, width=1) -> None:
        self.draw.line(points, fill=(*colour, self.number), width=max(1, round(width)))

    def glow(self, x, y, z, radius_m, colour, strength) -> None:
        """Adds a light at a point in metres."""
        column, row = self.point(x, y, z)
        radius = self.camera.focal * radius_m / z
        if radius > 0.15:
            column, row = column / SUPERSAMPLING, row / SUPERSAMPLING
            self.glows.append(Glow(column, row, radius, colour, strength, z))

    def sprite(self, levels, left, top, width, height, flip) -> None:
        """Pastes a picture into the rectangle given in painted pixels, cut at the border."""
        x0, y0 = max(0, math.floor(left)), max(0, math.floor(top))
        x1 = min(self.size[0], math.ceil(left + width))
        y1 = min(self.size[1], math.ceil(top + height))
        if x0 >= x1 or y0 >= y1:
            return
        picture = levels[0]
        for smaller in levels[1:]:
            if smaller.height >= height:
                picture = smaller
        scale_x, scale_y = picture.width / width, picture.height / height
        box = [
            max(0.0, (x0 - left) * scale_x),
            max(0.0, (y0 - top) * scale_y),
            min(picture.width, (x1 - left) * scale_x),
            min(picture.height, (y1 - top) * scale_y),
        ]
        if flip:
            box[0], box[2] = picture.width - box[2], picture.width - box[0]
        patch = picture.resize((x1 - x0, y1 - y0), Image.Resampling.NEAREST, box=box)
        if flip:
            patch = patch.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        red, green, blue, mask = patch.split()
        number = Image.new("L", patch.size, self.number)
        solid = mask.convert("1", dither=Image.Dither.NONE)
        self.image.paste(Image.merge("CMYK", (red, green, blue, number)), (x0, y0), solid)

    def finish(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """colour float32 [3, H, W] weighted with the coverage, coverage float32 [H, W] in
        [0, 1], and the number of the thing at each pixel, uint8 [H, W]."""
        bands = self.image.split()
        small = [np.asarray(band.reduce(SUPERSAMPLING)) for band in bands[:3]]
        colour = np.stack(small).astype(np.float32)
        numbers = np.asarray(bands[3])
        painted = (numbers > 0).view(np.uint8)
        pairs = painted[::2] + painted[1::2]
        cover = (pairs[:, ::2] + pairs[:, 1::2]) * np.float32(0.25)
        return colour, cover, numbers
