#!/usr/bin/env bash
# PyTorch's FlopCounterMode counts attention, LSTM and Bilinear on the CPU as 0, and the backward
# pass of a grouped convolution as if the convolution were dense.
#
#     bash findings/flop_counter.sh
#
# Installs a pinned torch in a temporary folder, and counts layers whose FLOPs are known by hand.
# Exits 0 while the counts are as described here, 1 once one of them has changed. The kit's own
# counter, edu_lib/cost.py, gives the right number for each forward pass.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def flops(run):
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


@torch.no_grad()
def flops_forward(run):
    return flops(run)


def backward_over_forward(groups):
    """For an input that wants a gradient, the backward pass is twice the forward's work."""
    conv = nn.Conv2d(8, 8, 3, padding=1, groups=groups)
    X = torch.rand(1, 8, 6, 6, requires_grad=True)
    forward = flops(lambda: conv(X))
    return (flops(lambda: conv(X).sum().backward()) - forward) / forward


q = torch.rand(1, 4, 32, 16)
heads, length, width = q.shape[1:]
attention = 2 * heads * length * length * 2 * width
encoder = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval()
encoder_flops = 2 * (5 * (4 * 16 * 16 + 2 * 16 * 32) + 5 * 5 * 2 * 16)
lstm, bilinear = nn.LSTM(10, 20), nn.Bilinear(10, 10, 4)
pair = torch.rand(3, 10)
ROWS = [  # what, counted, counted when this was written, right
    (
        "attention on the CPU",
        flops_forward(lambda: F.scaled_dot_product_attention(q, q, q)), 0, attention,
    ),
    (
        "attention on the meta device",
        flops_forward(lambda: F.scaled_dot_product_attention(*[q.to("meta")] * 3)),
        attention, attention,
    ),
    (
        "encoder layer of a transformer, fast path",
        flops_forward(lambda: encoder(torch.rand(1, 5, 16))), 0, encoder_flops,
    ),
    (
        "LSTM on the CPU, 5 steps",
        flops_forward(lambda: lstm(torch.rand(5, 1, 10))), 0, 2 * 5 * 4 * 20 * (10 + 20),
    ),
    ("Bilinear", flops_forward(lambda: bilinear(pair, pair)), 0, 2 * 3 * 10 * 10 * 4),
    ("backward over forward, dense convolution", backward_over_forward(1), 2, 2),
    ("backward over forward, 8 groups", backward_over_forward(8), 9, 2),
]
print(f"torch {torch.__version__}")
print(f"{'':44s}{'counted':>10s}{'right':>10s}")
changed = []
for what, counted, written, right in ROWS:
    print(f"{what:44s}{counted:10,.0f}{right:10,.0f}")
    if counted != written:
        changed.append(f"{what}: counted {counted:,.0f}, when this was written {written:,}")
print("\n".join(["changed:", *changed]) if changed else "as described")
sys.exit(bool(changed))
PYTHON
