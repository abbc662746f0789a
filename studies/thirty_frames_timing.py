"""How long the networks of `studies.thirty_frames` take: the three heavy ones and each step's.

The int8 file of a chain is timed at 128x256. At other sizes the same network is quantized
with a scene of that size: other numbers in the same operations, which take the same time.
"pipeline" is all that a car does with a frame: the image of bytes, the network, classes, metres and
degrees.
"""

from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from torch import Tensor, nn

import edu_lib as edu
from classroom.final_network import RoadEyes, one_scene
from edu_lib.deploy import export_int8, export_onnx
from edu_lib.measure import (
    Measurement,
    Runner,
    onnxruntime_runner,
    openvino_runner,
    pytorch_runner,
)
from edu_lib.measure.latency import MIN_BLOCKS
from edu_lib.measure.runner import resolve_threads
from edu_lib.techniques.quantization import quantize_static
from studies import frame
from studies.edge_networks import time_by_operation
from studies.thirty_frames_steps import CACHE, FOLDER, NAME, PLAN, name_of, stored
from studies.thirty_frames_teachers import teachers

SIZES = ((128, 256), (256, 512), (512, 1024))
THREADS = {"": 1, "_all_threads": None}
FLOATS, INTEGERS = ("D", "DP"), {"DQ": "D", "DPQ": "DP"}  # int8 chain: the float one it came from
REPEATS = 3
HEAVY, FINAL, FINAL_FLOAT = "heavy", "DPQ", "DP"
BACKENDS = {"onnxruntime": onnxruntime_runner, "openvino": openvino_runner}


class InTurn(nn.Module):
    """Networks that see the same image, one after the other, as three heavy ones do."""

    def __init__(self, networks: list[nn.Module]):
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, X: Tensor) -> list[dict[str, Tensor]]:
        return [network(X) for network in self.networks]


def in_turn(runners: list[Runner], name: str) -> Runner:
    """One runner that calls all of them."""
    first = runners[0]

    def call() -> list:
        return [runner.call() for runner in runners]

    return Runner(name, call, first.device, first.backend, first.threads, first.batch)


def pipeline(
    path: Path, size: tuple[int, int], threads: int | None, name: str, smooth: bool = False
) -> Runner:
    """From an image of bytes to an answer, as `RoadEyes` reads it."""
    eyes = RoadEyes(path, threads, smooth)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    return Runner(
        name, lambda: eyes(image), backend="ONNX Runtime", threads=resolve_threads(threads)
    )


def files(size: tuple[int, int], chains: list[str], seed: int, device: str) -> dict[str, Path]:
    """ONNX files of these chains at that size; written if they are not there."""
    X = one_scene(*size)
    folder = CACHE / f"onnx_{size[0]}x{size[1]}"
    found = {}
    for chain in chains:
        name = name_of(chain, seed, device)
        if chain in FLOATS:
            model = stored(chain, seed, device, PLAN, FOLDER)
            found[chain] = export_onnx(model, X, folder / f"{name}.onnx")
        elif size == SIZES[0] and (FOLDER / f"{name}.onnx").exists():
            found[chain] = FOLDER / f"{name}.onnx"
        else:
            model = stored(INTEGERS[chain], seed, device, PLAN, FOLDER)
            model = quantize_static(model, X, weight_bits=PLAN.weight_bits)
            found[chain] = export_int8(model, X, folder / f"{name}.onnx")
    return found


def time_small(seed: int, device: str, rough: bool) -> dict:
    """{form: times} at 128x256."""
    size = SIZES[0]
    X = one_scene(*size)
    paths = files(size, [*FLOATS, *INTEGERS], seed, device)
    heavy_paths = [
        export_onnx(network, X, CACHE / "onnx_heavy" / f"{number}.onnx")
        for number, network in enumerate(teachers())
    ]
    figures = {}
    for ending, threads in THREADS.items():
        runners = {
            f"{chain} onnxruntime{ending}": onnxruntime_runner(path, X, threads, chain)
            for chain, path in paths.items()
        }
        runners |= {
            f"{chain} pipeline{ending}": pipeline(paths[chain], size, threads, f"{chain}, pipeline")
            for chain in (FINAL, FINAL_FLOAT)
        }
        for backend, runner_of in BACKENDS.items():
            runners[f"{HEAVY} {backend}{ending}"] = in_turn(
                [runner_of(path, X, threads) for path in heavy_paths], HEAVY
            )
        runners[f"{FINAL} openvino{ending}"] = openvino_runner(paths[FINAL], X, threads, FINAL)
        networks = {chain: stored(chain, seed, device, PLAN, FOLDER) for chain in FLOATS}
        for chain, network in (networks | {HEAVY: InTurn(teachers())}).items():
            runners[f"{chain} eager{ending}"] = pytorch_runner(
                network, X, channels_last=True, threads=threads, name=f"{chain}, eager"
            )
        figures |= times_in_turns(runners, rough)
    return figures | {"by_operation": {c: time_by_operation(p, X, 200) for c, p in paths.items()}}


