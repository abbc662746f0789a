#!/usr/bin/env bash
# ONNX Runtime's int8 AveragePool divides the windows that hang over the border by the whole window.
#
# With ceil_mode=1 the last windows may reach beyond the padded input. What is out there counts for
# nothing: ONNX divides by the number of elements that lie in the input or in its padding (with
# count_include_pad=1, which torch.nn.AvgPool2d has by default). The float kernel does so, since
# https://github.com/microsoft/onnxruntime/pull/29629. The int8 kernel, to which a file's
# DequantizeLinear, AveragePool and QuantizeLinear are fused, divides by the size of the window: the
# averages at the right and lower border come out too small, and nothing says so.
# The same fusion takes an AveragePool with dilations, which its kernel does not know; that file
# does not load (https://github.com/microsoft/onnxruntime/issues/26528).
# Graph optimizations are on by default; with them off, all answers are right.
#
#     bash findings/onnxruntime_average_pool.sh
#
# Installs pinned onnx, onnxruntime and numpy in a temporary folder, and averages multiples of 36,
# so that every average over 1, 2, 3, 4, 6 or 9 of them is a whole number and none is rounded. Exits
# 0 while the answers are as described here, 1 once one of them has changed.
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
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

SIDE, WINDOW, STRIDE = 8, 3, 2
ROWS = [  # integers or floats, padding, options, what came
    ("float", 0, {"ceil_mode": 1, "count_include_pad": 1}, "right"),
    ("int8", 0, {"ceil_mode": 0, "count_include_pad": 1}, "right"),
    ("int8", 0, {"ceil_mode": 1, "count_include_pad": 0}, "right"),
    ("int8", 0, {"ceil_mode": 1, "count_include_pad": 1}, "by the whole window"),
    ("int8", 1, {"ceil_mode": 0, "count_include_pad": 1}, "right"),
    ("int8", 1, {"ceil_mode": 1, "count_include_pad": 1}, "by the whole window"),
    ("float", 0, {"dilations": [2, 2]}, "right"),
    ("int8", 0, {"dilations": [2, 2]}, "does not load"),
]
X = 36 * np.random.default_rng(0).integers(0, 8, (1, 3, SIDE, SIDE))


def averages(padding, ceil_mode=0, count_include_pad=0, dilations=(1, 1)):
    """(right, those divided by the whole window), by the definition."""
    reach = dilations[0] * (WINDOW - 1) + 1
    span = SIDE + 2 * padding - reach
    size = (-(-span // STRIDE) if ceil_mode else span // STRIDE) + 1
    room = (size - 1) * STRIDE + reach  # from the padding's first element on
    held, counts = np.zeros((1, 3, room, room), int), np.zeros((room, room), int)
    inside = slice(padding, padding + SIDE)
    held[..., inside, inside] = X[..., : room - padding, : room - padding]
    padded = slice(0, SIDE + 2 * padding) if count_include_pad else inside
    counts[padded, padded] = 1
    total, count = (
        sum(
            each[..., i : i + room - reach + 1 : STRIDE, j : j + room - reach + 1 : STRIDE]
            for i in range(0, reach, dilations[0]) for j in range(0, reach, dilations[0])
        )
        for each in (held, counts)
    )
    assert not (total % count).any(), "an average that would be rounded"
    return total // count, total // WINDOW**2


def model_of(kind, padding, options, size):
    pool = {"kernel_shape": [WINDOW] * 2, "strides": [STRIDE] * 2, "pads": [padding] * 4, **options}
    if kind == "float":
        nodes, constants, element = [helper.make_node("AveragePool", ["X"], ["y"], **pool)], {}, 1
    else:
        nodes = [
            helper.make_node("DequantizeLinear", ["X", "one", "zero"], ["X_hat"]),
            helper.make_node("AveragePool", ["X_hat"], ["z"], **pool),
            helper.make_node("QuantizeLinear", ["z", "one", "zero"], ["y"]),
        ]
        constants, element = {"one": np.float32(1), "zero": np.uint8(0)}, TensorProto.UINT8
    graph = helper.make_graph(
        nodes, "pool",
        [helper.make_tensor_value_info("X", element, X.shape)],
        [helper.make_tensor_value_info("y", element, [1, 3, size, size])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def answer(model, feed, level):
    """What ONNX Runtime gives, or its error."""
    options = ort.SessionOptions()
    options.graph_optimization_level, options.log_severity_level = level, 4
    try:
        file = model.SerializeToString()
        session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        return session.run(None, feed)[0]
    except Exception as error:
        return str(error)


print(f"onnxruntime {ort.__version__}, onnx {onnx.__version__}; 3 x 3 windows in steps of 2")
changed = []
for kind, padding, options, came in ROWS:
    right, whole = averages(padding, **options)
    model = model_of(kind, padding, options, right.shape[-1])
    feed = {"X": X.astype(np.float32 if kind == "float" else np.uint8)}
    off = answer(model, feed, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    assert np.array_equal(off, right), "wrong with the optimizations off too"
    assert np.array_equal(ReferenceEvaluator(model).run(None, feed)[0], right)
    y = answer(model, feed, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    if isinstance(y, str):
        seen, words = "does not load", "does not load: ..." + y.strip()[-70:]
    else:
        seen = "right" if np.array_equal(y, right) else "other"
        seen = "by the whole window" if seen == "other" and np.array_equal(y, whole) else seen
        off_by = np.abs(y - right.astype(float))
        words = f"off in {100 * (off_by > 0).mean():.0f} %, by up to {off_by.max():.0f} of 252"
        words = "right" if seen == "right" else words
    name = ", ".join([f"{kind:5s}, padding {padding}", *(f"{k}={v}" for k, v in options.items())])
    print(f"{name:53s}{words}")
    if seen != came:
        changed.append(f"{name}: {seen}, when this was written {came}")
print("\n".join(["changed:", *changed]) if changed else "as described")
sys.exit(bool(changed))
PYTHON
