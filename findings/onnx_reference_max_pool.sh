#!/usr/bin/env bash
# ONNX's own reference evaluator computes MaxPool wrongly, or not at all, for some padding.
#
# With steps of 1 it reads the attribute `pads` as top, bottom, left, right, where ONNX says top,
# left, bottom, right: unless the two in the middle are alike, the result has another shape than
# the one that ONNX's shape inference gives. With steps of 1 and padding it stops with an error for
# one or three dimensions, and for integers. With larger steps another part of it is used, which is
# right but for auto_pad=SAME_LOWER: it rounds the size of the result down where ONNX rounds it up,
# and puts below and on the right the odd row and column that belong above and on the left.
# A runtime or an exporter whose answers are compared with onnx.reference's is then told it errs.
#
#     bash findings/onnx_reference_max_pool.sh
#
# Installs pinned onnx, onnxruntime and numpy in a temporary folder, and compares the maxima over
# whole numbers with NumPy's; ONNX Runtime gives NumPy's each time. Exits 0 while the answers are as
# described here, 1 once one of them has changed.
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
ROWS = [  # input's size, type, step, padding, what came
    ((7, 9), "float32", 1, [1, 1, 1, 1], "right"),
    ((7, 9), "float32", 1, [2, 0, 0, 1], "right"),
    ((7, 9), "float32", 1, [1, 0, 1, 0], "another shape"),
    ((7, 9), "float32", 1, [0, 0, 2, 2], "another shape"),
    ((7, 9), "float32", 2, [0, 0, 2, 2], "right"),
    ((9,), "float32", 1, [1, 1], "an error"),
    ((9,), "float32", 2, [1, 1], "right"),
    ((5, 6, 7), "float32", 1, [1, 1, 1, 1, 1, 1], "an error"),
    ((7, 9), "int8", 1, [1, 1, 1, 1], "an error"),
    ((7, 9), "int8", 2, [1, 1, 1, 1], "right"),
    ((7, 9), "float32", 2, "SAME_UPPER", "right"),
    ((7, 9), "float32", 2, "SAME_LOWER", "another shape"),
    ((8, 8), "float32", 2, "SAME_LOWER", "other values"),
]
random = np.random.default_rng(0)


def pads_of(size, step, padding):
    """The begins of all dimensions, then their ends; auto_pad's by its definition."""
    if not isinstance(padding, str):
        return padding
    whole = [max(0, (-(-side // step) - 1) * step + WINDOW - side) for side in size]
    less, more = [pad // 2 for pad in whole], [pad - pad // 2 for pad in whole]
    return less + more if padding == "SAME_UPPER" else more + less


def maxima(X, step, pads):
    """By the definition, in NumPy."""
    rank = X.ndim - 2
    border = [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)]
    padded = np.pad(X.astype(float), border, constant_values=-np.inf)
    axes = tuple(range(2, 2 + rank))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (WINDOW,) * rank, axes)
    steps = (slice(None), slice(None), *[slice(None, None, step)] * rank)
    return windows[steps].max(tuple(range(-rank, 0))).astype(X.dtype)


print(f"onnx {onnx.__version__}; windows of {WINDOW} in each dimension")
changed = []
for size, dtype, step, padding, came in ROWS:
    X = random.integers(-99, 0, (1, 2, *size)).astype(dtype)
    right = maxima(X, step, pads_of(size, step, padding))
    options = {"auto_pad" if isinstance(padding, str) else "pads": padding}
    node = helper.make_node(
        "MaxPool", ["X"], ["y"], kernel_shape=[WINDOW] * len(size), strides=[step] * len(size),
        **options,
    )
    element = helper.np_dtype_to_tensor_dtype(X.dtype)
    graph = helper.make_graph(
        [node], "pool",
        [helper.make_tensor_value_info("X", element, X.shape)],
        [helper.make_tensor_value_info("y", element, right.shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)  # infers the right shape, or says so
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert np.array_equal(session.run(None, {"X": X})[0], right), "ONNX Runtime is wrong too"
    try:
        y = ReferenceEvaluator(model).run(None, {"X": X})[0]
    except (IndexError, ValueError) as error:
        seen, words = "an error", f"{type(error).__name__}: {error}"
    else:
        if y.shape != right.shape:
            seen, words = "another shape", f"{y.shape[2:]}, right is {right.shape[2:]}"
        elif not np.array_equal(y, right):
            seen = "other values"
            words = f"{100 * (y != right).mean():.0f} % of the maxima wrong"
        else:
            seen = words = "right"
    name = f"{' x '.join(map(str, size)):9s} {dtype}, steps of {step}, {padding}"
    print(f"{name:51s}{words}")
    if seen != came:
        changed.append(f"{name}: {seen}, when this was written {came}")
print("\n".join(["changed:", *changed]) if changed else "as described")
sys.exit(bool(changed))
PYTHON
