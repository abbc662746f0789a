"""Labels painted by hand against the true ones, and a simulated hasty annotator. Chapter 04."""

from dataclasses import dataclass

import numpy as np

from roads.labels import CLASSES, IGNORE

UNLABELLED = IGNORE


@dataclass(frozen=True)
class LabelScore:
    """How good labels are: IoU in percent of each class of the scene, by name, and the time taken.

    miou: the mean of `ious`. unlabelled: percent of the pixels left without a label.
    """

    ious: dict[str, float]
    miou: float
    unlabelled: float
    seconds: float

    @property
    def minutes(self) -> float:
        return self.seconds / 60

    def __repr__(self) -> str:
        lines = [f"{name:12s} {iou:5.1f} % IoU" for name, iou in self.ious.items()]
        lines.append(f"{'mean':12s} {self.miou:5.1f} % IoU, {self.unlabelled:.1f} % unlabelled")
        return "\n".join([*lines, f"{'time':12s} {self.minutes:5.1f} minutes"])


def check_labels(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The labels as uint8 [H, W]. Raises ValueError if they are no class indices of that shape."""
    labels = np.asarray(labels)
    if labels.shape != tuple(shape):
        raise ValueError(f"Labels must have the scene's shape {tuple(shape)}, got {labels.shape}.")
    known = (labels == UNLABELLED) | ((labels >= 0) & (labels < len(CLASSES)))
    if labels.dtype.kind not in "iu" or not known.all():
        raise ValueError(f"A label is a whole number from 0 to 8, or {UNLABELLED} for none.")
    return labels.astype(np.uint8)


def score_labels(labels: np.ndarray, truth: np.ndarray, seconds: float) -> LabelScore:
    """Intersection over union of `labels` with `truth`, class by class.

    labels: [H, W], indices into CLASSES, UNLABELLED (255) where there is none, which counts as
    wrong. truth: uint8 [H, W]. Classes that the truth does not hold are left out.
    Raises ValueError on other values or shapes, or negative seconds.
    Source: Everingham et al. 2010, "The Pascal VOC Challenge". Taught in chapter 04.
    """
    labels = check_labels(labels, truth.shape)
    if not seconds >= 0:
        raise ValueError(f"The time must be 0 seconds or more, got {seconds}.")
    ious = {}
    for index, name in enumerate(CLASSES):
        mine, right = labels == index, truth == index
        if right.any():
            # IoU = pixels in both / pixels in at least one
            ious[name] = float(100 * (mine & right).sum() / (mine | right).sum())
    unlabelled = 100 * float((labels == UNLABELLED).mean())
    return LabelScore(ious, sum(ious.values()) / len(ious), unlabelled, float(seconds))


def hasty_labels(truth: np.ndarray, block: int = 16) -> np.ndarray:
    """What an annotator in a hurry might give: squares of `block` pixels, each of one class.

    A simulation, not a person: every square gets the class that most of its pixels have.
    truth: uint8 [H, W]. Returns uint8 [H, W]. Raises ValueError unless block is 1 or more.
    """
    if block < 1:
        raise ValueError(f"A block has 1 pixel or more on a side, got {block}.")
    height, width = truth.shape
    padding = [(0, -height % block), (0, -width % block)]
    counts = []
    for index in range(len(CLASSES)):
        chosen = np.pad(truth == index, padding)
        rows, columns = (size // block for size in chosen.shape)
        counts.append(chosen.reshape(rows, block, columns, block).sum(axis=(1, 3)))
    majority = np.argmax(counts, axis=0).astype(np.uint8)
    return majority.repeat(block, axis=0).repeat(block, axis=1)[:height, :width]


def count_segments(labels: np.ndarray, min_pixels: int = 20) -> int:
    """How many connected areas of one class there are: what an annotator must outline.

    labels: [H, W] of class indices. Pixels touch side by side; areas of fewer than `min_pixels`
    are not counted. Taught in chapter 04.
    """
    height, width = labels.shape
    left = labels.astype(int).ravel().tolist()
    count = 0
    for start, label in enumerate(left):
        if label < 0:
            continue
        left[start], open_pixels, size = -1, [start], 0
        while open_pixels:
            at = open_pixels.pop()
            size += 1
            row, column = divmod(at, width)
            near = [at - 1] * (column > 0) + [at + 1] * (column < width - 1)
            near += [at - width] * (row > 0) + [at + width] * (row < height - 1)
            for pixel in near:
                if left[pixel] == label:
                    left[pixel] = -1
                    open_pixels.append(pixel)
        count += size >= min_pixels
    return count
