"""Strokes of a pen become a digit the way MNIST prepared its digits. Used in chapter 00."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

PAD_SIZE = 280
PEN_WIDTH = 24
IMAGE_SIZE = 28
BOX_SIZE = 20

Stroke = Sequence[Sequence[float]]

EXAMPLES: dict[str, list[list[list[int]]]] = {
    "3": [[[85, 70], [110, 48], [150, 42], [180, 58], [188, 88], [172, 116], [135, 132],
           [175, 142], [198, 170], [192, 210], [160, 236], [118, 238], [82, 216]]],
    "7": [[[78, 60], [130, 58], [200, 54], [180, 100], [155, 150], [136, 200], [124, 242]]],
    "5": [[[188, 48], [140, 50], [100, 54], [96, 90], [92, 128], [130, 114], [170, 122],
           [194, 154], [188, 198], [156, 230], [112, 236], [78, 218]]],
}  # fmt: skip


def rasterise(strokes: Sequence[Stroke]) -> np.ndarray:
    """White strokes on black: uint8 array [280, 280].

    strokes: each a list of (x, y) points in pad pixels, 0 to 280, x to the right, y downwards.
    Raises ValueError if a point is not a pair of finite numbers.
    """
    picture = Image.new("L", (PAD_SIZE, PAD_SIZE))
    pen = ImageDraw.Draw(picture)
    radius = PEN_WIDTH / 2
    for stroke in strokes:
        points = np.asarray(stroke, dtype=float)
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise ValueError("A stroke is a list of (x, y) points with finite coordinates.")
        pairs = [tuple(point) for point in points.tolist()]
        pen.line(pairs, fill=255, width=PEN_WIDTH)
        for x, y in pairs:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(picture)


def normalise_drawing(image: np.ndarray) -> np.ndarray:
    """Prepares a drawing as MNIST's digits were: uint8 array [28, 28], white on black.

    The ink is scaled, with its proportions, to fit a box of 20 x 20 pixels, and moved by whole
    pixels so that its centre of mass comes as near to the centre of the image as it fits.
    image: uint8 [H, W], white ink (255) on black (0). A drawing without ink gives zeros.
    Raises ValueError on another shape or dtype.
    Source: LeCun, Cortes, Burges, "The MNIST database", and LeCun et al. 1998, section III.A.
    """
    image = np.asarray(image)
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"A drawing is a uint8 array [H, W], got {image.dtype} {image.shape}.")
    digit = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    if not image.any():
        return digit
    ink = _fit_box(image)
    # centre of mass = sum(position * brightness) / sum(brightness)
    rows, columns = np.arange(ink.shape[0]), np.arange(ink.shape[1])
    mass = ink.astype(float)
    centre_row = (mass.sum(1) * rows).sum() / mass.sum()
    centre_column = (mass.sum(0) * columns).sum() / mass.sum()
    top = _place(centre_row, ink.shape[0])
    left = _place(centre_column, ink.shape[1])
    digit[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return digit


def _fit_box(image: np.ndarray) -> np.ndarray:
    """The ink alone, scaled so that its longer side is 20 pixels."""
    rows, columns = np.nonzero(image.any(1))[0], np.nonzero(image.any(0))[0]
    ink = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX_SIZE / max(ink.shape)
    height, width = (max(1, round(size * scale)) for size in ink.shape)
    scaled = Image.fromarray(ink).resize((width, height), Image.Resampling.BOX)
    return np.asarray(scaled)


def _place(centre: float, size: int) -> int:
    """First row (or column) that puts `centre` on the middle of the image, without cutting ink."""
    return int(np.clip(round(IMAGE_SIZE / 2 - centre), 0, IMAGE_SIZE - size))
