"""Procedural road scenes with perfect labels: a Scene is sampled, then drawn. Chapter 12.

Training and test images come from one generator: results on them say nothing about real roads.
"""

from roads.drive import drive
from roads.labels import (
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
from roads.render import contact_sheet, render, scene
from roads.scene import Scene, sample_scene
from roads.splits import road_split

__all__ = [
    "CLASSES",
    "IGNORE",
    "MAX_DEPTH",
    "PALETTE",
    "PLACES",
    "WEATHERS",
    "Box",
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
