"""Generated road scenes as tensors, for the chapters and the studies. Taught in chapter 12."""

from dataclasses import dataclass

import torch
from torch import Tensor

from roads.splits import road_split


@dataclass(frozen=True)
class RoadSplit:
    """Road scenes: X uint8 [N, 3, H, W]; y a dict of labels, place and weather a word an image.

    y: "segmentation" uint8 [N, H, W], "depth" float16 [N, H, W] in metres, "steering" float32 [N]
    in degrees, positive to the right, "vehicles" int64 [N].
    """

    X: Tensor
    y: dict[str, Tensor]
    place: tuple[str, ...]
    weather: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.X)

    def subset(self, indices: Tensor) -> "RoadSplit":
        """The scenes at `indices` (int64 [M]), in that order."""
        return RoadSplit(
            self.X[indices],
            {name: labels[indices] for name, labels in self.y.items()},
            tuple(self.place[i] for i in indices.tolist()),
            tuple(self.weather[i] for i in indices.tolist()),
        )


def road_scenes(
    split: str, count: int | None = None, height: int = 128, width: int = 256
) -> RoadSplit:
    """Generated road scenes with perfect labels; drawn on first use, then cached in data/cache.

    split: "train", "validation" or "test": 8,000, 500 and 1,000 scenes unless `count` is given.
    All come from one generator: what is measured here says nothing about real roads.
    Raises what `roads.road_split` raises. Taught in chapter 12.
    """
    arrays = road_split(split, count, height, width)
    labels = ("segmentation", "depth", "steering", "vehicles")
    return RoadSplit(
        torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2).contiguous(),
        {name: torch.from_numpy(arrays[name]).clone() for name in labels},
        tuple(arrays["place"].tolist()),
        tuple(arrays["weather"].tolist()),
    )
