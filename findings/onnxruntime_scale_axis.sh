#!/usr/bin/env bash
# ONNX Runtime fuses quantized layers without a look at the axis along which their scales go.
#
# DequantizeLinear's attribute `axis` says to which dimension a vector of scales belongs. The fused
# kernels of MatMul, Gemm and Conv want one for each output. Where a file gives the weights one for
# each input, they get that vector nevertheless. If a layer has as many inputs as outputs, its
# answer is wrong and nothing says so: output number i was multiplied with the scale of input number
# i. If not, a MatMul or a Conv stops with an error when it runs, though the file is valid; Gemm
# looks at the length, and QLinearMatMul's fusion at the axis. A Softmax whose result has a scale
# for each channel gets the first one's for all.
# https://github.com/microsoft/onnxruntime/pull/21712 says so of Conv; it was closed unmerged.
# Graph optimizations are on by default; with them off, all answers are right.
#
#     bash findings/onnxruntime_scale_axis.sh
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

ROWS = [  # layer, inputs, outputs, what its weights have a scale for, what came
    ("MatMul", 8, 8, "output", "right"),
    ("MatMul", 8, 8, "input", "misread"),
    ("MatMul", 8, 6, "input", "stops"),
    ("Gemm", 8, 8, "output", "right"),
    ("Gemm", 8, 8, "input", "misread"),
    ("Gemm", 8, 6, "input", "right"),
    ("Conv", 8, 8, "output", "right"),
    ("Conv", 8, 8, "input", "misread"),
    ("Conv", 8, 6, "input", "stops"),
]
random = np.random.default_rng(0)


def pair(value, scale, zero, out, **options):
    """QuantizeLinear and DequantizeLinear."""
    return [
        helper.make_node("QuantizeLinear", [value, scale, zero], [f"{out}_q"], **options),
        helper.make_node("DequantizeLinear", [f"{out}_q", scale, zero], [out], **options),
    ]


def model_of(nodes, constants, X, y):
    graph = helper.make_graph(
        nodes, "layer",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y.shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def layer_case(op, ins, outs, per):
    """(model, X, the right answer, the one with the scales put to the outputs). A Conv sees a pixel
    at a time, and its result, which must be quantized for the fusion, stays within int8."""
    conv = op == "Conv"
    X = random.integers(0, 2 if conv else 8, (16, ins)).astype(np.float32)
    W = random.integers(-1 if conv else -4, 2 if conv else 5, (ins, outs)).astype(np.int8)
    scales = 2.0 ** (np.arange(ins if per == "input" else outs) % 4)
    right = X @ (W * (scales[:, None] if per == "input" else scales))
    misread = X @ W * scales if len(scales) == outs else None
    axis = 0 if per == "input" else 1
    if conv:  # N x channels x 1 x 1; weights outputs x inputs x 1 x 1
        X, right = X[..., None, None], np.clip(right, -128, 127)[..., None, None]
        misread = None if misread is None else np.clip(misread, -128, 127)[..., None, None]
        W, axis = np.ascontiguousarray(W.T)[..., None, None], 1 - axis
    constants = {
        "one": np.float32(1), "zero": np.uint8(128), "W": W,
        "scales": scales.astype(np.float32), "zeros": np.zeros(len(scales), np.int8),
    }
    nodes = [
        *pair("X", "one", "zero", "X_hat"),
        helper.make_node("DequantizeLinear", ["W", "scales", "zeros"], ["W_hat"], axis=axis),
        helper.make_node(op, ["X_hat", "W_hat"], ["z" if conv else "y"]),
        *(pair("z", "one", "zero", "y") if conv else []),
    ]
    return model_of(nodes, constants, X, right), X, right, misread


def softmax_case(channels=4, classes=8):
    """A step of 1/16, 1/8, 1/4, 1/2 for the channels; 1, 2, 4 or 8 classes share the whole."""
    X = np.full((1, channels, classes), -100, np.float32)
    for c in range(channels):
        X[0, c, : 2**c] = 0
    share = (X == 0) / 2.0 ** np.arange(channels)[:, None]
    steps = 2.0 ** (np.arange(channels) - 4)
    right = np.rint(share / steps[:, None]) * steps[:, None]
    misread = np.rint(share / steps[0]) * steps[:, None]
    constants = {
        "one": np.float32(1), "zero": np.uint8(128),
        "steps": steps.astype(np.float32), "zeros": np.full(channels, 128, np.uint8),
    }
    nodes = [
        *pair("X", "one", "zero", "X_hat"),
        helper.make_node("Softmax", ["X_hat"], ["z"], axis=-1),
        *pair("z", "steps", "zeros", "y", axis=1),
    ]
    return model_of(nodes, constants, X, right), X, right, misread


def answer(model, X, level):
    """What ONNX Runtime gives, or its error."""
    options = ort.SessionOptions()
    options.graph_optimization_level, options.log_severity_level = level, 4
    try:
        file = model.SerializeToString()
        session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        return session.run(None, {"X": X})[0]
    except Exception as error:
        return str(error)


def seen(model, X, right, misread):
    """("right", "misread", "stops" or "other", a few words of it)."""
    off = answer(model, X, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    assert np.array_equal(off, right), "wrong with the optimizations off too"
    assert np.array_equal(ReferenceEvaluator(model).run(None, {"X": X})[0], right)
    y = answer(model, X, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    if isinstance(y, str):
        return "stops", "stops: ..." + y.strip()[-60:]
    if np.array_equal(y, right):
        return "right", "right"
    words = f"off in {100 * (y != right).mean():.0f} %, by up to {np.abs(y - right).max():.4g} of "
    kind = "misread" if misread is not None and np.array_equal(y, misread) else "other"
    return kind, words + f"{np.ptp(right):.4g}"


print(f"onnxruntime {ort.__version__}, onnx {onnx.__version__}")
cases = [("Softmax, a scale for each channel of its result", softmax_case(), "misread")]
for op, ins, outs, per, came in ROWS:
    name = f"{op}, {ins} inputs, {outs} outputs, a scale for each {per}"
    cases.append((name, layer_case(op, ins, outs, per), came))
changed = []
for name, case, came in cases:
    kind, words = seen(*case)
    print(f"{name:54s}{words}")
    if kind != came:
        changed.append(f"{name}: {kind}, when this was written {came}")
print("\n".join(["changed:", *changed]) if changed else "as described")
sys.exit(bool(changed))
PYTHON
