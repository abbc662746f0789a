"""AlexNet's linear layers as products of two thin ones: MACs saved against milliseconds saved.

    python3 -m studies.low_rank_speed

The first linear layer, 9216 -> 4096, whole and factored at ranks 64 to 2048, alone, at batch 1 and
64; a small layer that lies in the cache whole; then the network with its three linear layers
factored. ONNX Runtime, one thread, blocks of A, B, A, B. The weights are random: how long a product
takes does not depend on them. About three minutes, with nothing else running on the machine.
"""

import tempfile
from pathlib import Path

import torch
from torch import nn

import edu_lib as edu
from edu_lib.techniques.factorization import LowRankLinear
from studies import frame

NAME = "low_rank_speed"
SIZE = (9216, 4096)
RANKS = (64, 128, 256, 512, 1024, 2048)
BATCHES = (1, 64)
SMALL_SIZE, SMALL_RANK = (784, 300), 24
NETWORK_RANKS = (128, 256, 512)
LINEAR = ("classifier.1", "classifier.4", "classifier.6")
BLOCKS, BLOCK_MS = 30, 20.0


def compared(whole: nn.Module, thin: nn.Module, shape: tuple[int, ...], folder: Path) -> dict:
    """What the thin network promises, and how many times faster it is."""
    X = torch.rand(shape)
    runners = [
        edu.onnxruntime_runner(edu.export_onnx(each.eval(), X, folder / f"{name}.onnx"), X)
        for name, each in (("whole", whole), ("thin", thin))
    ]
    timed = edu.compare_latency(*runners, blocks=BLOCKS, block_ms=BLOCK_MS)
    costs = [edu.count_cost(each, shape) for each in (whole, thin)]
    return {
        "mac_gain": costs[0].macs / costs[1].macs,
        "p50_gain": timed.ratio,
        "interval": timed.interval,
        "control_ratio": timed.control_ratio,
        "whole_ms": timed.reference.p50_ms,
        "thin_ms": timed.candidate.p50_ms,
        "whole_bytes": costs[0].bytes,
        "thin_bytes": costs[1].bytes,
        # every weight is read once a call at batch 1: bytes / time, in GB/s
        "whole_gb_per_s": costs[0].bytes / timed.reference.p50_ms / 1e6,
        "thin_gb_per_s": costs[1].bytes / timed.candidate.p50_ms / 1e6,
    }


def layer_row(size: tuple[int, int], rank: int, batch: int, folder: Path) -> dict:
    """One linear layer alone."""
    torch.manual_seed(0)
    layer = nn.Linear(*size)
    thin = nn.Sequential(LowRankLinear(layer, rank))
    row = compared(nn.Sequential(layer), thin, (batch, size[0]), folder)
    row = {"in_features": size[0], "out_features": size[1], "batch": batch, "rank": rank, **row}
    print(row, flush=True)
    return row


def network_rows(folder: Path) -> list[dict]:
    """AlexNet whole, against AlexNet with three factored linear layers."""
    torch.manual_seed(0)
    whole, rows = edu.models.AlexNet().eval(), []
    for rank in NETWORK_RANKS:
        thin = edu.models.AlexNet().eval()
        for name in LINEAR:
            thin.set_submodule(name, LowRankLinear(thin.get_submodule(name), rank))
        rows.append({"rank": rank, **compared(whole, thin, (1, 3, 224, 224), folder)})
        print(rows[-1], flush=True)
    return rows


def measure() -> dict:
    """Both parts, for the result file."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [layer_row(SIZE, rank, batch, Path(folder)) for batch in BATCHES for rank in RANKS]
        small = layer_row(SMALL_SIZE, SMALL_RANK, 1, Path(folder))
        networks = network_rows(Path(folder))
    return {"rows": rows, "small": small, "network": networks}


if __name__ == "__main__":
    frame.start(lambda: frame.study(NAME, __doc__, measure))
