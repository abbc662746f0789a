"""The heavy road segmentation network with its convolutions taken apart, and trained again.

    python3 -m studies.separable_road [--seed N]     # then --seed 1 and 2
    python3 -m studies.separable_road --labels       # seed 0 without the teacher
    python3 -m studies.separable_road --time         # on an idle machine
    python3 -m studies.separable_road --summary

`separate` puts the nearest depthwise separable pair in the place of each 3x3 convolution; the first
layer, 7x7 on three colours, becomes a pair of rank 8. What is left learns as the pruned networks of
`studies.channel_pruning` do: half the labels' loss, half the heavy network's soft targets. The
control learns from the labels alone, as long. Each run is a training of its own, half an hour
on one core; an interrupted one goes on. The test scenes are read once a run.
Train and test scenes come from one generator, so the figures say nothing about real roads.
"""

from statistics import mean

import torch
from torch import nn

import edu_lib as edu
from classroom.road_scenes import RoadSplit, road_scenes
from edu_lib.models.road_tasks import sum_of_losses
from edu_lib.techniques.factorization import separable_from, separate
from edu_lib.training import fingerprint
from studies import frame
from studies.channel_pruning import compare_quietly, miou
from studies.channel_pruning_choice import SHAPE, heavy, macs_of
from studies.channel_pruning_recovery import (
    ALPHA,
    TEMPERATURE,
    augment,
    recovery_loss,
    teacher_logits,
)

NAME = "separable_road"
CACHE = frame.CACHE_FOLDER / NAME
MAX_SEEDS = 10
STEM_RANK = 8
RECIPE = {"num_epochs": 4, "batch_size": 16, "lr": 2e-3, "weight_decay": 0.02, "warmup": 0.1}
FINISH = RECIPE | {"num_epochs": 3, "lr": 1e-3}  # once more, in smaller steps


def separable() -> nn.Module:
    """The light network, as near to the heavy one as its shape allows."""
    whole = heavy()
    model = separate(whole, skip=["encoder.stem.0"])
    stem = separable_from(whole.encoder.stem[0], rank=STEM_RANK)
    model.encoder.stem.set_submodule("0", stem)
    return model


def train(model: nn.Module, scenes: RoadSplit, name: str, seed: int, with_teacher: bool) -> None:
    """Trains in place, in two parts; goes on from its checkpoints."""
    y = {
        "segmentation": scenes.y["segmentation"],
        "steering": scenes.y["steering"],
        "teacher": teacher_logits(scenes),
    }
    for part, recipe in ((name, RECIPE), (f"{name}_finish", FINISH)):
        edu.fit(
            model,
            scenes.X,
            y,
            loss=recovery_loss if with_teacher else sum_of_losses,
            transform=augment,
            precision=torch.bfloat16,
            channels_last=True,
            # the second part belongs to the weights that the first one left
            checkpoint=CACHE / f"{part}_{fingerprint(model)}.checkpoint.safetensors",
            seed=seed,
            **recipe,
        )


def judged(seed: int, with_teacher: bool) -> dict:
    """One training, judged."""
    model = separable()
    train(model, road_scenes("train"), name_of(seed, with_teacher), seed, with_teacher)
    files = {"safetensors": frame.weights_of(model)}
    return {"miou": miou(model, road_scenes("test")), "files": files}


def name_of(seed: int, with_teacher: bool) -> str:
    return f"distilled_{seed}" if with_teacher else f"labels_{seed}"


def run(seed: int, with_teacher: bool, again: bool) -> None:
    """One training; the first one ships."""
    name = name_of(seed, with_teacher)
    one = {"seed": seed, "with_teacher": with_teacher}
    frame.run_all(judged, {name: one}, NAME, again=again)
    if name == "distilled_0":
        edu.save_weights(edu.load_weights(separable(), name, CACHE), "road_separable", half=True)


def mious(with_teacher: bool) -> list[float]:
    """Of the finished runs of a kind, by seed."""
    names = {
        name_of(seed, with_teacher): {"seed": seed, "with_teacher": with_teacher}
        for seed in range(MAX_SEEDS)
    }
    return [run["miou"] for run in frame.finished(judged, names, NAME).values()]


def time_it() -> dict:
    """p50 of the heavy network over the light one's, ONNX Runtime FP32, one thread and all."""
    X, figures = torch.rand(SHAPE), {}
    files = {
        "heavy": edu.export_onnx(heavy(), X, CACHE / "heavy.onnx"),
        "separable": edu.export_onnx(separable().eval(), X, CACHE / "separable.onnx"),
    }
    for key, threads in (("", 1), ("_all_threads", None)):
        comparison = compare_quietly(
            *(edu.onnxruntime_runner(file, X, threads) for file in files.values())
        )
        figures |= {
            f"p50_gain{key}": comparison.ratio,
            f"p50_gain_interval{key}": list(comparison.interval),
            f"heavy_p50_ms{key}": comparison.reference.p50_ms,
            f"separable_p50_ms{key}": comparison.candidate.p50_ms,
        }
    return figures


def summarise() -> None:
    """The result file: means over the seeds, and the stored times.

    What this machine has not trained or timed stays as the file has it.
    """
    before = frame.stored_result(NAME)
    distilled = mious(with_teacher=True) or before.get("mious")
    labels = mious(with_teacher=False)
    times = frame.times_or_kept(
        frame.finished(time_it, {"times": {}}, NAME, timed=True).get("times", {}),
        before,
        [name for name in before if "p50" in name],
    )
    if not distilled or "p50_gain" not in times:
        raise SystemExit("a run and the times are needed first: --seed 0, then --time")
    whole = edu.load_result("road_teachers")["segmentation"]["miou"]
    figures = times | {
        "seeds": len(distilled),
        "mac_gain": macs_of(heavy()) / macs_of(separable()),
        "miou": mean(distilled),
        "mious": distilled,
        "miou_change_points": mean(distilled) - whole,
        "heavy_miou": whole,
        "heavy_macs": macs_of(heavy()),
        "separable_macs": macs_of(separable()),
        "params": edu.count_cost(separable(), SHAPE).params,
        "recipe": RECIPE | {"temperature": TEMPERATURE, "alpha": ALPHA},
        "finish": FINISH,
    }
    figures |= {name: before[name] for name in before if name.startswith("labels_only")}
    if labels:
        figures |= {
            "labels_only_miou": mean(labels),
            "labels_only_change_points": mean(labels) - whole,
            "labels_only_seeds": len(labels),
            "labels_only_loss_points": mean(distilled[: len(labels)]) - mean(labels),
        }
    edu.save_result(NAME, figures, frame.command(NAME))


def main() -> None:
    """One run, the times, or the result file."""
    chosen = frame.options(
        __doc__,
        {
            "--seed": {"type": int, "choices": range(MAX_SEEDS), "default": 0},
            "--labels": {"action": "store_true", "help": "without the teacher"},
            "--time": {"action": "store_true"},
            "--summary": {"action": "store_true"},
            "--threads": {"type": int, "default": 1},
        },
    )
    if chosen.time:
        frame.run_all(time_it, {"times": {}}, NAME, again=True, timed=True)
    elif chosen.summary:
        summarise()
    else:
        run(chosen.seed, not chosen.labels, chosen.again)


if __name__ == "__main__":
    frame.start(main)
