"""A GPU for eight minutes: all that the chapters want of one, in one command.

    python3 -m studies.gpu_visit [--seconds N]

It needs PyTorch, NumPy and this checkout, ends by itself, and takes the accelerator that PyTorch
finds (without one it says so and writes nothing). Parts, in the order of their worth: naive against
right timing; the batch sweep, edge and road networks among them; transfer against compute; FP32,
TF32, FP16, BF16 and int8; the roofline; kernels launched; joules by NVML. A part for which no time
is left is named under "left_out". Without torchvision edge networks of the kit stand in for its
own, and "edge_networks" says so. Writes data/results/gpu_visit.json, one entry a device: run it
twice and keep the second. Chapters 03, 05, 13 and 14 show what is in it.
"""

from collections.abc import Callable

import torch

import edu_lib as edu
from edu_lib.measure.machine import device_name
from studies import frame
from studies.gpu_visit_arithmetic import precisions, roofline, timing, transfer
from studies.gpu_visit_networks import edge_networks, energy, launches, sweep
from studies.gpu_visit_timing import Visit, now_ms

NAME = "gpu_visit"
SECONDS = 440.0  # eight minutes, with a reserve for the last part and the file

PARTS: dict[str, Callable[[Visit], object]] = {
    "timing": timing,
    "sweep": sweep,
    "transfer": transfer,
    "precisions": precisions,
    "roofline": roofline,
    "launches": launches,
    "energy": energy,
}


def measure(visit: Visit) -> dict:
    """All parts for which there is time."""
    figures: dict[str, object] = {}
    for name, part in PARTS.items():
        if visit.now_ms() >= visit.deadline_ms:
            visit.left_out.append(name)
            continue
        print(f"{name} ...", flush=True)
        figures[name] = part(visit)
    return figures | {"left_out": visit.left_out}


def main() -> int:
    """Visits the accelerator, if there is one; returns the exit code."""
    more = {"--seconds": {"type": float, "default": SECONDS, "help": "after which it ends"}}
    seconds = frame.options(__doc__, more, again=False, threads=None).seconds
    device = edu.pick_device()
    if device.type == "cpu":
        print("PyTorch finds no GPU here: run this command where there is one.")
        return 1
    waits = torch.accelerator.synchronize
    visit = Visit(device, waits, now_ms, now_ms() + 1000 * seconds)
    devices = frame.stored_result(NAME).get("devices", {})
    whose, _ = edge_networks()
    devices[device_name(device)] = measure(visit) | {"edge_networks": whose}
    edu.save_result(NAME, {"devices": devices}, frame.command(NAME))
    return 0


if __name__ == "__main__":
    frame.start(main)
