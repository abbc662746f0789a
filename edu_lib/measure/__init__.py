"""Measuring: what is counted (cost), what is timed (latency), and the cards that join them."""

from edu_lib.measure.card import Card, CardComparison, compare_cards
from edu_lib.measure.cost import Cost, count_cost
from edu_lib.measure.energy import EnergyMeter
from edu_lib.measure.latency import (
    LatencyComparison,
    Measurement,
    Runner,
    compare_latency,
    fastest,
    measure_latency,
    measure_transfer,
    onnxruntime_runner,
    pytorch_runner,
)
from edu_lib.measure.layer_cost import LayerCost
from edu_lib.measure.machine import describe_machine, pick_device, versions
from edu_lib.measure.results import load_result, save_result
from edu_lib.measure.roofline import Roofline, measure_roofline

__all__ = [
    "Card",
    "CardComparison",
    "Cost",
    "EnergyMeter",
    "LatencyComparison",
    "LayerCost",
    "Measurement",
    "Roofline",
    "Runner",
    "compare_cards",
    "compare_latency",
    "count_cost",
    "describe_machine",
    "fastest",
    "load_result",
    "measure_latency",
    "measure_roofline",
    "measure_transfer",
    "onnxruntime_runner",
    "pick_device",
    "pytorch_runner",
    "save_result",
    "versions",
]
