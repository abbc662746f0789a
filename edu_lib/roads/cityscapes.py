"""Own driving data in the folder layout of Cityscapes, as the same samples. Chapter 12.

Source: Cordts et al. 2016, "The Cityscapes Dataset for Semantic Urban Scene Understanding".
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from edu_lib.roads.labels import (
    BUILDING,
    IGNORE,
    PERSON,
    ROAD,
    SIDEWALK,
    SIGN,
    SKY,
    VEGETATION,
    VEHICLE,
    Box,
    RoadSample,
)
from edu_lib.roads.render import MIN_SIZE

SPLITS = ("train", "val", "test", "train_extra")
# Cityscapes' labelIds by our classes. Lane markings are not labelled there, so the class
# "marking" never occurs. A bicycle counts as person, as its rider does in our scenes.
LABEL_IDS = {
    ROAD: (7, 9),
    SIDEWALK: (8,),
    BUILDING: (11, 12, 13, 15, 16),
    SIGN: (14, 17, 18, 19, 20),
    VEGETATION: (21, 22),
    SKY: (23,),
    PERSON: (24, 25, 33),
    VEHICLE: (26, 27, 28, 29, 30, 31, 32),
}
BASELINE_M, FOCAL_PX = 0.209313, 2262.52  # of Cityscapes' camera, when a folder gives none


def _class_table() -> np.ndarray:
    table = np.full(256, IGNORE, np.uint8)
    for class_id, label_ids in LABEL_IDS.items():
        table[list(label_ids)] = class_id
    return table


CLASS_TABLE = _class_table()


class CityscapesFolder:
    """Road samples read from leftImg8bit/SPLIT/CITY/*.png and gtFine/SPLIT/CITY/*.png.

    Optional folders: disparity (depth), camera (baseline and focal length). The samples have
    uint8 images and segmentation of `height` x `width`; a pixel of no class is IGNORE (255).
    depth is float32 in metres, nan where nothing was measured, or None without disparity.
    steering is None. vehicles and boxes come from the instanceIds, or are None and [] without.

    Raises ValueError for an unknown split or size, FileNotFoundError for what is missing.
    """

    def __init__(self, root: str | Path, split: str = "train", height: int = 128, width: int = 256):
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}.")
        if height < MIN_SIZE or width < MIN_SIZE:
            raise ValueError(f"height and width must be at least {MIN_SIZE}.")
        self.root, self.split = Path(root), split
        self.height, self.width = height, width
        self.labels = "gtCoarse" if split == "train_extra" else "gtFine"
        for name in ("leftImg8bit", self.labels):
            folder = self.root / name / split
            if not folder.is_dir():
                raise FileNotFoundError(
                    f"There is no folder {folder}. Put images under leftImg8bit/{split}/CITY and "
                    f"labels under {self.labels}/{split}/CITY, as Cityscapes does."
                )
        self.images = sorted((self.root / "leftImg8bit" / split).glob("*/*_leftImg8bit.png"))
        if not self.images:
            raise FileNotFoundError(
                f"There is no image CITY/*_leftImg8bit.png in {self.root / 'leftImg8bit' / split}."
            )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> RoadSample:
        path = self.images[index]
        with Image.open(path) as file:
            image = file.convert("RGB").resize((self.width, self.height), Image.Resampling.BOX)
        label_ids = self._labels(path, "labelIds", required=True)
        instances = self._labels(path, "instanceIds", required=False)
        depth = self._depth(path)
        boxes = [] if instances is None else self._boxes(instances, depth)
        count = None if instances is None else sum(box.class_id == VEHICLE for box in boxes)
        return RoadSample(
            image=np.asarray(image),
            segmentation=CLASS_TABLE[label_ids.astype(np.uint8)],
            depth=depth,
            steering=None,
            vehicles=count,
            boxes=boxes,
            place=path.parent.name,
        )

    def _beside(self, image: Path, folder: str, ending: str) -> Path:
        """The file that belongs to an image in another of the dataset's folders."""
        stem = image.name.removesuffix("_leftImg8bit.png")
        return self.root / folder / self.split / image.parent.name / f"{stem}_{ending}"

    def _read(self, path: Path) -> np.ndarray:
        with Image.open(path) as file:
            size = (self.width, self.height)
            return np.asarray(file.resize(size, Image.Resampling.NEAREST)).astype(np.int64)

    def _labels(self, image: Path, kind: str, required: bool) -> np.ndarray | None:
        path = self._beside(image, self.labels, f"{self.labels}_{kind}.png")
        if path.is_file():
            return self._read(path)
        if required:
            raise FileNotFoundError(f"The labels {path} of image {image.name} are missing.")
        return None

    def _depth(self, image: Path) -> np.ndarray | None:
        """Depth in metres from a 16-bit disparity image.

        disparity = (value - 1) / 256 in pixels,  depth = baseline * focal length / disparity
        """
        path = self._beside(image, "disparity", "disparity.png")
        if not path.is_file():
            return None
        baseline, focal = BASELINE_M, FOCAL_PX
        camera = self._beside(image, "camera", "camera.json")
        if camera.is_file():
            values = json.loads(camera.read_text())
            baseline, focal = values["extrinsic"]["baseline"], values["intrinsic"]["fx"]
        disparity = (self._read(path) - 1) / 256
        with np.errstate(divide="ignore"):
            depth = baseline * focal / disparity
        return np.where(disparity > 0, depth, np.nan).astype(np.float32)

    def _boxes(self, instances: np.ndarray, depth: np.ndarray | None) -> list[Box]:
        """Boxes of vehicles and people: an instanceId is 1000 * labelId + number."""
        boxes = []
        for number in np.unique(instances[instances >= 1000]).tolist():
            class_id = int(CLASS_TABLE[number // 1000])
            if class_id not in (VEHICLE, PERSON):
                continue
            mask = instances == number
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            inside = depth[mask] if depth is not None else np.array([np.nan])
            inside = inside[np.isfinite(inside)]
            distance = float(np.median(inside)) if len(inside) else float("nan")
            corners = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
            boxes.append(Box(class_id, *map(int, corners), distance))
        return boxes
