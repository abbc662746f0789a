"""An augmented view of a drive with a forward-collision warning. Taught in chapter 14.

A network reads each frame; the nearest thing in the car's own path is followed, and the warning
comes when the time to collision is below a limit in two frames that follow one another.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from roads import RoadSample, colour_labels
from roads.camera import HEIGHT_M, Camera
from roads.labels import PERSON, VEHICLE
from roads.scene import WHEELBASE_M

HALF_WIDTH_M = 1.0  # of the path that the car needs
FARTHEST_M = 60.0
LEAST_SHARE = 4e-4  # of the pixels: less is no obstacle
NEAR_PERCENTILE = 10  # of the depths of an obstacle: its near end, but for stray pixels
WINDOW_S = 0.5  # over which the closing speed is measured
SLOWEST = 0.5  # metres a second: closing slower is no danger
WARN_S = 3.0  # time to collision that warns
OPACITY = 0.4
BEHIND_TEXT = {False: (0, 0, 0), True: (200, 20, 20)}  # by whether it warns; white is read on both


@dataclass(frozen=True)
class RoadAnswer:
    """What a network says of one frame.

    segmentation: uint8 [H, W], indices into roads.CLASSES. depth: float [H, W] in metres.
    steering: degrees, positive to the right.
    """

    segmentation: np.ndarray
    depth: np.ndarray
    steering: float


@dataclass(frozen=True)
class ArFrame:
    """One frame of the augmented drive.

    picture: uint8 [H, W, 3]. distance_m: to the nearest thing in the path; infinite if there is
    none. collision_s: time to collision, infinite if nothing comes nearer. seconds: what network
    and picture took; drawing the scene does not count.
    """

    picture: np.ndarray
    distance_m: float
    collision_s: float
    warning: bool
    seconds: float


def ar_drive(
    samples: Iterable[RoadSample], network: Callable[[np.ndarray], RoadAnswer], fps: float
) -> Iterator[ArFrame]:
    """The frames of a drive as a driver would see them.

    samples: as from `roads.drive`, of which the image alone is read. network: an image, uint8
    [H, W, 3], to a RoadAnswer. fps: of the samples. Raises ValueError if fps is not above 0.
    """
    if not fps > 0:
        raise ValueError(f"fps must be above 0, got {fps}")
    return _frames(samples, network, fps)


def _frames(samples, network, fps) -> Iterator[ArFrame]:
    distances: deque[float] = deque(maxlen=max(3, round(WINDOW_S * fps) + 1))
    was_near = False
    for sample in samples:
        start = time.perf_counter()
        answer = network(sample.image)
        distances.append(path_distance(answer))
        collision_s = time_to_collision(list(distances), fps)
        near = bool(collision_s < WARN_S)
        warning, was_near = near and was_near, near  # one frame alone may be a mistake
        picture = draw_view(sample.image, answer, distances[-1], warning)
        seconds = time.perf_counter() - start
        yield ArFrame(picture, distances[-1], collision_s, warning, seconds)


def path_offset(steering: float, depth: float | np.ndarray) -> float | np.ndarray:
    """Metres to the right at which the car will be after `depth` metres, if it steers so."""
    # a circle of curvature tan(steering) / wheelbase: x = z^2 / 2 * curvature
    return depth**2 / 2 * math.tan(math.radians(steering)) / WHEELBASE_M


def path_distance(answer: RoadAnswer) -> float:
    """Metres to the nearest vehicle or person in the car's path; infinite if it is free."""
    height, width = answer.segmentation.shape
    camera = Camera(height, width)
    depth = answer.depth.astype(np.float64)
    things = np.isin(answer.segmentation, (VEHICLE, PERSON))
    # the side of a truck beside the path reaches far ahead of its near end: where it stands counts
    at = np.maximum(depth, _standing(things, camera))
    # x = (column - centre) z / focal, as seen from the path
    columns = np.arange(width) + 0.5
    x = (columns - camera.centre) * at / camera.focal - path_offset(answer.steering, at)
    inside = depth[things & (np.abs(x) < HALF_WIDTH_M) & (depth < FARTHEST_M)]
    if len(inside) < max(1, LEAST_SHARE * height * width):
        return math.inf
    return float(np.percentile(inside, NEAR_PERCENTILE))


def _standing(things: np.ndarray, camera: Camera) -> np.ndarray:
    """Metres at which the lowest pixel of a thing meets the road, for each column [W]."""
    below = np.argmax(things[::-1], axis=0)  # rows under it; 0 where there is none
    rows = len(things) - below - camera.horizon
    # row - horizon = focal * height of the camera / z
    return np.where(rows > 1, camera.focal * HEIGHT_M / np.maximum(rows, 1), FARTHEST_M)


def time_to_collision(distances: list[float], fps: float) -> float:
    """Seconds until the distance is used up, infinite if it does not shrink.

    distances: of the last frames, the newest at the end; the closing speed is the slope of a line
    through those behind the last moment when the path was free.
    """
    free = [at for at, distance in enumerate(distances) if not math.isfinite(distance)]
    known = distances[free[-1] + 1 :] if free else distances
    if len(known) < 3:
        return math.inf
    slope = np.polyfit(np.arange(len(known)) / fps, known, 1)[0]
    return float(known[-1] / -slope) if slope < -SLOWEST else math.inf


def draw_view(
    image: np.ndarray, answer: RoadAnswer, distance_m: float, warning: bool
) -> np.ndarray:
    """The image under its classes, with the path and the distance: uint8 [H, W, 3]."""
    colours = colour_labels(answer.segmentation)
    mixed = (1 - OPACITY) * image + OPACITY * colours
    picture = Image.fromarray(mixed.round().astype(np.uint8))
    drawing = ImageDraw.Draw(picture)
    camera = Camera(*image.shape[:2])
    colour = (230, 40, 40) if warning else (60, 220, 120)
    for side in (-HALF_WIDTH_M, HALF_WIDTH_M):
        stations = np.arange(4.0, min(distance_m, 40.0) + 0.1)
        offsets = path_offset(answer.steering, stations) + side
        points = [camera.project(x, 0.0, z) for x, z in zip(offsets, stations, strict=True)]
        if len(points) > 1:
            drawing.line(points, fill=colour, width=2)
    if math.isfinite(distance_m):
        text = f"{distance_m:.0f} m" + (", brake" if warning else "")
        left, top, right, bottom = drawing.textbbox((5, 4), text)
        drawing.rectangle((left - 3, top - 2, right + 2, bottom + 2), fill=BEHIND_TEXT[warning])
        drawing.text((5, 4), text, fill=(255, 255, 255))
    return np.asarray(picture)
