#!/usr/bin/env bash
# A training with PyTorch takes much longer in a worker of Dask than in a process of its own.
#
# Dask sets MALLOC_TRIM_THRESHOLD_=65536 for the workers that it starts, so that freed memory goes
# back to the system. To set it also fixes glibc's other threshold, M_MMAP_THRESHOLD, at 128 KiB
# (mallopt(3), "dynamic adjustment is disabled"): each larger tensor is mapped, filled with zeros by
# the system, and unmapped, in every step.
#
#     bash findings/dask_worker_memory.sh
#
# Linux with glibc. Installs pinned torch, dask and distributed in a temporary folder, and counts
# the processor seconds that the same steps of a small convolution network take in a worker as Dask
# starts it, and in one without that variable. Seen: 12 seconds with it, 4 to 5 without. Exits 0
# while the first is 1.3 times the second or more, and 1 once it is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 numpy==2.4.6 dask==2026.8.0 \
    distributed==2026.8.0
cd "$folder"
cat > steps.py <<'PYTHON'
import json
import os
import subprocess
import sys

import dask
import torch
from dask.distributed import Client, LocalCluster
from torch import nn

VARIABLES = "distributed.nanny.pre-spawn-environ"
STEPS, TURNS, LIMIT = 30, 2, 1.3


def train():
    """(seconds of user, seconds of system) that STEPS steps take."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = []
    for ins, outs in ((3, 16), (16, 16), (16, 16), (16, 16)):
        layers += [nn.Conv2d(ins, outs, 3, padding=1), nn.BatchNorm2d(outs), nn.ReLU()]
    model, X = nn.Sequential(*layers), torch.rand(16, 3, 64, 128)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for step in range(STEPS + 5):
        if step == 5:
            start = os.times()
        optimizer.zero_grad()
        model(X).square().mean().backward()
        optimizer.step()
    end = os.times()
    return end.user - start.user, end.system - start.system


def in_a_worker(variables):
    with dask.config.set({VARIABLES: variables}):
        with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
            with Client(cluster) as client:
                return client.submit(train, pure=False).result()


def processor_seconds(option):
    """The least of TURNS; each in a process of its own, where Dask leaves its variables."""
    command = [sys.executable, __file__, option]
    found = [
        json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        for _ in range(TURNS)
    ]
    user, system = min(found, key=sum)
    print(f"{option:8s} the variable: {user:5.1f} s of user, {system:5.1f} s of system", flush=True)
    return user + system


if __name__ == "__main__":
    usual = dask.config.get(VARIABLES)
    if sys.argv[1:] == ["with"]:
        print(json.dumps(in_a_worker(usual)))
    elif sys.argv[1:] == ["without"]:
        others = {name: each for name, each in usual.items() if "MALLOC" not in name}
        print(json.dumps(in_a_worker(others)))
    else:
        print(f"dask {dask.__version__}, torch {torch.__version__}")
        print("Dask's variables for a worker:", usual)
        ratio = processor_seconds("with") / processor_seconds("without")
        print(f"{ratio:.2f} times the processor seconds with it")
        print("as described" if ratio >= LIMIT else "changed")
        sys.exit(ratio < LIMIT)
PYTHON
"$folder/venv/bin/python" steps.py
