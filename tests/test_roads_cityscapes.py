"""Own data in Cityscapes' layout, on a tiny made-up tree, beside torchvision's reader."""

import json

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import Cityscapes

from edu_lib.roads import IGNORE, CityscapesFolder
from edu_lib.roads.labels import PERSON, ROAD, SIDEWALK, SIGN, SKY, VEHICLE

HEIGHT, WIDTH = 64, 128


def _save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def _add(root, city, number, extras=True):
    stem = f"{city}_{number:06d}_000019"
    image = np.full((HEIGHT, WIDTH, 3), number, np.uint8)
    labels = np.full((HEIGHT, WIDTH), 7, np.uint8)
    labels[:20] = 23
    labels[20:30, :40] = 26
    labels[20:30, 60:70] = 24
    labels[20:30, 70:80] = 20
    labels[30:40, :20] = 8
    labels[60:] = 4
    instances = labels.astype(np.int32)
    instances[labels == 26] = 26_000
    instances[labels == 24] = 24_003
    _save(root / "leftImg8bit" / "train" / city / f"{stem}_leftImg8bit.png", image)
    fine = root / "gtFine" / "train" / city
    _save(fine / f"{stem}_gtFine_labelIds.png", labels)
    if extras:
        _save(fine / f"{stem}_gtFine_instanceIds.png", instances.astype(np.uint16))
        disparity = np.full((HEIGHT, WIDTH), 1 + 256 * 10, np.uint16)
        disparity[:20] = 0
        _save(root / "disparity" / "train" / city / f"{stem}_disparity.png", disparity)
        camera = root / "camera" / "train" / city / f"{stem}_camera.json"
        camera.parent.mkdir(parents=True, exist_ok=True)
        values = {"extrinsic": {"baseline": 0.2}, "intrinsic": {"fx": 2000.0}}
        camera.write_text(json.dumps(values))


@pytest.fixture
def tree(tmp_path):
    _add(tmp_path, "aachen", 1)
    _add(tmp_path, "aachen", 2)
    _add(tmp_path, "bonn", 3, extras=False)
    return tmp_path


def test_samples_have_our_structure(tree):
    data = CityscapesFolder(tree, "train", 32, 64)
    sample = data[0]
    assert len(data) == 3
    assert sample.image.shape == (32, 64, 3)
    assert sample.image.dtype == np.uint8
    assert sample.segmentation.dtype == np.uint8
    assert sample.place == "aachen"
    assert sample.steering is None
    assert "unknown" in repr(sample)


def test_label_ids_become_our_classes(tree):
    seg = CityscapesFolder(tree, "train", HEIGHT, WIDTH)[0].segmentation
    assert seg[5, 5] == SKY
    assert seg[25, 5] == VEHICLE
    assert seg[25, 65] == PERSON
    assert seg[25, 75] == SIGN
    assert seg[35, 5] == SIDEWALK
    assert seg[50, 50] == ROAD
    assert seg[62, 50] == IGNORE


def test_depth_comes_from_the_disparity(tree):
    data = CityscapesFolder(tree, "train", 32, 64)
    depth = data[0].depth
    # 0.2 m * 2000 pixels / 10 pixels
    assert depth[20, 30] == pytest.approx(40.0)
    assert np.isnan(depth[2, 30])
    assert data[2].depth is None


def test_boxes_come_from_the_instances(tree):
    data = CityscapesFolder(tree, "train", HEIGHT, WIDTH)
    boxes = {box.class_id: box for box in data[0].boxes}
    car = boxes[VEHICLE]
    assert (car.x0, car.y0, car.x1, car.y1) == (0, 20, 40, 30)
    assert car.distance_m == pytest.approx(40.0)
    assert (boxes[PERSON].x0, boxes[PERSON].x1) == (60, 70)
    assert data[0].vehicles == 1
    assert data[2].vehicles is None
    assert data[2].boxes == []


def test_the_same_files_as_torchvision_finds(tree):
    ours = CityscapesFolder(tree, "train", HEIGHT, WIDTH)
    theirs = Cityscapes(str(tree), split="train", mode="fine", target_type="semantic")
    assert sorted(theirs.images) == [str(path) for path in ours.images]
    pixels = {np.asarray(image)[0, 0, 0] for image, _ in theirs}
    assert {sample.image[0, 0, 0] for sample in (ours[0], ours[1], ours[2])} == pixels


def test_what_is_missing_is_named(tree, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(FileNotFoundError, match="Put images under leftImg8bit/train/CITY"):
        CityscapesFolder(empty, "train")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        CityscapesFolder(tree, "val")
    with pytest.raises(ValueError, match="split must be one of"):
        CityscapesFolder(tree, "validation")
    labels = tree / "gtFine" / "train" / "bonn"
    next(labels.glob("*labelIds.png")).unlink()
    with pytest.raises(FileNotFoundError, match=r"labels .* of image bonn"):
        CityscapesFolder(tree, "train", 32, 64)[2]
