"""Where the final network breaks: by weather, place and distance, and on scenes unlike its own.

    python3 -m studies.thirty_frames_limits

Reads the shipped file, data/weights/thirty_frames.30f, in ONNX Runtime. Writes
data/results/thirty_frames_limits.json. About a minute of one core. All scenes come from the
generator that made the training scenes: none of this says how a real road is read.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

import edu_lib as edu
import roads
from classroom.final_network import SHAPE, RoadEyes, final_network, one_scene
from classroom.road_scenes import road_scenes
from edu_lib.models.road_tasks import FARTHEST_JUDGED, SKY, intersection_over_union
from roads import camera, facades, ground, shadows, vehicles
from roads.labels import VEHICLE
from studies import frame

NAME = "thirty_frames_limits"
STRANGE, FIRST_SEED = 60, 7_000_000  # scenes of each kind; seeds that no split has
BINS = ((0, 10), (10, 20), (20, 40), (40, 80))  # metres
HEIGHTS = (1.0, 2.2)  # metres; the training's camera is at 1.4
SPOTS, SPOT_ALPHA = 12, 0.75
KNOW_HEIGHT = (camera, facades, ground, shadows, vehicles)


class Tally:
    """What is counted over scenes, and the quality that it makes."""

    def __init__(self):
        self.confusion = np.zeros((len(roads.CLASSES),) * 2, np.int64)
        self.right, self.judged, self.steering = 0, 0, []
        self.bins = {bin_: np.zeros(4, np.int64) for bin_ in BINS}

    def add(self, answer, segmentation: np.ndarray, depth: np.ndarray, steering: float) -> None:
        """One scene: an answer and the truth."""
        classes = len(self.confusion)
        pairs = segmentation.astype(np.int64) * classes + answer.segmentation
        self.confusion += np.bincount(pairs.ravel(), minlength=classes**2).reshape(classes, -1)
        judged = (segmentation != SKY) & (depth < FARTHEST_JUDGED)
        right = np.maximum(answer.depth / depth, depth / answer.depth) < 1.25
        self.right += int((right & judged).sum())
        self.judged += int(judged.sum())
        self.steering.append(abs(answer.steering - steering))
        vehicle, found = segmentation == VEHICLE, answer.segmentation == VEHICLE
        for (low, high), counts in self.bins.items():
            there = judged & (depth >= low) & (depth < high)
            masks = (vehicle & there, vehicle & found & there, there, there & right)
            counts += [int(mask.sum()) for mask in masks]

    def figures(self) -> dict:
        """Quality over the scenes so far."""
        confusion = torch.from_numpy(self.confusion).float()
        occurs = confusion.sum(dim=1) > 0
        return {
            "scenes": len(self.steering),
            "miou": float(torch.tensor(intersection_over_union(confusion))[occurs].mean()),
            "delta1": 100 * self.right / self.judged,
            "steering_error_deg": float(np.mean(self.steering)),
        }

    def by_distance(self) -> list[dict]:
        """For each stretch of metres: vehicle pixels found, and depths within 25 %."""
        return [
            {
                "from_m": low,
                "to_m": high,
                "vehicles_found_percent": 100 * found / max(1, vehicle),
                "delta1": 100 * right / max(1, there),
            }
            for (low, high), (vehicle, found, there, right) in self.bins.items()
        ]


def on_the_test_scenes(eyes: RoadEyes) -> dict:
    """All of them, by weather, by place, by distance."""
    scenes, whole = road_scenes("test"), Tally()
    words = {"by_weather": scenes.weather, "by_place": scenes.place}
    groups = {name: {word: Tally() for word in sorted(set(w))} for name, w in words.items()}
    for at in range(len(scenes)):
        image = scenes.X[at].permute(1, 2, 0).numpy()
        truth = (
            scenes.y["segmentation"][at].numpy(),
            scenes.y["depth"][at].float().numpy(),
            float(scenes.y["steering"][at]),
        )
        answer = eyes(image)
        for tally in (whole, *(groups[name][words[name][at]] for name in groups)):
            tally.add(answer, *truth)
    figures = {
        name: {word: tally.figures() for word, tally in tallies.items()}
        for name, tallies in groups.items()
    }
    return figures | {"test": whole.figures(), "by_distance": whole.by_distance()}


def strange_scenes() -> dict[str, Callable[[int], roads.RoadSample]]:
    """{kind: seed -> sample}. "as trained" is the control."""
    kinds = {"as trained": plain, "left-hand traffic": mirrored, "dirt on the lens": dirty}
    for height in HEIGHTS:
        kinds[f"camera at {height} m"] = lambda seed, height=height: from_height(seed, height)
    return kinds


def plain(seed: int) -> roads.RoadSample:
    """A scene as those of the training."""
    return roads.scene(seed, *SHAPE[2:])


def mirrored(seed: int) -> roads.RoadSample:
    """A scene in a mirror: traffic drives on the left."""
    sample = plain(seed)
    sample.image, sample.segmentation, sample.depth = (
        np.ascontiguousarray(array[:, ::-1])
        for array in (sample.image, sample.segmentation, sample.depth)
    )
    sample.steering = -sample.steering
    return sample


def dirty(seed: int) -> roads.RoadSample:
    """A scene behind blurred brown spots, each up to a tenth of the width."""
    sample, rng = plain(seed), np.random.default_rng(seed)
    height, width = sample.segmentation.shape
    rows, columns = np.mgrid[:height, :width]
    share = np.zeros((height, width))
    for _ in range(SPOTS):
        row, column, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(3, 13)
        distance = np.hypot(rows - row, columns - column)
        share = np.maximum(share, SPOT_ALPHA * np.clip(1.5 - distance / radius, 0, 1))
    mud = np.array([84.0, 70.0, 52.0])
    mixed = sample.image * (1 - share[..., None]) + mud * share[..., None]
    sample.image = mixed.round().astype(np.uint8)
    return sample


def from_height(seed: int, height: float) -> roads.RoadSample:
    """A scene seen by a camera at another height, in metres."""
    with camera_at(height):
        return plain(seed)


@contextmanager
def camera_at(height: float) -> Iterator[None]:
    """Within the block every module of `roads` draws for a camera at that height."""
    with ExitStack() as stack:
        for module in KNOW_HEIGHT:
            stack.enter_context(patch.object(module, "HEIGHT_M", height))
        yield


def measure() -> dict:
    """Everything, in one result."""
    with tempfile.TemporaryDirectory() as folder:
        path = edu.export_int8(final_network(), one_scene(), Path(folder) / "final.onnx")
        eyes = RoadEyes(path)
        figures = on_the_test_scenes(eyes)
        for kind, make in strange_scenes().items():
            tally = Tally()
            for seed in range(FIRST_SEED, FIRST_SEED + STRANGE):
                sample = make(seed)
                tally.add(eyes(sample.image), sample.segmentation, sample.depth, sample.steering)
            figures.setdefault("strange", {})[kind] = tally.figures()
            print(kind, figures["strange"][kind], flush=True)
    return figures


if __name__ == "__main__":
    frame.start(lambda: frame.study(NAME, __doc__, measure))
