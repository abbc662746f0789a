#!/usr/bin/env bash
# ONNX's own reference evaluator computes AveragePool and MaxPool wrongly for some padding.
#
# AveragePool with ceil_mode=1: the last window may hang over the lower and the right border. The
# evaluator pads the input to hold it, by half of that at the end and by half at the beginning, so
# that an overhang of 2 or more moves every window: torch.nn.AvgPool2d(3, ceil_mode=True) on 7 x 7.
#
# MaxPool with steps of 1: it reads the attribute `pads` as top, bottom, left, right, where ONNX
# says top, left, bottom, right. Unless the two in the middle are alike, the result has another
# shape than the one that ONNX's shape inference gives. With padding it stops with an error for one
# or three dimensions, and for integers. With larger steps another part of it is used, which is
# right but for auto_pad=SAME_LOWER: it rounds the size of the result down where ONNX rounds it up,
# and puts below and on the right the odd row and column that belong above and on the left.
#
# A runtime or an exporter whose answers are compared with onnx.reference's is then told it errs.
#
#     bash findings/onnx_reference_pools.sh
#
# Installs pinned onnx, onnxruntime and numpy in a temporary folder, and compares windows of three
# elements in each dimension with NumPy's; ONNX Runtime gives NumPy's each time. Exits 0 while the
# answers are as described here, 1 once one of them has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper
from onnx.reference import ReferenceEvaluator

WINDOW = 3
ROWS = [  # layer, input's size, type, step, options, what came
    ("AveragePool", (7, 7), "float32", 3, {"ceil_mode": 0}, "right"),
    ("AveragePool", (8, 8), "float32", 3, {"ceil_mode": 1}, "right"),  # hangs over by 1
    ("AveragePool", (7, 7), "float32", 3, {"ceil_mode": 1}, "other values"),  # by 2
    ("MaxPool", (7, 7), "float32", 3, {"ceil_mode": 1}, "right"),
    ("MaxPool", (7, 9), "float32", 1, {"pads": [1, 1, 1, 1]}, "right"),
    ("MaxPool", (7, 9), "float32", 1, {"pads": [2, 0, 0, 1]}, "right"),
    ("MaxPool", (7, 9), "float32", 1, {"pads": [1, 0, 1, 0]}, "another shape"),
    ("MaxPool", (7, 9), "float32", 1, {"pads": [0, 0, 2, 2]}, "another shape"),
    ("MaxPool", (7, 9), "float32", 2, {"pads": [0, 0, 2, 2]}, "right"),
    ("MaxPool", (9,), "float32", 1, {"pads": [1, 1]}, "an error"),
    ("MaxPool", (9,), "float32", 2, {"pads": [1, 1]}, "right"),
    ("MaxPool", (5, 6, 7), "float32", 1, {"pads": [1] * 6}, "an error"),
    ("MaxPool", (7, 9), "int8", 1, {"pads": [1, 1, 1, 1]}, "an error"),
    ("MaxPool", (7, 9), "int8", 2, {"pads": [1, 1, 1, 1]}, "right"),
    ("MaxPool", (8, 8), "float32", 2, {"auto_pad": "SAME_UPPER"}, "right"),
    ("MaxPool", (8, 8), "float32", 2, {"auto_pad": "SAME_LOWER"}, "other values"),
    ("MaxPool", (7, 9), "float32", 2, {"auto_pad": "SAME_LOWER"}, "another shape"),
]
random = np.random.default_rng(0)


def pads_of(size, step, options):
    """The begins of all dimensions, then their ends, with what hangs over; by the definition."""
    rank = len(size)
    begins, ends = [0] * rank, [0] * rank
    if "auto_pad" in options:
        whole = [max(0, (-(-side // step) - 1) * step + WINDOW - side) for side in size]
        begins, ends = [pad // 2 for pad in whole], [pad - pad // 2 for pad in whole]
        if options["auto_pad"] == "SAME_LOWER":
            begins, ends = ends, begins
    elif "pads" in options:
        begins, ends = options["pads"][:rank], options["pads"][rank:]
    elif options["ceil_mode"]:
        ends = [-(side - WINDOW) % step for side in size]
    return begins, ends


def pooled(op, X, step, options):
    """In NumPy: of each window, the elements that lie in the input."""
    begins, ends = pads_of(X.shape[2:], step, options)
    axes = tuple(range(2, X.ndim))
    border = [(0, 0), (0, 0), *zip(begins, ends, strict=True)]
    padded = np.pad(X.astype(float), border, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (WINDOW,) * len(axes), axes)
    windows = windows[(slice(None), slice(None), *[slice(None, None, step)] * len(axes))]
    over = tuple(range(-len(axes), 0))
    return (np.nanmean if op == "AveragePool" else np.nanmax)(windows, over).astype(X.dtype)


def model_of(op, X, step, options, right):
    rank, element = X.ndim - 2, helper.np_dtype_to_tensor_dtype(X.dtype)
    node = helper.make_node(
        op, ["X"], ["y"], kernel_shape=[WINDOW] * rank, strides=[step] * rank, **options
    )
    graph = helper.make_graph(
        [node], "pool",
        [helper.make_tensor_value_info("X", element, X.shape)],
        [helper.make_tensor_value_info("y", element, right.shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)  # fails if it infers another shape
    return model


print(f"onnx {onnx.__version__}")
changed = []
for op, size, dtype, step, options, came in ROWS:
    X = random.integers(-99, 0, (1, 2, *size)).astype(dtype)
    right = pooled(op, X, step, options)
    model = model_of(op, X, step, options, right)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert np.allclose(session.run(None, {"X": X})[0], right), "ONNX Runtime is wrong too"
    try:
        y = ReferenceEvaluator(model).run(None, {"X": X})[0]
    except (IndexError, ValueError) as error:
        seen, words = "an error", f"{type(error).__name__}: {error}"
    else:
        if y.shape != right.shape:
            seen, words = "another shape", f"{y.shape[2:]}, right is {right.shape[2:]}"
        elif not np.allclose(y, right):
            share, most = (~np.isclose(y, right)).mean(), np.abs(y - right).max()
            seen = "other values"
            words = f"off in {100 * share:.0f} %, by up to {most:.0f} of {np.ptp(right):.0f}"
        else:
            seen = words = "right"
    said = ", ".join(f"{key}={value}" for key, value in options.items())
    name = f"{op}, {' x '.join(map(str, size))} {dtype}, step {step}, {said}"
    print(f"{name:62s}{words}")
    if seen != came:
        changed.append(f"{name}: {seen}, when this was written {came}")
print("\n".join(["changed:", *changed]) if changed else "as described")
sys.exit(bool(changed))
PYTHON
