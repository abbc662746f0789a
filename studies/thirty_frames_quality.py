"""The finale's other recipe: a network that has learned already goes on, and quality comes first.

    python3 -m studies.thirty_frames_quality [--seed N] [--minutes M]
    python3 -m studies.thirty_frames_quality --time [--processor amx]    # on an idle machine
    python3 -m studies.thirty_frames_quality --summary, then --ship

The separable segmentation network of chapter 07 gets heads for depth and steering, loses channels
that the three tasks miss least (P), learns the three tasks from the generator's labels (D is left
out: its weights come from a network that was distilled), and becomes int8 by calibration (Q).
Choices are made on the validation scenes; the test scenes are read once a run.
Train and test scenes come from one generator, so the figures say nothing about real roads.
"""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

import edu_lib as edu
from classroom.final_network import (
    QUALITY_FILE,
    for_three_tasks,
    one_scene,
    quality_form,
)
from classroom.road_scenes import RoadSplit
from edu_lib.deploy import export_int8, export_onnx
from edu_lib.files import write_whole
from edu_lib.measure import onnxruntime_runner
from edu_lib.models.road_tasks import as_input
from edu_lib.techniques.pruning import ChannelGraph, channel_scores
from edu_lib.techniques.quantization import quantize_static
from edu_lib.weights import WEIGHTS_FOLDER
from studies import frame, thirty_frames
from studies.separable_road import separable
from studies.thirty_frames import card, integer_files, stop_after
from studies.thirty_frames_steps import Plan, watched
from studies.thirty_frames_teachers import augment, labels_loss
from studies.thirty_frames_timing import SIZES, in_turn, pipeline, teachers, times_in_turns

NAME = "thirty_frames_quality"
FOLDER = frame.RUNS_FOLDER / NAME
CACHE = frame.CACHE_FOLDER / NAME
PLAN = Plan(mac_share=0.5)
SEEDS = (0, 1, 2)
SCORED, SCORED_AT_ONCE = 64, 16  # scenes that say which channels matter
NUM_EPOCHS, LR = 8, 2e-3


