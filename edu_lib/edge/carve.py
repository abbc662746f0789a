"""Pictures found in a heap of bytes, without knowing how they were sent. Taught in chapter 06."""

import numpy as np

from edu_lib.edge.service import RAW_HEADER, RAW_MAGIC, decode_frame

# how a picture begins and ends in its file format
MARKS = (
    (b"\xff\xd8\xff", b"\xff\xd9"),  # JPEG: start and end of image
    (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"),  # PNG: signature and last chunk
)


def find_pictures(data: bytes) -> list[np.ndarray]:
    """Every JPEG, PNG or raw frame in `data`, uint8 [H, W, 3], in the order of their bytes.

    What begins like a picture and is none is passed over, so that ciphertext gives an empty list.
    """
    found = []
    for begin, end in MARKS:
        at = data.find(begin)
        while at >= 0:
            stop = data.find(end, at + len(begin))
            picture = _decoded(data[at : stop + len(end)]) if stop >= 0 else None
            if picture is not None:
                found.append((at, picture))
            at = data.find(begin, stop + len(end) if picture is not None else at + 1)
    found += _raw_pictures(data)
    return [picture for _, picture in sorted(found, key=lambda pair: pair[0])]


def _raw_pictures(data: bytes) -> list[tuple[int, np.ndarray]]:
    found = []
    at = data.find(RAW_MAGIC)
    while 0 <= at <= len(data) - RAW_HEADER.size:
        _, height, width = RAW_HEADER.unpack_from(data, at)
        end = at + RAW_HEADER.size + height * width * 3
        picture = _decoded(data[at:end]) if end <= len(data) else None
        if picture is not None and picture.size:
            found.append((at, picture))
        at = data.find(RAW_MAGIC, at + 1)
    return found


def _decoded(piece: bytes) -> np.ndarray | None:
    try:
        return decode_frame(piece)
    except ValueError:
        return None
