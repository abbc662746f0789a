"""The kit's photographs and the learner's own: any common file as a viewer shows it, or a reason.

The pictures are made here: green at the left, red at the right, each half of one colour.
"""

import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from classroom.photographs import NAMES, photograph, random_crops

GREEN, RED, WHITE = (0, 255, 0), (255, 0, 0), (255, 255, 255)
WIDTH, HEIGHT = 64, 32
ORIENTATION, TURNED_RIGHT = 0x112, 6  # the camera was held so that its left side is on top


def two_halves():
    pixels = np.full((HEIGHT, WIDTH, 3), RED, np.uint8)
    pixels[:, : WIDTH // 2] = GREEN
    return Image.fromarray(pixels)


def corners(picture):
    """Colours near the left and the right end of the middle row, and of the middle column."""
    x, y = picture.width, picture.height
    places = ((2, y // 2), (x - 3, y // 2), (x // 2 + 1, 2), (x // 2 + 1, y - 3))
    return [picture.getpixel(place) for place in places]


def is_near(colour, wanted):
    return np.abs(np.subtract(colour, wanted)).max() < 18


@pytest.fixture(autouse=True)
def _without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize(
    ("ending", "mode"),
    [
        ("jpg", "RGB"), ("jpg", "CMYK"), ("tif", "CMYK"), ("jpg", "YCbCr"), ("png", "RGBA"),
        ("webp", "RGBA"), ("png", "P"), ("gif", "P"), ("tif", "LAB"), ("bmp", "RGB"),
    ],
)  # fmt: skip
def test_a_file_of_any_colours_opens_in_rgb(tmp_path, ending, mode):
    path = tmp_path / f"own.{ending}"
    two_halves().convert(mode).save(path, quality=95)
    picture = photograph(path)
    assert (picture.mode, picture.size) == ("RGB", (WIDTH, HEIGHT))
    left, right, *_ = corners(picture)
    assert is_near(left, GREEN)
    assert is_near(right, RED)


def test_a_turned_photograph_stands_upright(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED_RIGHT
    two_halves().save(tmp_path / "phone.jpg", exif=exif, quality=95)
    picture = photograph(tmp_path / "phone.jpg")
    assert picture.size == (HEIGHT, WIDTH)
    *_, top, bottom = corners(picture)
    assert is_near(top, GREEN)
    assert is_near(bottom, RED)


def test_what_is_clear_becomes_white(tmp_path):
    picture = two_halves().convert("RGBA")
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:, WIDTH // 2 :] = 0
    picture.putalpha(Image.fromarray(alpha))
    picture.save(tmp_path / "cut_out.png")
    left, right, *_ = corners(photograph(tmp_path / "cut_out.png"))
    assert (left, right) == (GREEN, WHITE)
    grey = Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8))
    grey.putalpha(Image.fromarray(alpha))
    grey.save(tmp_path / "grey.png")
    assert corners(photograph(tmp_path / "grey.png"))[:2] == [(0, 0, 0), WHITE]


@pytest.mark.parametrize(
    ("ending", "kind", "white"), [("png", "uint16", 65_535), ("tif", "int32", 90_000),
                                  ("tif", "float32", 1)],
)  # fmt: skip
def test_fine_grey_levels_are_brought_down_to_8_bits(tmp_path, ending, kind, white):
    levels = np.linspace(0, white, WIDTH).astype(kind)
    Image.fromarray(np.tile(levels, (HEIGHT, 1))).save(tmp_path / f"grey.{ending}")
    row = np.asarray(photograph(tmp_path / f"grey.{ending}"))[0]
    assert row[:, 0].astype(int) == pytest.approx(np.linspace(0, 255, WIDTH), abs=4)
    assert (row == row[:, :1]).all()


def head_of_png(width, height):
    def piece(kind, content):
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", size) + piece(b"IDAT", b"") + piece(b"IEND", b"")


def test_what_is_no_picture_is_refused_in_a_sentence(tmp_path):
    two_halves().save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    path = tmp_path / "own.jpg"
    for content in (b"", b"no picture", b"<svg/>", whole[: len(whole) // 2], bytes(damaged)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"own\.jpg cannot be read as a picture: save it as"):
            photograph(path)
    for side in (10_001, 20_000):  # the second is beyond what Pillow opens
        path.write_bytes(head_of_png(side, side))
        with pytest.raises(ValueError, match="has more than 100,000,000 pixels"):
            photograph(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert all(photograph(name).mode == "RGB" for name in NAMES)
    for place in ("no such", tmp_path, "~/no such"):
        with pytest.raises(FileNotFoundError, match=r"there is no file .*; the kit has astronaut"):
            photograph(place)


def test_crops_are_the_same_for_the_same_seed():
    first, again, other = (random_crops(("coffee",), 2, seed) for seed in (1, 1, 2))
    assert [each.tobytes() for each in first] == [each.tobytes() for each in again]
    assert first[0].tobytes() != other[0].tobytes()
    assert first[0].size == (224, 224)
