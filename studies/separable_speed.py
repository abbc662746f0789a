"""MACs saved and milliseconds saved: standard convolutions beside their cheap relatives.

    python3 -m studies.separable_speed

For some shapes of layers the standard 3x3 convolution, the depthwise and the pointwise one of the
separable pair, the pair itself, groups, and the spatial pair, each alone: MACs, bytes that must
move, p50 in eager PyTorch and ONNX Runtime FP32, one thread. Then whole networks. Then the two
roofs of this machine. Writes data/results/separable_speed.json; four minutes on an idle machine.
"""

import tempfile
from pathlib import Path

import torch
from torch import nn

import edu_lib as edu
from edu_lib.measure import Runner, measure_roofline
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.factorization import separable_from
from studies import frame
from studies.channel_pruning_choice import SHAPE
from studies.separable_road import separable

NAME = "separable_speed"
# (channels, height, width)
SHAPES = ((32, 112, 112), (64, 64, 128), (128, 28, 28), (256, 14, 14), (512, 7, 7))
GROUPS = 4
BLOCKS, BLOCK_MS = 30, 3.0


def forms(channels: int) -> dict[str, nn.Module]:
    """A 3x3 convolution of that width and what can stand in for it."""
    torch.manual_seed(0)
    standard = nn.Conv2d(channels, channels, 3, padding=1)
    pair = separable_from(standard)
    return {
        "standard": standard,
        "depthwise": pair.depthwise,
        "pointwise": pair.pointwise,
        "separable": pair,
        "grouped": nn.Conv2d(channels, channels, 3, padding=1, groups=GROUPS),
        "spatial": separable_from(standard, kind="spatial"),
    }


def p50(runner: Runner) -> float:
    """Median milliseconds of one call."""
    return edu.measure_latency(runner, BLOCKS, BLOCK_MS).p50_ms


def times(model: nn.Module, shape: tuple[int, ...], folder: Path) -> dict[str, float]:
    """p50 in eager PyTorch, also with channels last, and in ONNX Runtime; one thread."""
    X = torch.rand(shape)
    file = edu.export_onnx(model, X, folder / "layer.onnx")
    last = torch.channels_last
    return {
        "eager_ms": p50(edu.pytorch_runner(model, X)),
        "onnxruntime_ms": p50(edu.onnxruntime_runner(file, X)),
        "channels_last_ms": p50(
            edu.pytorch_runner(model.to(memory_format=last), X.contiguous(memory_format=last))
        ),
    }


def layer_rows(folder: Path) -> list[dict]:
    """Every form at every shape."""
    rows = []
    for channels, height, width in SHAPES:
        shape = (1, channels, height, width)
        for form, layer in forms(channels).items():
            cost = edu.count_cost(layer.eval(), shape)
            # input and output once, the weights once, 4 bytes each
            num_bytes = 4 * (2 * channels * height * width + cost.params)
            row = {
                "form": form,
                "channels": channels,
                "height": height,
                "width": width,
                "macs": cost.macs,
                "bytes": num_bytes,
                "flop_per_byte": 2 * cost.macs / num_bytes,
                **times(layer.eval(), shape, folder),
            }
            row["gmacs_per_second"] = cost.macs / row["onnxruntime_ms"] / 1e6
            rows.append(row)
            print(row, flush=True)
    return rows


def network_rows(folder: Path) -> list[dict]:
    """The heavy road network, taken apart by SVD, and the kinds built of separable blocks."""
    torch.manual_seed(0)
    networks = {
        "standard": RoadNet(["segmentation"]),
        "taken apart": separable(),
        "separable blocks": RoadNet(["segmentation"], kind="separable"),
        "inverted residuals": RoadNet(["segmentation"], kind="inverted"),
    }
    rows = []
    for name, model in networks.items():
        macs = edu.count_cost(model.eval(), SHAPE).macs
        rows.append({"network": name, "macs": macs, **times(model.eval(), SHAPE, folder)})
        print(rows[-1], flush=True)
    return rows


def measure() -> dict:
    """All parts, for the result file."""
    roof = measure_roofline(threads=1)
    with tempfile.TemporaryDirectory() as folder:
        rows = layer_rows(Path(folder))
        networks = network_rows(Path(folder))
    return {
        "threads": 1,
        "peak_gflops": roof.peak_gflops,
        "bandwidth_gb_per_second": roof.bandwidth_gb_per_second,
        "layers": rows,
        "networks": networks,
    }


if __name__ == "__main__":
    frame.start(lambda: frame.study(NAME, __doc__, measure))
