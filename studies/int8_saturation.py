"""What sums of int8 products lose where a processor adds them two and two in 16 bits.

    python3 -m studies.int8_saturation [--images N]

The LeNet-5 and the small AlexNet, quantized with weights of 8 and of 7 bits, on the test images
(all 10,000 unless fewer are asked for), by the integer engine: with exact sums, and with ONNX
Runtime's and OpenVINO's rules for x86 with AVX2 or AVX-512 and without VNNI. Right answers, and the
share of the first layer's outputs that differ. Integer arithmetic alone, so that every machine
gives the same figures for the same integers. Writes data/results/int8_saturation.json; half an hour
for all images, one core.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch

import edu_lib as edu
from edu_lib.deploy import IntegerNetwork, export_int8
from edu_lib.techniques.quantization import quantize_static
from studies.alexnet_weights import PARTS

COMMAND = "python3 -m studies.int8_saturation"
NAME = "int8_saturation"
RULES = {"exact": None, "onnxruntime": "onnxruntime", "openvino": "openvino"}
CALIBRATION, BATCH_SIZE = 64, 100
NETWORKS = {
    "lenet5": (lambda: edu.load_weights(edu.models.LeNet5(), "lenet5"), edu.mnist),
    "small_alexnet": (
        lambda: edu.load_weights(edu.models.SmallAlexNet(**PARTS), "small_alexnet"),
        edu.fashion_mnist,
    ),
}


def judge(path: Path, test: edu.data.Split) -> dict[str, dict]:
    """Right answers, answers that changed and first-layer outputs that differ, by rule."""
    first = first_layer(path)
    right = dict.fromkeys(RULES, 0)
    changed = dict.fromkeys(RULES, 0)
    different = dict.fromkeys(RULES, 0)
    outputs = 0
    networks = {name: IntegerNetwork(path, rule) for name, rule in RULES.items()}
    for X, y in zip(test.X.split(BATCH_SIZE), test.y.split(BATCH_SIZE), strict=True):
        found = {name: run.run(X.float().numpy(), [first]) for name, run in networks.items()}
        exact = found["exact"]
        outputs += exact[first].size
        for name, values in found.items():
            answers = values["y_hat"].argmax(1)
            right[name] += int((answers == y.numpy()).sum())
            changed[name] += int((answers != exact["y_hat"].argmax(1)).sum())
            different[name] += int(np.count_nonzero(values[first] != exact[first]))
    return {
        name: {
            "right": right[name],
            "answers_changed": changed[name],
            "first_layer_percent_different": 100 * different[name] / outputs,
        }
        for name in RULES
    }


def first_layer(path: Path) -> str:
    """The name of the integers that the first convolution gives."""
    nodes = [node for node in onnx.load(path).graph.node if node.op_type == "QuantizeLinear"]
    return nodes[1].output[0]  # the first are the pixels


def main() -> None:
    """Both networks with both kinds of weights, then the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000, help="of the test split")
    num_images = parser.parse_args().images
    torch.set_num_threads(1)
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (build, data) in NETWORKS.items():
            test = data().test.subset(torch.arange(num_images))
            figures[name] = {"images": len(test)}
            for bits in (8, 7):
                X = data().fit.X[:CALIBRATION].float()
                quantized = quantize_static(build().eval(), X, weight_bits=bits)
                path = export_int8(quantized, X[:1], Path(folder) / f"{name}_{bits}.onnx")
                figures[name][f"weights_{bits}_bits"] = judge(path, test)
                print(name, bits, figures[name][f"weights_{bits}_bits"], flush=True)
                edu.save_result(NAME, figures, f"{COMMAND} --images {num_images}")


if __name__ == "__main__":
    main()
