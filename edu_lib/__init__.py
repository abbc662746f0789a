"""edu_lib: the library of Thirty Frames, a kit on efficient CNNs. Notebooks say

    import edu_lib as edu

and find here the names that chapters use; everything else is one import further in.
"""

from edu_lib import models
from edu_lib.data import Dataset, Split, fashion_mnist, mnist
from edu_lib.deploy import export_onnx, run_onnx
from edu_lib.measure import (
    Card,
    compare_cards,
    compare_latency,
    count_cost,
    describe_machine,
    load_result,
    measure_latency,
    measure_roofline,
    onnxruntime_runner,
    pick_device,
    pytorch_runner,
    save_result,
)
from edu_lib.teach import plots
from edu_lib.teach.checks import check
from edu_lib.teach.claims import claim, claims_table
from edu_lib.teach.digit_pad import DigitPad
from edu_lib.teach.ledger import LedgerRow, ledger
from edu_lib.teach.plots import show
from edu_lib.teach.predict import predict
from edu_lib.teach.widgets import Explorer, conv_cost_explorer
from edu_lib.training import History, evaluate, fit, random_affine, random_shift
from edu_lib.weights import load_weights, save_weights

__version__ = "0.1.0"

__all__ = [
    "Card",
    "Dataset",
    "DigitPad",
    "Explorer",
    "History",
    "LedgerRow",
    "Split",
    "check",
    "claim",
    "claims_table",
    "compare_cards",
    "compare_latency",
    "conv_cost_explorer",
    "count_cost",
    "describe_machine",
    "evaluate",
    "export_onnx",
    "fashion_mnist",
    "fit",
    "ledger",
    "load_result",
    "load_weights",
    "measure_latency",
    "measure_roofline",
    "mnist",
    "models",
    "onnxruntime_runner",
    "pick_device",
    "plots",
    "predict",
    "pytorch_runner",
    "random_affine",
    "random_shift",
    "run_onnx",
    "save_result",
    "save_weights",
    "show",
]
