"""A GPU for eight minutes: all that the chapters want of one, in one command.

    python3 -m studies.gpu_visit [--seconds N]

It needs PyTorch, torchvision and this checkout, ends by itself, and takes the accelerator that
PyTorch finds (without one it says so and writes nothing). Parts, in the order of their worth: naive
against right timing; the batch sweep, edge and road networks among them; transfer against compute;
FP32, TF32, FP16, BF16 and int8; the roofline; kernels launched; joules by NVML. A part for which no
time is left is named under "left_out". Writes data/results/gpu_visit.json, one entry a device: run
it twice and keep the second. Chapters 03, 05, 13 and 14 show what is in it.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torchvision.models import get_model

import edu_lib as edu
from edu_lib.measure.energy import EnergyMeter
from edu_lib.measure.machine import device_name
from edu_lib.models.roadnet import RoadNet
from edu_lib.models.small_roadnet import SmallRoadNet
from studies import frame

NAME = "gpu_visit"
SECONDS = 440.0  # eight minutes, with a reserve for the last part and the file
BLOCKS, BLOCK_MS, CALLS = 15, 30.0, 20
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
MEGABYTES = (0.1, 1, 10, 100)
SIDES = (256, 1024, 4096, 8192)
EDGE = ("resnet18", "mobilenet_v2", "mobilenet_v3_small")
Work = Callable[[], object]


@dataclass
class Visit:
    """A device and how to ask it: synchronize waits for its work, now_ms reads a clock.

    deadline_ms: on that clock; no measurement begins after it. scale: 1 on a GPU; more makes every
    size smaller by that factor.
    """

    device: torch.device
    synchronize: Work
    now_ms: Callable[[], float]
    deadline_ms: float
    scale: int = 1
    left_out: list[str] = field(default_factory=list)

    def naive_ms(self, work: Work) -> float:
        """Milliseconds a call as a beginner times it: no warm-up, no waiting."""
        start = self.now_ms()
        for _ in range(CALLS):
            work()
        return (self.now_ms() - start) / CALLS

    def right_ms(self, work: Work) -> float:
        """The median of blocks that begin and end with an idle device, after a warm-up."""
        work()
        self.synchronize()
        once = max(self._block_ms(work, 1), 1e-3)
        calls = max(1, min(1000, round(BLOCK_MS / once)))
        blocks = []
        while len(blocks) < BLOCKS and (len(blocks) < 3 or self.now_ms() < self.deadline_ms):
            blocks.append(self._block_ms(work, calls) / calls)
        return statistics.median(blocks)

    def _block_ms(self, work: Work, calls: int) -> float:
        self.synchronize()
        start = self.now_ms()
        for _ in range(calls):
            work()
        self.synchronize()
        return self.now_ms() - start

    def while_time(self, name: str, items: object) -> list:
        """The items, until the time is over; says which part was cut."""
        taken = []
        for item in items:
            if self.now_ms() >= self.deadline_ms:
                self.left_out.append(name)
                break
            taken.append(item())
        return taken


def timing(visit: Visit) -> dict:
    """One product of matrices, timed both ways."""
    side = 4096 // visit.scale
    a = torch.rand(side, side, device=visit.device)
    naive = visit.naive_ms(lambda: a @ a)
    return {"side": side, "naive_ms": naive, "right_ms": visit.right_ms(lambda: a @ a)}


def networks() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """{name: (network with untrained weights, shape of an image)}."""
    return {
        "lenet5": (edu.models.LeNet5(), (1, 28, 28)),
        "alexnet": (edu.models.AlexNet2012(), (3, 224, 224)),
        "vgg16": (edu.models.VGG16(), (3, 224, 224)),
        "road_heavy": (RoadNet(["segmentation"]), (3, 128, 256)),
        "road_separable": (RoadNet(["segmentation"], 1.0, "separable"), (3, 128, 256)),
        "road_light": (RoadNet(width=0.5), (3, 128, 256)),
        "road_small": (SmallRoadNet(), (3, 128, 256)),
        **{name: (get_model(name, weights=None), (3, 224, 224)) for name in EDGE},
    }


@torch.inference_mode()
def sweep(visit: Visit) -> list[dict]:
    """Milliseconds of a batch, network by network."""

    def row(name: str, model: nn.Module, shape: tuple, batch: int) -> dict:
        X = torch.rand(batch, *shape, device=visit.device)
        return {"network": name, "batch": batch, "p50_ms": visit.right_ms(lambda: model(X))}

    rows = []
    for name, (model, shape) in networks().items():
        model = model.eval().to(visit.device)
        batches = [batch for batch in BATCHES if batch * visit.scale <= BATCHES[-1]]
        rows += visit.while_time(
            f"sweep of {name}",
            (lambda b=b, m=model, n=name, s=shape: row(n, m, s, b) for b in batches),
        )
    return rows


def transfer(visit: Visit) -> list[dict]:
    """Milliseconds there and back, by megabytes; a page-locked copy where the device takes one."""

    def row(megabytes: float) -> dict:
        here = torch.rand(max(1, round(megabytes * 250_000 / visit.scale)))
        there = here.to(visit.device)
        return {
            "megabytes": here.nbytes / 1e6,
            "there_ms": visit.right_ms(lambda: here.to(visit.device, copy=True)),
            "back_ms": visit.right_ms(lambda: there.to("cpu", copy=True)),
        }

    return visit.while_time("transfer", (lambda m=m: row(m) for m in MEGABYTES))


@torch.inference_mode()
def precisions(visit: Visit) -> list[dict]:
    """A large product of matrices in each format that the device computes."""
    side = 4096 // visit.scale
    a = torch.rand(side, side, device=visit.device)

    def product(name: str) -> dict:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
        kinds = {"fp16": torch.float16, "bf16": torch.bfloat16}
        try:
            if name == "int8":
                q = (a * 100).to(torch.int8)
                ms = visit.right_ms(lambda: torch._int_mm(q, q))
            else:
                b = a.to(kinds.get(name, torch.float32))
                ms = visit.right_ms(lambda: b @ b)
        except RuntimeError as error:
            return {"format": name, "refused": str(error).splitlines()[0][:120]}
        finally:
            torch.set_float32_matmul_precision(before)
        return {"format": name, "side": side, "p50_ms": ms, "tera_a_second": 2 * side**3 / ms / 1e9}

    formats = ("fp32", "tf32", "fp16", "bf16", "int8")
    return visit.while_time("precisions", (lambda n=n: product(n) for n in formats))


def roofline(visit: Visit) -> dict:
    """Products of matrices of growing sides, and gigabytes a second of a copy on the device."""

    def product(side: int) -> dict:
        a = torch.rand(side, side, device=visit.device)
        return {"side": side, "gflops": 2 * side**3 / visit.right_ms(lambda: a @ a) / 1e6}

    sides = [max(side // visit.scale, 16) for side in SIDES]
    products = visit.while_time("roofline", (lambda s=s: product(s) for s in sides))
    x = torch.rand(64_000_000 // visit.scale, device=visit.device)
    return {
        "products": products,
        "copy_gb_per_second": 2 * x.nbytes / visit.right_ms(x.clone) / 1e6,
    }


@torch.inference_mode()
def launches(visit: Visit) -> list[dict]:
    """Kernels that one call starts, as PyTorch's profiler counts them, and its milliseconds."""

    def row(name: str) -> dict:
        model, shape = networks()[name]
        model, X = model.eval().to(visit.device), torch.rand(1, *shape, device=visit.device)
        model(X)
        kinds = [ProfilerActivity.CPU]
        kinds += [ProfilerActivity.CUDA] if visit.device.type == "cuda" else []
        with profile(activities=kinds) as seen:
            model(X)
            visit.synchronize()
        kernels = [e for e in seen.events() if str(e.device_type).endswith("CUDA")]
        return {
            "network": name, "kernels": len(kernels) if len(kinds) == 2 else None,
            "p50_ms": visit.right_ms(lambda: model(X)),
        }  # fmt: skip

    return visit.while_time("launches", (lambda n=n: row(n) for n in ("lenet5", "road_heavy")))


@torch.inference_mode()
def energy(visit: Visit) -> dict:
    """Joules of the heavy road network, where the device has a counter."""
    model, shape = networks()["road_heavy"]
    model, X = model.eval().to(visit.device), torch.rand(1, *shape, device=visit.device)
    ms, runs, start = visit.right_ms(lambda: model(X)), 0, visit.now_ms()
    with EnergyMeter(visit.device) as meter:
        while visit.now_ms() - start < 2000 / visit.scale:
            model(X)
            runs += 1
        visit.synchronize()
    joules = meter.joules
    return {"p50_ms": ms, "runs": runs, "joules_a_run": None if joules is None else joules / runs}


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


def now_ms() -> float:
    """A clock that only goes forward."""
    return time.perf_counter_ns() / 1e6


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
    devices[device_name(device)] = measure(visit)
    edu.save_result(NAME, {"devices": devices}, frame.command(NAME))
    return 0


if __name__ == "__main__":
    frame.start(main)
