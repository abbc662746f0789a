#!/usr/bin/env bash
# ONNX Runtime's option for exact int8 sums, session.x64quantprecision=1, refuses valid files in
# which two layers share one zero_point initializer.
#
#     bash findings/onnxruntime_exact_int8.sh
#
# Installs pinned onnx and onnxruntime in a temporary folder, writes one file of two quantized
# layers twice, with a zero_point for each weight and with one for both, checks both with
# onnx.checker, and opens them with the option and without. Exits 0 while the second file does not
# load with the option, 1 once that changes. The option does nothing on processors whose int8 sums
# are exact anyway (VNNI, or no AVX2): the script says so there and exits 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import platform
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)


def write(path, zero_points):
    """Two integer layers, one after the other; zero_points: the names of their weights' own."""
    constants = {
        "scale": np.float32(0.02), "zero_point": np.uint8(128),
        "w_scale": np.float32(0.01), **{name: np.int8(0) for name in zero_points},
    }
    nodes = [helper.make_node("QuantizeLinear", ["X", "scale", "zero_point"], ["q0"])]
    for i, name in enumerate(zero_points):
        constants[f"w{i}"] = random.integers(-127, 128, [8, 8]).astype(np.int8)
        inputs = [f"q{i}", "scale", "zero_point", f"w{i}", "w_scale", name, "scale", "zero_point"]
        nodes.append(helper.make_node("QLinearMatMul", inputs, [f"q{i + 1}"]))
    nodes.append(helper.make_node("DequantizeLinear", ["q2", "scale", "zero_point"], ["y"]))
    graph = helper.make_graph(
        nodes, "two_layers",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [4, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 8])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def opened(path, exact):
    """"loads", or what ONNX Runtime says."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        session.run(None, {"X": np.zeros([4, 8], np.float32)})
        return "loads"
    except Exception as error:
        return str(error)


def option_does_something():
    """Whether this processor has AVX2 and no VNNI, so that sums of int8 products saturate."""
    flags = Path("/proc/cpuinfo")
    words = flags.read_text().split() if flags.is_file() else []
    return "avx2" in words and not {"avx512_vnni", "avx_vnni"} & set(words)


write("own.onnx", ["w0_zero_point", "w1_zero_point"])
write("shared.onnx", ["w_zero_point", "w_zero_point"])
print(f"onnxruntime {ort.__version__}, onnx {onnx.__version__}, {platform.machine()}")
seen = {}
for path in ("own.onnx", "shared.onnx"):
    for exact in (False, True):
        seen[path, exact] = opened(path, exact)
        option = "with" if exact else "without"
        print(f"{path:12s} {option:8s} the option: {seen[path, exact][:160]}")
if not option_does_something():
    print("this processor's int8 sums are exact anyway: the option does nothing here")
    sys.exit(0)
refused = seen.pop(("shared.onnx", True))
as_described = refused != "loads" and set(seen.values()) == {"loads"}
print("as described" if as_described else "changed")
sys.exit(not as_described)
PYTHON
