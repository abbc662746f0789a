"""Photographs of the kit, whole and in crops, for networks trained on ImageNet. Chapter 13.

They are those of scikit-image that are free to hand on; data/README.md lists their licences.
"""

import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from edu_lib.files import DATA_FOLDER

FOLDER = DATA_FOLDER / "photographs"
SIDE = 224
SMALLEST_CROP = 0.35  # of the shorter side
MOST_PIXELS = 100_000_000
# what Pillow raises for a file that is damaged or no picture, by its format
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
NAMES = (
    "astronaut", "brick", "camera", "chelsea", "clock", "coffee", "coins", "grass", "gravel",
    "hubble", "retina", "rocket", "tissue",
)  # fmt: skip


def photograph(name_or_path: str | Path) -> Image.Image:
    """A photograph of the kit by its name, or one of your own from its file, upright and in RGB.

    Raises FileNotFoundError if there is neither, ValueError if the file is no picture or has more
    than 100 million pixels.
    """
    own = Path(name_or_path).expanduser()
    path = FOLDER / f"{name_or_path}.jpg" if name_or_path in NAMES else own
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; the kit has {', '.join(NAMES)}")
    return read_picture(path, str(path))


def read_picture(source: Path | BinaryIO, name: str) -> Image.Image:
    """The picture in a file, in RGB, as a viewer shows it: upright, on white where it is clear.

    name: what a message calls it. Raises ValueError if it cannot be read or is too large.
    """
    too_large = f"{name} has more than {MOST_PIXELS:,} pixels: make it smaller"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limit, and notes on odd metadata
            with Image.open(source) as opened:
                if opened.width * opened.height <= MOST_PIXELS:
                    return as_rgb(opened)
    except Image.DecompressionBombError:
        raise ValueError(too_large) from None
    except UNREADABLE as error:
        raise ValueError(f"{name} cannot be read as a picture: save it as JPEG or PNG") from error
    raise ValueError(too_large)


def as_rgb(picture: Image.Image) -> Image.Image:
    """Any picture of Pillow as RGB: turned as its camera was held, 16 bits brought down to 8."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        picture = Image.fromarray(_in_8_bits(np.asarray(picture), picture.mode))
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        picture = Image.new("RGBA", clear.size, "white")
        picture.alpha_composite(clear)
    return picture.convert("RGB")


def _in_8_bits(values: np.ndarray, mode: str) -> np.ndarray:
    """Grey levels as uint8: all of 16 bits, or from the least to the greatest of wider numbers."""
    values = np.nan_to_num(values.astype(np.float64))
    low, high = (0, 65_535) if mode.startswith("I;16") else (values.min(), values.max())
    return (255 * (values - low) / max(high - low, 1e-12)).round().astype(np.uint8)


def centre(picture: Image.Image, side: int = SIDE) -> Image.Image:
    """The largest square in the middle of a picture, as `side` x `side` pixels."""
    size = min(picture.size)
    left, top = (picture.width - size) // 2, (picture.height - size) // 2
    return _resized(picture, left, top, size, side)


def as_input(picture: Image.Image, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """float32 [1, 3, H, W] of an RGB picture: pixels in [0, 1] minus `mean`, over `std`."""
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
    return (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def random_crops(names: Sequence[str], count: int, seed: int = 0) -> list[Image.Image]:
    """`count` square crops of the photographs, in turn, at random places and of random sizes."""
    generator = np.random.default_rng(seed)
    whole = [photograph(name) for name in names]
    crops = []
    for i in range(count):
        picture = whole[i % len(whole)]
        size = int(min(picture.size) * generator.uniform(SMALLEST_CROP, 1))
        left = int(generator.integers(0, picture.width - size + 1))
        top = int(generator.integers(0, picture.height - size + 1))
        crops.append(_resized(picture, left, top, size, SIDE))
    return crops


def _resized(picture: Image.Image, left: int, top: int, size: int, side: int) -> Image.Image:
    box = (left, top, left + size, top + size)
    return picture.resize((side, side), Image.Resampling.BICUBIC, box=box)
