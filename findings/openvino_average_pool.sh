#!/usr/bin/env bash
# OpenVINO divides an average by the whole window where the window hangs over the padded border.
#
# With ceil_mode=1 the last windows may reach beyond the padded input. What is out there counts for
# nothing: ONNX and PyTorch divide by the number of elements that lie in the input or in its padding
# (with count_include_pad=1, which torch.nn.AvgPool2d has by default). OpenVINO does so without
# padding. With padding it divides by the size of the window, on the CPU: the averages at the right
# and lower border come out too small, in floats as in int8, and nothing says so.
# torch.nn.AvgPool2d(3, 2, padding=1, ceil_mode=True), given to openvino.convert_model, comes out
# the same. oneDNN, whose kernels OpenVINO has on the CPU, divides by the whole window whenever it
# counts padding (https://github.com/uxlfoundation/oneDNN/issues/513). A like fault in ONNX
# Runtime's float kernel was mended in https://github.com/microsoft/onnxruntime/pull/29629.
#
#     bash findings/openvino_average_pool.sh
#
# Installs pinned openvino, onnx and numpy in a temporary folder, and averages multiples of 36, so
# that every average over 1, 2, 3, 4, 6 or 9 of them is a whole number and none is rounded. Exits 0
# while the answers are as described here, 1 once one of them has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import openvino
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

SIDE, WINDOW, STRIDE = 8, 3, 2
ROWS = [  # padding, options, whether the whole window divides
    (0, {"ceil_mode": 0, "count_include_pad": 1}, False),
    (0, {"ceil_mode": 1, "count_include_pad": 1}, False),
    (1, {"ceil_mode": 0, "count_include_pad": 1}, False),
    (1, {"ceil_mode": 1, "count_include_pad": 0}, False),
    (1, {"ceil_mode": 1, "count_include_pad": 1}, True),
]
X = 36 * np.random.default_rng(0).integers(0, 8, (1, 3, SIDE, SIDE)).astype(np.float32)


def averages(padding, ceil_mode, count_include_pad):
    """(right, those divided by the whole window), by the definition."""
    span = SIDE + 2 * padding - WINDOW
    size = (-(-span // STRIDE) if ceil_mode else span // STRIDE) + 1
    overhang = max(0, (size - 1) * STRIDE - span)
    ones = np.ones_like(X)
    ends = [(0, 0), (0, 0), (padding, padding), (padding, padding)]
    beyond = [(0, 0), (0, 0), (0, overhang), (0, overhang)]
    counted = np.pad(np.pad(ones, ends, constant_values=count_include_pad), beyond)
    total, count = (
        np.lib.stride_tricks.sliding_window_view(each, (WINDOW, WINDOW), (2, 3))
        [:, :, ::STRIDE, ::STRIDE].sum((-2, -1))
        for each in (np.pad(np.pad(X, ends), beyond), counted)
    )
    return total / count, total / WINDOW**2


core = openvino.Core()
print(f"openvino {openvino.__version__}, {WINDOW} x {WINDOW} windows in steps of {STRIDE}")
changed = []
for padding, options, whole_window in ROWS:
    right, whole = averages(padding, **options)
    node = helper.make_node(
        "AveragePool", ["X"], ["y"], kernel_shape=[WINDOW] * 2, strides=[STRIDE] * 2,
        pads=[padding] * 4, **options,
    )
    graph = helper.make_graph(
        [node], "pool",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, right.shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    assert np.array_equal(ReferenceEvaluator(model).run(None, {"X": X})[0], right)
    onnx.save(model, "pool.onnx")
    y = core.compile_model("pool.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(X)[0]
    off = np.abs(y - right)
    name = ", ".join([f"padding {padding}", *(f"{k}={v}" for k, v in options.items())])
    print(f"{name:44s}off in {100 * (off > 0).mean():.0f} %, by up to {off.max():.0f} of 252")
    if not np.array_equal(y, whole if whole_window else right):
        changed.append(name)
print("changed: " + "; ".join(changed) if changed else "as described")
sys.exit(bool(changed))
PYTHON
