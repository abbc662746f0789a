"""A camera's picture as the bytes of one message. Taught in chapter 06."""

import io

import numpy as np
from PIL import Image

from edu_lib.edge.service import RAW_HEADER, RAW_MAGIC, decode_frame

__all__ = ["FORMATS", "decode_frame", "encode_frame"]

FORMATS = ("jpeg", "png", "raw")
JPEG_QUALITY = 85
MAX_SIDE = 65_535


def encode_frame(picture: np.ndarray, form: str = "jpeg", quality: int = JPEG_QUALITY) -> bytes:
    """The bytes to send for one picture, uint8 [H, W, 3].

    form: "jpeg" loses a little and is small; "png" loses nothing; "raw" is the pixels behind a
    header of 8 bytes (the letters RAW8, height, width). quality: of JPEG, 1 to 95.
    Raises ValueError for another form, quality, shape or type. `decode_frame` turns it back.
    """
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"a picture is uint8 [H, W, 3], got {picture.dtype} {picture.shape}")
    if form not in FORMATS:
        raise ValueError(f"form is one of {', '.join(FORMATS)}, got {form!r}")
    if not 1 <= quality <= 95:
        raise ValueError(f"quality is between 1 and 95, got {quality}")
    height, width, _ = picture.shape
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise ValueError(f"a side has 1 to {MAX_SIDE} pixels, got {height} x {width}")
    if form == "raw":
        return RAW_HEADER.pack(RAW_MAGIC, height, width) + picture.tobytes()
    buffer = io.BytesIO()
    options = {"quality": quality} if form == "jpeg" else {}
    Image.fromarray(picture).save(buffer, form.upper(), **options)
    return buffer.getvalue()
