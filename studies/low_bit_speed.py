"""Few bits against milliseconds: int4 weights, XNOR, and a simulation that is slower than float.

    python3 -m studies.low_bit_speed

AlexNet's three linear layers at batch 1 and 16, float32 and with 4-bit weights in blocks of 32
that are multiplied in float32 or with 8-bit activations, in ONNX Runtime. A binary product of
4,096 x 4,096 signs by XOR and bit counts in NumPy against PyTorch's float product. Two networks in
float32, simulated int8 in PyTorch, and real int8 in ONNX Runtime. One thread; a minute on an idle
machine. Writes data/results/low_bit_speed.json.
"""

import tempfile
from pathlib import Path

import torch
from torch import nn

import edu_lib as edu
from edu_lib.deploy import export_int4, export_int8
from edu_lib.measure import Runner
from edu_lib.techniques.quantization import pack_signs, quantize_static, quantize_weights, xnor_dot
from studies import frame
from studies.alexnet_weights import PARTS

NAME = "low_bit_speed"
LAYERS = {"fc6": (9216, 4096), "fc7": (4096, 4096), "fc8": (4096, 1000)}
BATCHES = (1, 16)
BLOCK_SIZE = 32
SIGNS, PRODUCTS = 4096, (1, 64)
BLOCKS, BLOCK_MS = 30, 3.0


def p50(runner: Runner) -> float:
    """Median milliseconds of one call."""
    return edu.measure_latency(runner, BLOCKS, BLOCK_MS).p50_ms


def int4_rows(folder: Path) -> list[dict]:
    """Each linear layer with weights of 32 and of 4 bits."""
    rows = []
    for name, (inputs, outputs) in LAYERS.items():
        torch.manual_seed(0)
        layer = nn.Sequential(nn.Linear(inputs, outputs)).eval()
        small = quantize_weights(layer, 4, block_size=BLOCK_SIZE)
        X = torch.rand(1, inputs)
        whole_file = edu.export_onnx(layer, X, folder / f"{name}.onnx")
        small_file = export_int4(small, X, folder / f"{name}_int4.onnx")
        fast_file = export_int4(small, X, folder / f"{name}_fast.onnx", int8_activations=True)
        for batch in BATCHES:
            X = torch.rand(batch, inputs)
            row = {
                "layer": name,
                "batch": batch,
                "fp32_ms": p50(edu.onnxruntime_runner(whole_file, X)),
                "int4_ms": p50(edu.onnxruntime_runner(small_file, X)),
                "int4_int8_ms": p50(edu.onnxruntime_runner(fast_file, X)),
                "fp32_bytes": whole_file.stat().st_size,
                "int4_bytes": small_file.stat().st_size,
            }
            row["gain"] = row["fp32_ms"] / row["int4_ms"]
            row["int8_gain"] = row["fp32_ms"] / row["int4_int8_ms"]
            rows.append(row)
            print(row, flush=True)
    return rows


def xnor_rows() -> list[dict]:
    """A vector, and a batch of them, times a matrix of signs."""
    generator = torch.Generator().manual_seed(0)
    W = torch.randn(SIGNS, SIGNS, generator=generator).sign()
    packed = pack_signs(W.numpy())
    rows = []
    for batch in PRODUCTS:
        X = torch.randn(batch, SIGNS, generator=generator).sign()
        signs = pack_signs(X.numpy())
        row = {
            "batch": batch,
            "float_ms": p50(Runner("float", lambda X=X: X @ W.T)),
            "xnor_ms": p50(Runner("xnor", lambda signs=signs: xnor_dot(signs, packed, SIGNS))),
            "float_bytes": 4 * SIGNS * SIGNS,
            "xnor_bytes": packed.nbytes,
        }
        rows.append(row | {"gain": row["float_ms"] / row["xnor_ms"]})
        print(rows[-1], flush=True)
    return rows


def simulation_rows(folder: Path) -> list[dict]:
    """Float, simulated and real: two networks at batch 1."""
    networks = {
        "LeNet-5": (edu.models.LeNet5(), "lenet5", edu.mnist()),
        "small AlexNet": (edu.models.SmallAlexNet(**PARTS), "small_alexnet", edu.fashion_mnist()),
    }
    rows = []
    for name, (model, weights, data) in networks.items():
        model = edu.load_weights(model, weights)
        X = data.train.X[:1]
        simulated = quantize_static(model, data.train.X[:64])
        whole_file = edu.export_onnx(model, X, folder / f"{weights}.onnx")
        int8_file = export_int8(simulated, X, folder / f"{weights}_int8.onnx")
        row = {
            "network": name,
            "eager_ms": p50(edu.pytorch_runner(model, X)),
            "simulated_ms": p50(edu.pytorch_runner(simulated, X)),
            "onnxruntime_ms": p50(edu.onnxruntime_runner(whole_file, X)),
            "int8_ms": p50(edu.onnxruntime_runner(int8_file, X)),
        }
        rows.append(row)
        print(row, flush=True)
    return rows


def measure() -> dict:
    """All three parts, for the result file."""
    with tempfile.TemporaryDirectory() as folder:
        figures = {
            "threads": 1,
            "int4": int4_rows(Path(folder)),
            "xnor": xnor_rows(),
            "simulation": simulation_rows(Path(folder)),
        }
    return figures


if __name__ == "__main__":
    frame.start(lambda: frame.study(NAME, __doc__, measure))