def started(seed: int) -> nn.Module:
    """Chapter 07's network, which has learned, with two heads more, which have not."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return for_three_tasks(edu.load_weights(separable(), "road_separable"))


def pruned(model: nn.Module, scenes: RoadSplit, plan: Plan) -> nn.Module:
    """Without the channels whose loss the three tasks would feel least."""
    return edu.prune_channels(
        model,
        torch.rand(plan.shape),
        mac_share=plan.mac_share,
        round_to=8,
        scope="global",
        importance=partial(taylor_in_group, scenes=scenes),
    )


def taylor_in_group(model: nn.Module, graph: ChannelGraph, scenes: RoadSplit) -> Tensor:
    """Taylor scores, each relative to the mean of its group (chapter 08)."""
    scores = channel_scores(model, graph, "taylor", partial(scored_loss, scenes=scenes)).sqrt()
    for group in graph.groups:
        scores[group.numbers] /= scores[group.numbers].mean()
    return scores


def scored_loss(model: nn.Module, scenes: RoadSplit) -> Tensor:
    """The loss of the three tasks on the first scenes."""
    total = torch.zeros(())
    for first in range(0, min(SCORED, len(scenes.X)), SCORED_AT_ONCE):
        part = slice(first, first + SCORED_AT_ONCE)
        y = {name: scenes.y[name][part] for name in ("segmentation", "depth", "steering")}
        halves = {name: y[name][:, ::2, ::2] for name in ("segmentation", "depth")}
        total = total + labels_loss(model(as_input(scenes.X[part])), y | halves)
    return total


def learn(model: nn.Module, scenes: RoadSplit, seed: int, plan: Plan) -> None:
    """Trains in place; goes on from its checkpoint."""
    y = {name: scenes.y[name] for name in ("segmentation", "depth", "steering")}
    y["taught_steering"] = y["steering"]  # `augment` mirrors it
    seen = plan.split("validation").subset(torch.arange(min(plan.watched, plan.validation)))
    edu.fit(
        model,
        scenes.X,
        y,
        num_epochs=NUM_EPOCHS,
        lr=LR,
        batch_size=plan.batch_size,
        weight_decay=plan.weight_decay,
        warmup=0.1,
        loss=labels_loss,
        transform=augment,
        channels_last=True,
        validation=partial(watched, X=seen.X, y=seen.y),
        checkpoint=CACHE / f"seed_{seed}.checkpoint.safetensors",
        seed=seed,
        device="cpu",
    )


def made(seed: int, plan: Plan = PLAN) -> dict:
    """One run: the card of the float network, and of the int8 one, with its files."""
    scenes = plan.split("train")
    model = pruned(started(seed), scenes, plan)
    learn(model, scenes, seed, plan)
    X = as_input(scenes.X[: plan.calibration])
    integers = quantize_static(model, X, weight_bits=plan.weight_bits)
    files, more = integer_files(integers, plan)
    files["safetensors"] = frame.weights_of(model)
    cards = [card(each, plan, smooth=True) for each in (model, integers)]
    return {"float": cards[0], "int8": cards[1] | more, "files": files}


def name_of(seed: int) -> str:
    return f"seed_{seed}"


def runs() -> dict[str, dict]:
    return {name_of(seed): {"seed": seed} for seed in SEEDS}


# Times and the result file


def network(seed: int) -> nn.Module:
    """The float network that a finished run left."""
    path = FOLDER / f"{name_of(seed)}.safetensors"
    if not path.exists():
        raise SystemExit(f"there is no network of seed {seed} yet: python3 -m studies.{NAME}")
    return edu.load_weights(quality_form(), path.stem, FOLDER, resize=True).eval()


def time_it(height: int, width: int, seed: int) -> dict:
    """{form: times} at one size, one thread; the three heavy networks too at the smallest."""
    X = one_scene(height, width)
    model, folder = network(seed), CACHE / f"onnx_{height}x{width}"
    integers = quantize_static(model, X, weight_bits=PLAN.weight_bits)
    files = {
        "float": export_onnx(model, X, folder / f"float_{seed}.onnx"),
        "int8": export_int8(integers, X, folder / f"int8_{seed}.onnx"),
    }
    runners = {
        f"{name} pipeline": pipeline(path, (height, width), 1, name, smooth=True)
        for name, path in files.items()
    }
    if (height, width) == SIZES[0]:
        for name, path in files.items():
            runners[f"{name} onnxruntime"] = onnxruntime_runner(path, X, 1, name)
        heavy = [
            export_onnx(each, X, folder / f"heavy_{number}.onnx")
            for number, each in enumerate(teachers())
        ]
        runners["heavy onnxruntime"] = in_turn(
            [onnxruntime_runner(p, X, 1) for p in heavy], "heavy"
        )
    return times_in_turns(runners, rough=False)


def timed_runs(seed: int = 0) -> dict[str, dict]:
    return {f"times_{h}x{w}": {"height": h, "width": w, "seed": seed} for h, w in SIZES}


def summary(rows: dict[str, dict], times: dict[str, dict]) -> dict:
    """The figures of the result file: changes against the heavy networks, means over seeds."""
    heavy = thirty_frames.heavy_card()
    final = [row["int8"] for row in rows.values()]

    def mean_change(name: str) -> float:
        return sum(row["test"][name] - heavy["test"][name] for row in final) / len(final)

    def percent(name: str) -> float:
        return 100 * mean_change(name) / heavy["test"][name]

    return speed_of("int8", times) | {
        "fp32": speed_of("float", times),
        "miou_change_points": mean_change("miou"),
        "depth_change_percent": percent("delta1"),
        "steering_change_percent": percent("steering_error_deg"),
        "file_bytes": max(row["file_bytes"] for row in final),
        "integers_exact": all(row["integers_exact"] for row in final),
        "seeds": len(final),
        "rows": rows,
        "times": times,
    }


def speed_of(form: str, times: dict[str, dict]) -> dict:
    """From image to answer: how many times faster than the heavy networks, frames a second."""
    small, pipeline = times["times_128x256"], f"{form} pipeline"
    return {
        "gain_vs_onnxruntime": small["heavy onnxruntime"]["p50_ms"] / small[pipeline]["p50_ms"],
        "fps": small[pipeline]["fps"],
        "fps_512x1024": times["times_512x1024"][pipeline]["fps"],
    }


def summarise() -> None:
    """Writes the result file. Raises SystemExit that says what lacks."""
    rows = frame.finished(made, runs(), NAME, cache=frame.RUNS_FOLDER)
    times = frame.finished(time_it, timed_runs(), NAME, timed=True)
    if not rows or len(times) < len(SIZES):
        raise SystemExit(f"runs or times lack: python3 -m studies.{NAME}, then --time")
    edu.save_result(NAME, summary(rows, times), frame.command(NAME))


def beside(processor: str) -> None:
    """Writes the times of another processor, with the gains that they give there."""
    study = frame.beside(NAME, processor)
    times = frame.finished(time_it, timed_runs(), study, timed=True)
    figures = speed_of("int8", times) | {"fp32": speed_of("float", times), "times": times}
    edu.save_result(study, figures, f"{frame.command_on(NAME, processor)} --time")


def ship() -> None:
    """The container of seed 0 to data/weights."""
    content = (FOLDER / f"{name_of(0)}.30f").read_bytes()
    path = write_whole(WEIGHTS_FOLDER / QUALITY_FILE, lambda part: Path(part).write_bytes(content))
    print(f"{path.name}: {len(content):,} bytes")


def main() -> None:
    """One run, the times, or the result file."""
    chosen = frame.options(
        __doc__,
        {
            "--seed": {"type": int, "choices": SEEDS, "default": 0},
            "--minutes": {"type": float, "help": "stop at a checkpoint after so many"},
            "--time": {"action": "store_true", "help": "time, on an idle machine"},
            "--summary": {"action": "store_true", "help": "write the result file"},
            "--ship": {"action": "store_true", "help": "seed 0 to data/weights"},
        }
        | frame.PROCESSOR,
    )
    if chosen.minutes is not None:
        stop_after(chosen.minutes)
    if chosen.time:
        study = frame.beside(NAME, chosen.processor)
        frame.run_all(time_it, timed_runs(), study, timed=True, again=chosen.again)
    elif chosen.ship:
        ship()
    elif not chosen.summary:
        one = {name_of(chosen.seed): {"seed": chosen.seed}}
        frame.run_all(made, one, NAME, again=chosen.again, cache=frame.RUNS_FOLDER)
    if chosen.time and chosen.processor:
        beside(chosen.processor)
    elif chosen.time or chosen.summary:
        summarise()


if __name__ == "__main__":
    frame.start(main)
