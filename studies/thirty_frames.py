"""Three heavy road networks become one light int8 network.

    python3 -m studies.thirty_frames [--seed N] [--chain DPQ] [--device cuda] [--minutes M]
    python3 -m studies.thirty_frames --time          # on an idle machine, with OpenVINO
    python3 -m studies.thirty_frames --time --processor amx      # on another processor
    python3 -m studies.thirty_frames --summary, then --ship

A small network with a shared encoder learns from the three heavy ones (D), loses channels and
recovers (P), learns with rounding and becomes int8 (Q). Each prefix of a chain is a run: its row
and its weights are in data/runs. A training goes on from its checkpoint; --minutes ends it there.
Choices are made on the validation scenes; the test scenes are read once a run.
Train and test scenes come from one generator, so the figures say nothing about real roads.
"""

import _thread
import os
import signal
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from safetensors.torch import save
from torch import nn

import edu_lib as edu
from classroom.final_network import FILE, STUDENT
from classroom.road_scenes import RoadSplit
from edu_lib.deploy import session
from edu_lib.files import write_whole
from edu_lib.models.road_tasks import as_input, evaluate_road
from edu_lib.models.small_roadnet import WholeSize
from edu_lib.weights import WEIGHTS_FOLDER
from studies import frame, thirty_frames_timing
from studies.thirty_frames_steps import (
    FOLDER,
    NAME,
    PLAN,
    Plan,
    after,
    name_of,
    stored,
    weights_in_16_bits,
)
from studies.thirty_frames_teachers import teachers

SEEDS = (0, 1, 2)
DEVICES = ("cpu", "cuda")
CHAIN = "DPQ"
COMPARED = 4  # scenes on which the integer engine is compared with ONNX Runtime


def prefixes(chain: str) -> list[str]:
    """D, DP and DPQ for DPQ."""
    return [chain[: at + 1] for at in range(len(chain))]


def made(chain: str, seed: int, device: str, plan: Plan = PLAN, folder: Path = FOLDER) -> dict:
    """One step of a chain, from what the step before left in `folder`: its card row and files."""
    before = stored(chain[:-1], seed, device, plan, folder)
    model = after(chain, before, seed, device, plan)
    files, more = integer_files(model, plan) if chain.endswith("Q") else float_files(model)
    return card(model, plan) | more | {"device": device, "files": files}


def float_files(model: nn.Module) -> tuple[dict[str, bytes], dict]:
    """The weights in 16 bits, which `model` has from now on too, and the size of the file."""
    state = weights_in_16_bits(model)
    model.load_state_dict(state)
    files = {"safetensors": save(state)}
    return files, {"file_bytes": len(files["safetensors"])}


