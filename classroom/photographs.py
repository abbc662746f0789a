"""Photographs of the kit, whole and in crops, for networks trained on ImageNet. Chapter 13.

They are those of scikit-image that are free to hand on; data/README.md lists their licences.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from edu_lib.files import DATA_FOLDER

FOLDER = DATA_FOLDER / "photographs"
SIDE = 224
SMALLEST_CROP = 0.35  # of the shorter side
MOST_PIXELS = 100_000_000
NAMES = (
    "astronaut", "brick", "camera", "chelsea", "clock", "coffee", "coins", "grass", "gravel",
    "hubble", "retina", "rocket", "tissue",
)  # fmt: skip


def photograph(name_or_path: str | Path) -> Image.Image:
    """A photograph of the kit by its name, or one of your own from its file, in RGB.

    Raises FileNotFoundError if there is neither, ValueError if the file is no picture.
    """
    path = FOLDER / f"{name_or_path}.jpg" if name_or_path in NAMES else Path(name_or_path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; the kit has {', '.join(NAMES)}")
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise ValueError(f"{path} has more than {MOST_PIXELS:,} pixels: make it smaller")
            return opened.convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a picture: save it as JPEG or PNG") from error


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
