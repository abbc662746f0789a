#!/usr/bin/env bash
# ONNX Runtime ignores the scale of a quantized Gemm's bias.
#
# It fuses DequantizeLinear and Gemm to a kernel that adds the int32 bias to the sum of products,
# as if the bias had the scale of the products, input's times weights'. ONNX asks for no such scale:
# where a file gives the bias another, the answer is wrong, and nothing says so. MatMul and Add with
# such a bias become a Gemm on the way. The fusion of Conv had the same fault and looks at the scale
# since https://github.com/microsoft/onnxruntime/pull/28229; that of Gemm does not.
# Graph optimizations are on by default; with them off, all answers are right.
#
#     bash findings/onnxruntime_gemm_bias.sh
#
# Installs pinned onnx, onnxruntime and numpy in a temporary folder, and runs single layers of whole
# numbers, whose scales are powers of two, so that float32 holds every answer exactly. Exits 0 while
# the answers are as described here, 1 once one of them has changed.
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

INS, OUTS, INPUT_SCALE, WEIGHTS_SCALE = 8, 6, 2.0**-2, 2.0**-3
ROWS = [  # layer, the bias's scale over that of the products, whether it was heeded
    ("Gemm", 1, True),
    ("Gemm", 16, False),
    ("Gemm", 1 / 4, False),
    ("MatMul and Add", 1, True),
    ("MatMul and Add", 16, False),
]
random = np.random.default_rng(0)


def case(layer, times):
    """(model, input, the right answer, the one with the bias in the products' scale)."""
    X = random.integers(-20, 21, (16, INS))
    W = random.integers(-9, 10, (INS, OUTS)).astype(np.int8)
    bias = random.integers(-99, 100, OUTS).astype(np.int32)
    step = INPUT_SCALE * WEIGHTS_SCALE
    right = (X @ W * step + bias * step * times).astype(np.float32)
    misread = ((X @ W + bias) * step).astype(np.float32)
    X = (X * INPUT_SCALE).astype(np.float32)
    constants = {
        "X_scale": np.float32(INPUT_SCALE), "X_zero": np.uint8(128),
        "W": W, "W_scale": np.float32(WEIGHTS_SCALE), "W_zero": np.int8(0),
        "bias": bias, "bias_scale": np.float32(step * times), "bias_zero": np.int32(0),
    }
    nodes = [helper.make_node("QuantizeLinear", ["X", "X_scale", "X_zero"], ["q"])]
    for value, name in (("q", "X"), ("W", "W"), ("bias", "bias")):
        inputs = [value, f"{name}_scale", f"{name}_zero"]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [f"{name}_hat"]))
    if layer == "MatMul and Add":
        nodes += [
            helper.make_node("MatMul", ["X_hat", "W_hat"], ["z"]),
            helper.make_node("Add", ["z", "bias_hat"], ["y"]),
        ]
    else:
        nodes.append(helper.make_node("Gemm", ["X_hat", "W_hat", "bias_hat"], ["y"]))
    graph = helper.make_graph(
        nodes, "layer",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, right.shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model, X, right, misread


def answer(model, X, level):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    file = model.SerializeToString()
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"X": X})[0]


print(f"onnxruntime {ort.__version__}, onnx {onnx.__version__}")
print("times: the bias's scale over that of the products")
changed = []
for layer, times, heeded in ROWS:
    model, X, right, misread = case(layer, times)
    off = answer(model, X, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    assert np.array_equal(off, right), "wrong with the optimizations off too"
    assert np.array_equal(ReferenceEvaluator(model).run(None, {"X": X})[0], right)
    y = answer(model, X, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    share, most = 100 * (y != right).mean(), np.abs(y - right).max()
    print(f"{layer:16s}{times:6g} times: off in {share:3.0f} % of the results, by up to "
          f"{most:6.3f} of {np.ptp(right):.3f}")
    if not np.array_equal(y, right if heeded else misread):
        changed.append(f"{layer}, {times:g} times")
print("changed: " + "; ".join(changed) if changed else "as described")
sys.exit(bool(changed))
PYTHON
