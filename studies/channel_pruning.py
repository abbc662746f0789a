"""Channels out of the heavy road segmentation network: a fifth of the MACs, and what it costs.

    python3 -m studies.channel_pruning --method ours [--seed N]     # then --method torch_pruning
    python3 -m studies.channel_pruning --method ours --labels       # without the teacher
    python3 -m studies.channel_pruning --summary, then --ship
    python3 -m studies.channel_pruning --time                       # on an idle machine

Two networks are pruned in one step to the same MACs, one by `prune_channels`, one by Torch-Pruning
(Fang et al. 2023), by criteria that `studies.channel_pruning_choice` compared with others. Both
keep multiples of 16 channels, and both recover alike: the same epochs, batches and loss, which is
half the labels' and half the heavy network's soft targets. The control recovers from the labels
alone, as long.
Each method and seed is a training of its own, half an hour on one core; an interrupted one goes on.
Train and test scenes come from one generator, so the figures say nothing about real roads.
"""

import tempfile
from pathlib import Path
from statistics import mean

import torch
from torch import nn

import edu_lib as edu
from classroom.road_scenes import RoadSplit, road_scenes
from edu_lib.deploy import container
from edu_lib.measure import LatencyComparison, Runner
from edu_lib.models.road_tasks import evaluate_road
from edu_lib.weights import WEIGHTS_FOLDER
from studies import frame
from studies.channel_pruning_choice import SHAPE, heavy, macs_of, ours, theirs
from studies.channel_pruning_recovery import ALPHA, CACHE, RECIPE, TEMPERATURE, recover

NAME = "channel_pruning"
MAX_SEEDS = 10
CRITERIA = {"ours": "taylor_in_group", "torch_pruning": "lamp"}


# Pruning


def pruned(method: str) -> nn.Module:
    """The heavy network, pruned by the criterion of that library."""
    scenes = road_scenes("train")
    torch.manual_seed(0)
    by_us = ours(CRITERIA["ours"], scenes)
    if method == "ours":
        return by_us
    return theirs(CRITERIA["torch_pruning"], scenes, macs_of(by_us))


def miou(model: nn.Module, scenes: RoadSplit) -> float:
    """Mean intersection over union in percent."""
    return evaluate_road(model, scenes.X, scenes.y).miou


def judged(method: str, seed: int, with_teacher: bool = True) -> dict:
    """One method and seed: prune, recover, judge."""
    scenes, test_scenes = road_scenes("train"), road_scenes("test")
    model = pruned(method)
    macs = edu.count_cost(model, SHAPE).macs
    print(f"{method}, seed {seed}: {macs:,} MACs an image", flush=True)
    recover(model, scenes, name_of(method, seed, with_teacher), seed, with_teacher)
    figures = {"macs": macs, "miou": miou(model, test_scenes), "widths": widths(model)}
    with tempfile.TemporaryDirectory() as folder:
        file = edu.export_onnx(model, torch.rand(SHAPE), Path(folder) / "network.onnx")
        files = {"safetensors": frame.weights_of(model), "onnx": file.read_bytes()}
    return figures | {"files": files}


def name_of(method: str, seed: int, with_teacher: bool) -> str:
    return f"{method}_{seed}" if with_teacher else f"{method}_labels_{seed}"


def widths(model: nn.Module) -> dict[str, int]:
    """{layer name: output channels} of all convolutions."""
    return {
        name: part.out_channels
        for name, part in model.named_modules()
        if isinstance(part, nn.Conv2d)
    }


def arguments_of(method: str, seed: int, with_teacher: bool) -> dict:
    """Of `judged`."""
    return {"method": method, "seed": seed} | ({} if with_teacher else {"with_teacher": False})


def ship() -> None:
    """Seed 0 of ours in 16 bits, as one container file; says what is left of its mean IoU."""
    model = edu.load_weights(pruned("ours"), "ours_0", folder=CACHE).half().float()
    path = container.save(
        model, WEIGHTS_FOLDER / "road_pruned.30f", arguments={"tasks": ("segmentation",)}
    )
    found = miou(container.load(path), road_scenes("test"))
    stored = runs_of("ours")[0]["miou"]
    print(f"{path.name}: {path.stat().st_size:,} bytes, {found:.2f} % mean IoU, was {stored:.2f}")