def time_large(height: int, width: int, seed: int, device: str, rough: bool) -> dict:
    """{form: times} of the final network at one size, one thread."""
    size = (height, width)
    paths = files(size, [FINAL_FLOAT, FINAL], seed, device)
    runners = {
        f"{chain} pipeline": pipeline(path, size, 1, f"{chain}, pipeline")
        for chain, path in paths.items()
    }
    return times_in_turns(runners, rough)


def time_it(height: int, width: int, seed: int, device: str, rough: bool) -> dict:
    """The times at one size. rough: also where the machine is not quiet."""
    if (height, width) == SIZES[0]:
        return time_small(seed, device, rough)
    return time_large(height, width, seed, device, rough)


def times_in_turns(runners: dict[str, Runner], rough: bool) -> dict[str, dict]:
    """p50, p99 and frames a second: medians of REPEATS measurements, all p50 beside.

    Each measurement is calm in itself, and yet one runner takes one of two times for a while (a
    processor has neighbours, and a clock that is not the kit's). So the runners take turns.
    """
    found = {name: [] for name in runners}
    for _ in range(REPEATS):
        for name, runner in runners.items():
            measure = partial(edu.measure_latency, runner, blocks=MIN_BLOCKS)
            found[name].append(measure() if rough else frame.until_quiet(measure))
    return {name: medians(measurements) for name, measurements in found.items()}


def medians(measurements: list[Measurement]) -> dict:
    """The figures of one runner."""
    p50_ms = median(each.p50_ms for each in measurements)
    return {
        "p50_ms": p50_ms,
        "p50s_ms": sorted(each.p50_ms for each in measurements),
        "p99_ms": median(each.p99_ms for each in measurements),
        "fps": 1000 / p50_ms,
    }


def runs(seed: int, rough: bool) -> dict[str, dict]:
    """A run for each size, for the network of this seed, wherever it was trained."""
    for device in ("cpu", "cuda"):
        if (FOLDER / f"{name_of(FINAL, seed, device)}.onnx").exists():
            each = {"seed": seed, "device": device, "rough": rough}
            return {
                f"times_{height}x{width}": {"height": height, "width": width} | each
                for height, width in SIZES
            }
    raise SystemExit(f"there is no network of seed {seed} yet: python3 -m studies.{NAME}")


def time_all(seed: int, rough: bool, again: bool, study: str = NAME) -> None:
    """Times every size that is not timed yet on this processor; rough times are another's."""
    frame.run_all(time_it, runs(seed, rough), study, timed=True, again=again)


def stored_times(study: str = NAME) -> tuple[dict[str, dict], bool]:
    """The times of this processor by the name of the run, and whether they are rough."""
    for rough in (False, True):
        found = frame.finished(time_it, runs(0, rough), study, timed=True)
        if len(found) == len(SIZES):
            return found, rough
    raise SystemExit(f"times lack: python3 -m studies.{NAME} --time, on an idle machine")


def gains(times: dict[str, dict]) -> dict:
    """The headline figures from the times of all sizes, one thread.

    They are those of the file that ships, the int8 one, whose quality and bytes stand beside them.
    "fp32": the same of the pruned network in floats, which is another file.
    """
    small = times["times_128x256"]

    def p50(name: str) -> float:
        return small[f"{name} onnxruntime"]["p50_ms"]

    # what pruning and int8 gain together, as a share of the product of what each gains alone
    pruning, int8, both = (p50("D") / p50(chain) for chain in ("DP", "DQ", "DPQ"))
    return speed_of(FINAL, times) | {
        "fp32": speed_of(FINAL_FLOAT, times),
        "pruning_gain": pruning,
        "int8_gain": int8,
        "combined_gain": both,
        "combined_share": both / (pruning * int8),
    }


def speed_of(chain: str, times: dict[str, dict]) -> dict:
    """From image to answer: how many times faster than the heavy networks, frames a second."""
    small, pipeline = times["times_128x256"], f"{chain} pipeline"
    p50_ms = small[pipeline]["p50_ms"]
    timed = ("eager", *BACKENDS)  # times from before OpenVINO was beside have two of these
    return {
        f"gain_vs_{backend}": small[f"{HEAVY} {backend}"]["p50_ms"] / p50_ms
        for backend in timed
        if f"{HEAVY} {backend}" in small
    } | {
        "fps": small[pipeline]["fps"],
        "fps_512x1024": times["times_512x1024"][pipeline]["fps"],
    }
