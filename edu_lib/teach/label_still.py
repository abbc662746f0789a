"""The still picture of a LabelPad, for pages where no kernel runs."""

import io

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from edu_lib.roads.labels import CLASSES, PALETTE, colour_labels
from edu_lib.teach.labelling import UNLABELLED
from edu_lib.teach.plots.style import INK, MUTED

LEGEND_WIDTH = 150
ROW = 26
COLOURS = 96
OPACITY = 0.6


def draw_still(jpeg: bytes, labels: np.ndarray, finished: bool) -> tuple[bytes, str]:
    """(PNG, alt text): the scene with its labels over it, and the nine classes beside it.

    jpeg: the scene. labels: uint8 [H, W], 255 where nothing is painted.
    """
    picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
    painted = labels != UNLABELLED
    cover = Image.fromarray((painted * 255 * OPACITY).astype(np.uint8))
    picture.paste(Image.fromarray(colour_labels(labels)), (0, 0), cover)
    picture = picture.quantize(COLOURS, dither=Image.Dither.NONE).convert("RGB")  # a small file
    height = max(picture.height, ROW * len(CLASSES) + 14)
    still = Image.new("RGB", (picture.width + LEGEND_WIDTH, height), "white")
    still.paste(picture, (0, 0))
    pen = ImageDraw.Draw(still)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 14)
    for row, (name, colour) in enumerate(zip(CLASSES, PALETTE.tolist(), strict=True)):
        left, top = picture.width + 16, 8 + row * ROW
        pen.rectangle((left, top, left + 18, top + 18), fill=tuple(colour), outline=MUTED)
        pen.text((left + 28, top), f"{row + 1} {name}", fill=INK, font=font)
    buffer = io.BytesIO()
    still.quantize(256, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
    share = 100 * float(painted.mean())
    state = f"labelled by hand, {share:.0f} % of its pixels" if finished else "to be labelled"
    return buffer.getvalue(), (
        f"A road scene {state}, and the nine classes with their colours: {', '.join(CLASSES)}."
    )
