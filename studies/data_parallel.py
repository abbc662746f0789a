"""One training, shared by two processes: are the weights the same, and is it faster?

    python3 -m studies.data_parallel

Trains a small AlexNet with one process and with two under torchrun (gloo, one thread each) and
writes data/results/data_parallel.json. Under a minute; nothing else should run meanwhile.
"""

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import torch
import torch.distributed as dist
from safetensors.torch import load_file

import edu_lib as edu
from edu_lib.models import SmallAlexNet
from studies import frame

NAME = "data_parallel"
ROOT = Path(__file__).resolve().parent.parent
NUM_IMAGES, NUM_EPOCHS, BATCH_SIZE = 6_400, 3, 128
PROCESSES = (1, 2)


def worker(folder: Path) -> None:
    """What each process runs: the same call of fit, which finds the others by itself."""
    torch.set_num_threads(1)
    data = edu.fashion_mnist()
    torch.manual_seed(0)
    model = SmallAlexNet(dropout=0.0)
    # plain SGD, as in 2012: AdamW would let differences in rounding grow to differences in weights
    history = edu.fit(
        model,
        data.fit.X[:NUM_IMAGES],
        data.fit.y[:NUM_IMAGES],
        num_epochs=NUM_EPOCHS,
        batch_size=BATCH_SIZE,
        lr=0.05,
        optimizer=partial(torch.optim.SGD, momentum=0.9),
        progress=False,
        device="cpu",
    )
    if int(os.environ.get("RANK", "0")) == 0:
        edu.save_weights(model, "weights", folder=folder)
        seconds = median(epoch.seconds for epoch in history.epochs)
        (folder / "seconds.txt").write_text(str(seconds), encoding="utf-8")
    if dist.is_initialized():
        dist.destroy_process_group()


def train(processes: int, folder: Path) -> tuple[dict[str, torch.Tensor], float]:
    """The weights of a training with so many processes, and the median seconds of an epoch.

    Raises RuntimeError with the last lines of the processes if they fail.
    """
    folder.mkdir()
    torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    command = [sys.executable, "-m", *torchrun, "studies.data_parallel", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    if done.returncode != 0:
        raise RuntimeError(f"{processes} processes failed: {done.stderr[-1500:]}")
    weights = load_file(folder / "weights.safetensors")
    return weights, float((folder / "seconds.txt").read_text(encoding="utf-8"))


def measure() -> dict:
    """Both trainings, for the result file."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [train(processes, Path(folder) / str(processes)) for processes in PROCESSES]
    (alone, alone_seconds), (shared, shared_seconds) = runs
    gaps = [float((alone[name] - shared[name]).abs().max()) for name in alone]
    params = sum(tensor.numel() for tensor in alone.values())
    return {
        "num_images": NUM_IMAGES,
        "batch_size": BATCH_SIZE,
        "processes": list(PROCESSES),
        "largest_weight_difference": max(gaps),
        "seconds_an_epoch": [alone_seconds, shared_seconds],
        "speedup": alone_seconds / shared_seconds,
        "gradient_bytes_a_step": 4 * params,
        "steps_an_epoch": -(-NUM_IMAGES // BATCH_SIZE),
    }


if __name__ == "__main__":
    if len(sys.argv) == 2:
        worker(Path(sys.argv[1]))
    else:
        frame.start(lambda: frame.study(NAME, __doc__, measure))