# Result file


def runs_of(method: str, with_teacher: bool = True) -> list[dict]:
    """The finished runs of a method, by seed."""
    names = {
        name_of(method, seed, with_teacher): arguments_of(method, seed, with_teacher)
        for seed in range(MAX_SEEDS)
    }
    return list(frame.finished(judged, names, NAME).values())


def summarise() -> None:
    """Means over the seeds, beside the heavy network and the times that are stored.

    What this machine has not trained or timed stays as the file has it.
    """
    before = frame.stored_result(NAME)
    earlier = {"ours": before, "torch_pruning": before.get("torch_pruning", {})}
    runs = {method: runs_of(method) or earlier[method].get("runs") for method in CRITERIA}
    labels = runs_of("ours", with_teacher=False)
    if not all(runs.values()):
        raise SystemExit("each method needs a run: start --method for the one that lacks")
    whole_macs = edu.count_cost(heavy(), SHAPE).macs
    whole_miou = edu.load_result("road_teachers")["segmentation"]["miou"]
    figures = {
        method: {
            "mac_gain": whole_macs / mean(run["macs"] for run in each),
            "seeds": len(each),
            "miou": mean(run["miou"] for run in each),
            "miou_change_points": mean(run["miou"] for run in each) - whole_miou,
            "runs": each,
        }
        for method, each in runs.items()
    }
    ours = figures.pop("ours")
    times = frame.times_or_kept(
        frame.finished(time_it, {"times": {}}, NAME, timed=True).get("times", {}),
        before,
        [name for name in before if "p50" in name or "control" in name],
    )
    gain = times.get("p50_gain")
    efficiency = None if gain is None else 100 * gain / ours["mac_gain"]
    edu.save_result(
        NAME,
        {
            "heavy_miou": whole_miou,
            "heavy_macs": whole_macs,
            **ours,
            **figures,
            **times,
            "labels_only": [run["miou"] for run in labels] or before.get("labels_only", []),
            "conversion_efficiency": efficiency,
            "recipe": RECIPE | {"temperature": TEMPERATURE, "alpha": ALPHA},
        },
        frame.command(NAME),
    )


def compare_quietly(reference: Runner, candidate: Runner) -> LatencyComparison:
    """`compare_latency` on a quiet machine."""
    return frame.until_quiet(lambda: edu.compare_latency(reference, candidate))


def time_it() -> dict:
    """p50 of the heavy network over that of ours, ONNX Runtime FP32, one thread and all."""
    X = torch.rand(SHAPE)
    path = edu.export_onnx(heavy(), X, CACHE / "heavy.onnx")
    small = CACHE / "ours_0.onnx"
    figures = {}
    for key, threads in (("", 1), ("_all_threads", None)):
        comparison = compare_quietly(
            edu.onnxruntime_runner(path, X, threads), edu.onnxruntime_runner(small, X, threads)
        )
        figures |= {
            f"p50_gain{key}": comparison.ratio,
            f"p50_gain_interval{key}": list(comparison.interval),
            f"control_ratio{key}": comparison.control_ratio,
            f"heavy_p50_ms{key}": comparison.reference.p50_ms,
            f"pruned_p50_ms{key}": comparison.candidate.p50_ms,
        }
    return figures


def main() -> None:
    """One run, the times, or the result file."""
    chosen = frame.options(
        __doc__,
        {
            "--method": {"choices": CRITERIA},
            "--seed": {"type": int, "choices": range(MAX_SEEDS), "default": 0},
            "--labels": {"action": "store_true", "help": "recover without the teacher"},
            "--threads": {"type": int, "default": 1},
            "--time": {"action": "store_true"},
            "--summary": {"action": "store_true"},
            "--ship": {"action": "store_true", "help": "seed 0 of ours to data/weights"},
        },
    )
    if chosen.method:
        which = chosen.method, chosen.seed, not chosen.labels
        one = {name_of(*which): arguments_of(*which)}
        frame.run_all(judged, one, NAME, again=chosen.again)
    if chosen.time:
        frame.run_all(time_it, {"times": {}}, NAME, again=True, timed=True)
    if chosen.summary:
        summarise()
    if chosen.ship:
        ship()


if __name__ == "__main__":
    frame.start(main)
