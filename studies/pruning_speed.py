"""What pruning saves in milliseconds: the staircase, the ladder, and sparse products.

    python3 -m studies.pruning_speed

The staircase: three 3x3 convolutions of 16 to 80 channels. The ladder: one network whole, with
75 % of its weights masked, with half its channels set to zero, and with those channels removed, at
batch 1 to 256. Sparse: products with 50 to 99 % zeros, by PyTorch's CSR and by the loop of
`csr_matmul`, against dense ones. About four minutes, with nothing else running on the machine.
"""

import itertools
import math
import tempfile
from pathlib import Path

import torch
from torch import nn

import edu_lib as edu
from edu_lib.measure import Runner
from edu_lib.measure.machine import all_threads
from edu_lib.models.small_alexnet import SmallAlexNet
from edu_lib.techniques.pruning import (
    csr_matmul,
    plan_channels,
    prune,
    remove_channels,
    to_csr,
    to_csr_linear,
    zero_channels,
)
from studies import frame

NAME = "pruning_speed"
WIDTHS = (16, 17, 24, 31, 32, 33, 40, 47, 48, 49, 56, 60, 63, 64, 65, 72, 79, 80)
MAP_SIZE = 28
BATCHES = (1, 8, 64, 256)
SPARSITIES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
LOOP_SPARSITIES = (0.9, 0.99)
# name: (layer, the shape it takes)
LAYERS = {
    "1x1 convolution": (lambda: nn.Conv2d(256, 256, 1), (1, 256, 28, 28)),
    "linear layer": (lambda: nn.Linear(4096, 4096), (1, 4096)),
}
BLOCKS, BLOCK_MS = 30, 3.0


def p50(runner: Runner) -> float:
    """Median milliseconds of one call."""
    return edu.measure_latency(runner, BLOCKS, BLOCK_MS).p50_ms


def both_ms(model: nn.Module, shape: tuple[int, ...], folder: Path) -> dict:
    """p50 in eager PyTorch and in ONNX Runtime, on one thread."""
    X = torch.rand(shape)
    file = edu.export_onnx(model, X, folder / "network.onnx")
    return {
        "eager_ms": p50(edu.pytorch_runner(model, X)),
        "onnxruntime_ms": p50(edu.onnxruntime_runner(file, X)),
    }


def staircase(folder: Path) -> list[dict]:
    """Time against the number of channels."""
    rows = []
    for width in WIDTHS:
        torch.manual_seed(0)
        convolutions = [nn.Conv2d(width, width, 3, padding=1) for _ in range(3)]
        model = nn.Sequential(*[part for conv in convolutions for part in (conv, nn.ReLU())])
        shape = (1, width, MAP_SIZE, MAP_SIZE)
        macs = edu.count_cost(model, shape).macs
        rows.append({"channels": width, "macs": macs, **both_ms(model, shape, folder)})
        print(rows[-1], flush=True)
    return rows


def rungs() -> dict[str, nn.Module]:
    """The network whole and in three states in which about a quarter of its weights is left."""
    torch.manual_seed(0)
    model = SmallAlexNet(width=32).eval()
    plan = plan_channels(model, torch.rand(1, 1, 28, 28), ratio=0.5)
    return {
        "whole": model,
        "masked": edu.to_plain(prune(model, 0.75)),
        "zeroed": zero_channels(model, plan),
        "removed": remove_channels(model, plan),
    }


def ladder(folder: Path) -> list[dict]:
    """Every rung at every batch, on one thread and on all."""
    rows = []
    for rung, model in rungs().items():
        file = edu.export_onnx(model, torch.rand(1, 1, 28, 28), folder / f"{rung}.onnx")
        for threads, batch in itertools.product(sorted({1, all_threads()}), BATCHES):
            X = torch.rand(batch, 1, 28, 28)
            eager = edu.pytorch_runner(model, X, threads=threads)
            rows.append(
                {
                    "rung": rung,
                    "batch": batch,
                    "threads": threads,
                    "eager_ms": p50(eager),
                    "onnxruntime_ms": p50(edu.onnxruntime_runner(file, X, threads)),
                }
            )
            print(rows[-1], flush=True)
    return rows


def sparse(folder: Path, name: str) -> dict:
    """One layer dense, dense with zeros, and sparse, with the sparsities at which it pays."""
    build, shape = LAYERS[name]
    torch.manual_seed(0)
    layer = nn.Sequential(build()).eval()
    dense = both_ms(layer, shape, folder)
    nine_of_ten = edu.to_plain(prune(layer, 0.9))
    rows = []
    for sparsity in SPARSITIES:
        pruned = edu.to_plain(prune(layer, sparsity))
        runner = edu.pytorch_runner(to_csr_linear(pruned[0]), torch.rand(shape))
        rows.append({"sparsity": 100 * sparsity, "csr_ms": p50(runner)})
        if sparsity in LOOP_SPARSITIES and len(shape) == 4:
            rows[-1]["loop_ms"] = loop_ms(pruned[0], shape)
        print(name, rows[-1], flush=True)
    return {
        "layer": name,
        "dense": dense,
        "dense_with_zeros": both_ms(nine_of_ten, shape, folder),
        "rows": rows,
        "break_even_eager": break_even(rows, dense["eager_ms"]),
        "break_even_onnxruntime": break_even(rows, dense["onnxruntime_ms"]),
    }


def loop_ms(layer: nn.Conv2d, shape: tuple[int, ...]) -> float:
    """The kit's readable loop over the nonzeros, on the same layer."""
    csr, X = to_csr(layer.weight.detach().flatten(1)), torch.rand(shape).flatten(2)[0]
    return p50(Runner("csr_matmul", lambda: csr_matmul(csr, X)))


def break_even(rows: list[dict], dense_ms: float) -> float | None:
    """The percentage of zeros from which CSR is faster, read between two measured ones."""
    for before, after in itertools.pairwise(rows):
        if before["csr_ms"] > dense_ms >= after["csr_ms"]:
            whole = math.log(before["csr_ms"] / after["csr_ms"])
            share = math.log(before["csr_ms"] / dense_ms) / whole
            return before["sparsity"] + share * (after["sparsity"] - before["sparsity"])
    return None


def measure() -> dict:
    """All three parts, for the result file."""
    with tempfile.TemporaryDirectory() as folder:
        steps = staircase(Path(folder))
        rows = ladder(Path(folder))
        products = [sparse(Path(folder), name) for name in LAYERS]
    return {"threads": all_threads(), "staircase": steps, "ladder": rows, "sparse": products}


if __name__ == "__main__":
    frame.start(lambda: frame.study(NAME, __doc__, measure))
