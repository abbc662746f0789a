"""Procedural road scenes with perfect labels: a Scene is sampled, then drawn. Chapter 12.

Training and test images come from one generator: results on them say nothing about real roads.
"""

from edu_lib.roads.cityscapes import CityscapesFolder
from edu_lib.roads.drive import drive
from edu_lib.roads.labels import (
    CLASSES,
    IGNORE,
    MAX_DEPTH,
    PALETTE,
    PLACES,
    WEATHERS,
    Box,
    RoadSample,
    colour_labels,
)
from edu_lib.roads.render import render, scene
from edu_lib.roads.scene import Scene, sample_scene
from edu_lib.roads.sheet import contact_sheet
from edu_lib.roads.splits import road_split

__all__ = [
    "CLASSES",
    "IGNORE",
    "MAX_DEPTH",
    "PALETTE",
    "PLACES",
    "WEATHERS",
    "Box",
    "CityscapesFolder",
    "RoadSample",
    "Scene",
    "colour_labels",
    "contact_sheet",
    "drive",
    "render",
    "road_split",
    "sample_scene",
    "scene",
]