def integer_files(model: nn.Module, plan: Plan) -> tuple[dict[str, bytes], dict]:
    """The int8 network as a container and as an ONNX file, and what is to be said of them."""
    scenes = plan.split("validation")
    X = as_input(scenes.X[:COMPARED])
    packed = edu.container.dumps(model, example_input=X[:1])
    with tempfile.TemporaryDirectory() as folder:
        path = edu.export_int8(model, X[:1], Path(folder) / "int8.onnx")
        opened, engine = session(path), edu.IntegerNetwork(path)
        theirs, ours = opened.run(None, {"X": X.numpy()}), engine.run(X.numpy())
        names = [output.name for output in opened.get_outputs()]
        exact = all(np.array_equal(ours[name], y) for name, y in zip(names, theirs, strict=True))
        files = {"30f": packed, "onnx": path.read_bytes()}
    more = {"file_bytes": len(packed), "onnx_bytes": len(files["onnx"]), "integers_exact": exact}
    return files, more | {"integer_peak_bytes": engine.peak_bytes // COMPARED}


def card(model: nn.Module, plan: Plan, smooth: bool = False) -> dict:
    """What is counted, and the quality on the validation and the test scenes.

    smooth: enlarge the answers as `WholeSize` says.
    """
    cost = edu.count_cost(model, plan.shape)
    return {
        "params": cost.params,
        "macs": cost.macs,
        "peak_activation_bytes": cost.peak_activation_bytes,
        "validation": quality(model, plan.split("validation"), smooth),
        "test": quality(model, plan.split("test"), smooth),
    }


def quality(model: nn.Module, scenes: RoadSplit, smooth: bool = False) -> dict[str, float]:
    """Mean IoU and delta1 in percent, the steering error in degrees."""
    found = asdict(evaluate_road(WholeSize(model, smooth), scenes.X, scenes.y))
    return {name: found[name] for name in ("miou", "delta1", "steering_error_deg")}


def run(chain: str, seed: int, device: str, again: bool = False) -> None:
    """Every step of a chain that is not stored yet."""
    for each in prefixes(chain):
        one = {"chain": each, "seed": seed, "device": device}
        runs = {name_of(each, seed, device): one}
        frame.run_all(made, runs, NAME, again=again, cache=frame.RUNS_FOLDER)


def stop_after(minutes: float) -> None:
    """Interrupts this program then: a training saves its checkpoint first."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup would ignore it
    timer = threading.Timer(60 * minutes, _thread.interrupt_main)
    timer.daemon = True
    timer.start()


# Result file


def rows(chain: str) -> list[dict]:
    """The stored rows of a chain by seed, whatever device they were trained on."""
    found = []
    for seed in SEEDS:
        runs = {
            name_of(chain, seed, device): {"chain": chain, "seed": seed, "device": device}
            for device in DEVICES
        }
        kept = frame.finished(made, runs, NAME, cache=frame.RUNS_FOLDER)
        found += list(kept.values())[:1]
    return found


def heavy_card(plan: Plan = PLAN) -> dict:
    """The three heavy networks together, with the quality that their study measured."""
    costs = [edu.count_cost(network, plan.shape) for network in teachers()]
    taught = edu.load_result("road_teachers")
    return {
        "params": sum(cost.params for cost in costs),
        "macs": sum(cost.macs for cost in costs),
        "peak_activation_bytes": max(cost.peak_activation_bytes for cost in costs),
        "file_bytes": sum(taught[task]["file_bytes"] for task in ("segmentation", "depth", "ego")),
        "test": {
            "miou": taught["segmentation"]["miou"],
            "delta1": taught["depth"]["delta1"],
            "steering_error_deg": taught["ego"]["steering_error_deg"],
        },
    }


def summary(heavy: dict, steps: dict[str, list[dict]], times: dict[str, dict]) -> dict:
    """The figures of the result file. steps: rows by seed of each chain."""
    final = steps[CHAIN]

    def change(name: str, row: dict) -> float:
        return row["test"][name] - heavy["test"][name]

    def percent(name: str, row: dict) -> float:
        return 100 * change(name, row) / heavy["test"][name]

    changes = {
        "miou_change_points": [change("miou", row) for row in final],
        "depth_change_percent": [percent("delta1", row) for row in final],
        "steering_change_percent": [percent("steering_error_deg", row) for row in final],
    }
    figures = {name: mean(values) for name, values in changes.items()}
    # one seed has no scatter: a null, which no sentence can take for a number
    figures |= {
        f"{name}_sd": stdev(values) if len(values) > 1 else None for name, values in changes.items()
    }
    return figures | thirty_frames_timing.gains(times) | {
        "file_bytes": max(row["file_bytes"] for row in final),
        "integers_exact": all(row["integers_exact"] for row in final),
        "seeds": len(final),
        "devices": sorted({row["device"] for row in final}),
        "heavy": heavy,
        "steps": steps,
        "times": times,
        "plan": asdict(PLAN),
    }  # fmt: skip


def summarise(timed_now: bool) -> None:
    """Writes the result file. Raises SystemExit that says which run lacks.

    timed_now: with the times of this processor. Otherwise those that the file has, and the
    processor that they are of: trainings may be summed up on any machine.
    """
    steps = {chain: rows(chain) for chain in prefixes(CHAIN)}
    for chain, found in steps.items():
        if not found:
            raise SystemExit(f"{chain} has no run yet: python3 -m studies.{NAME} --chain {chain}")
    before, found = frame.stored_result(NAME), {}
    if timed_now or "times" not in before:
        times, rough = thirty_frames_timing.stored_times()
        found = {"times": times, "rough_times": rough}
    found = frame.times_or_kept(found, before, ("times", "rough_times"))
    figures = summary(heavy_card(), steps, found["times"]) | found
    edu.save_result(NAME, figures, frame.command(NAME))


def beside(processor: str) -> None:
    """Writes the times of another processor, with the gains that they give there."""
    study = frame.beside(NAME, processor)
    times, rough = thirty_frames_timing.stored_times(study)
    small = times["times_128x256"]
    figures = thirty_frames_timing.gains(times) | {
        "final_ms": {
            backend: small[f"{CHAIN} {backend}"]["p50_ms"]
            for backend in thirty_frames_timing.BACKENDS
        },
        "pruned_p50s_ms": small["DP onnxruntime"]["p50s_ms"],
        "times": times,
        "rough_times": rough,
    }
    edu.save_result(study, figures, f"{frame.command_on(NAME, processor)} --time")


def ship() -> None:
    """The container of seed 0 to data/weights, and the network before pruning."""
    for chain, ending, target in (
        (CHAIN, "30f", FILE),
        ("D", "safetensors", f"{STUDENT}.safetensors"),
    ):
        kept = [FOLDER / f"{name_of(chain, 0, device)}.{ending}" for device in DEVICES]
        source = next((path for path in kept if path.exists()), None)
        if source is None:
            raise SystemExit(f"there is no network yet: python3 -m studies.{NAME}")
        content = source.read_bytes()
        path = write_whole(WEIGHTS_FOLDER / target, lambda part, c=content: part.write_bytes(c))
        print(f"{path.name}: {os.path.getsize(path):,} bytes")


def main() -> None:
    """One chain, the times, or the result file."""
    chosen = frame.options(
        __doc__,
        {
            "--seed": {"type": int, "choices": SEEDS, "default": 0},
            "--chain": {"default": CHAIN, "help": f"steps in order, by default {CHAIN}"},
            "--device": {"choices": DEVICES, "default": "cpu", "help": "where it is trained"},
            "--minutes": {"type": float, "help": "stop at a checkpoint after so many"},
            "--time": {"action": "store_true", "help": "time, on an idle machine"},
            "--rough": {"action": "store_true", "help": "with --time, on a machine that is busy"},
            "--summary": {"action": "store_true", "help": "write the result file"},
            "--ship": {"action": "store_true", "help": "seed 0 to data/weights"},
        }
        | frame.PROCESSOR,
    )
    if chosen.minutes is not None:
        stop_after(chosen.minutes)
    if chosen.time:
        study = frame.beside(NAME, chosen.processor)
        thirty_frames_timing.time_all(chosen.seed, chosen.rough, chosen.again, study)
        if chosen.processor:
            beside(chosen.processor)
        else:
            summarise(timed_now=True)
    elif chosen.summary:
        summarise(timed_now=False)
    elif chosen.ship:
        ship()
    else:
        run(chosen.chain, chosen.seed, chosen.device, chosen.again)


if __name__ == "__main__":
    frame.start(main)
