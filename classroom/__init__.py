"""What a chapter shows: figures, widgets, predictions, claims, the ledger and exercise checks.

import classroom

classroom.check("ch01.output_size", output_size)
"""

from classroom import plots
from classroom.checks import check, score
from classroom.claims import claim, claims_table
from classroom.digit_pad import DigitPad
from classroom.ledger_table import LedgerRow, ledger, read_ledger
from classroom.plots import show
from classroom.predictions import predict
from classroom.progress import progress
from classroom.recorded_gpus import gpu_lines, recorded_gpus
from classroom.road_scenes import RoadSplit, road_scenes
from classroom.scoreboard import judged_claims, scoreboard
from classroom.webcam import Webcam
from classroom.widgets import Explorer, conv_cost_explorer

__all__ = [
    "DigitPad",
    "Explorer",
    "LedgerRow",
    "RoadSplit",
    "Webcam",
    "check",
    "claim",
    "claims_table",
    "conv_cost_explorer",
    "gpu_lines",
    "judged_claims",
    "ledger",
    "plots",
    "predict",
    "progress",
    "read_ledger",
    "recorded_gpus",
    "road_scenes",
    "score",
    "scoreboard",
    "show",
]
