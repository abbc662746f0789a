"""Measuring: what is timed, on which machine, and the cards that join it with what is counted."""

from edu_lib.measure.card import Card, CardComparison, compare_cards
from edu_lib.measure.energy import EnergyMeter
from edu_lib.measure.latency import (
    LatencyComparison,
    Measurement,
    compare_latency,
    fastest,
    measure_latency,
)
from edu_lib.measure.machine import (
    describe_machine,
    int8_dot_product_saturates,
    pick_device,
    versions,
)
from edu_lib.measure.results import load_published, load_result, save_result, write_json
from edu_lib.measure.roofline import (
    LayerTime,
    Roofline,
    layer_table,
    measure_roofline,
    time_layers,
)
from edu_lib.measure.runner import (
    Runner,
    onnxruntime_runner,
    open_session,
    openvino_runner,
    pytorch_runner,
    standard_runners,
)
from edu_lib.measure.timing import TransferTime, measure_transfer, percentile

__all__ = [
    "Card",
    "CardComparison",
    "EnergyMeter",
    "LatencyComparison",
    "LayerTime",
    "Measurement",
    "Roofline",
    "Runner",
    "TransferTime",
    "compare_cards",
    "compare_latency",
    "describe_machine",
    "fastest",
    "int8_dot_product_saturates",
    "layer_table",
    "load_published",
    "load_result",
    "measure_latency",
    "measure_roofline",
    "measure_transfer",
    "onnxruntime_runner",
    "open_session",
    "openvino_runner",
    "percentile",
    "pick_device",
    "pytorch_runner",
    "save_result",
    "standard_runners",
    "time_layers",
    "versions",
    "write_json",
]
