"""Where the points of the small road network go: its half-size answers, its size, its training?

    python3 -m studies.thirty_frames_gap            # about 90 minutes of one core
    python3 -m studies.thirty_frames_gap --time     # on an idle machine

The network of chapter 14 answers at half the height and width. `ceiling` takes the truth at that
size, each pixel made four: what an answer of that size can say at best. `fine` trains the same
network with answers at the whole size: its last layer says four values for each pixel, which are
laid side by side (Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution Using an
Efficient Sub-Pixel Convolutional Neural Network", section 3). It learns from labels alone. `half`
answers at half the size and learns for as many epochs, with teachers that answer one scene in
twenty. `longer` is `fine` with twice the epochs, `wider` with twice the channels.
Train and test scenes come from one generator, so the figures say nothing about real roads.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import edu_lib as edu
from classroom.final_network import one_scene
from edu_lib.deploy import export_onnx
from edu_lib.measure import onnxruntime_runner
from edu_lib.models.road_tasks import (
    LOG_DEPTH_MEAN,
    LOG_DEPTH_STD,
    augment_road,
    confusion_matrix,
    depth_hits,
    evaluate_road,
    intersection_over_union,
)
from edu_lib.models.roadnet import NUM_CLASSES, RoadNet
from edu_lib.models.small_roadnet import SmallRoadNet, WholeSize, doubled
from studies import frame
from studies.thirty_frames_steps import SHORT, Plan, learn, student
from studies.thirty_frames_teachers import labels_loss
from studies.thirty_frames_timing import times_in_turns

NAME = "thirty_frames_gap"
FOLDER, CACHE = frame.RUNS_FOLDER / NAME, frame.CACHE_FOLDER / NAME
SCALE = 2  # from the size of the features to that of the image
SEED = 0
VARIANTS = {"fine": {}, "longer": {"passes": 2}, "wider": {"wider": 2}}


class FineRoadNet(SmallRoadNet):
    """A SmallRoadNet that answers at the whole size.

    Input: images [N, 3, H, W] in [0, 1]. Output: as `SmallRoadNet`, "segmentation" [N, 9, H, W] and
    "depth" [N, 1, H, W].
    """

    def __init__(self, width: float = 1.0):
        super().__init__(width)
        self.segmentation = four_values(self.segmentation.in_channels, NUM_CLASSES)
        self.depth = four_values(self.depth.in_channels, 1)


def four_values(in_channels: int, out_channels: int) -> nn.Sequential:
    """A 1x1 convolution with four values a channel, [N, out_channels, 2 H, 2 W] from [N, C, H, W].

    PS(T)[c, y, x] = T[c r^2 + r (y mod r) + x mod r, y / r, x / r], r = 2 (Shi et al., equation 4)
    """
    convolution = nn.Conv2d(in_channels, SCALE**2 * out_channels, kernel_size=1)
    return nn.Sequential(convolution, nn.PixelShuffle(SCALE))


def half_the_size(X: Tensor, y: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """`augment_road`, and then everything at half its size: a step takes a quarter of the time."""
    X, y = augment_road(X, y)
    dense = {name: y[name][:, ::2, ::2] for name in ("segmentation", "depth")}
    return F.avg_pool2d(X, 2), y | dense


def watched(model: nn.Module, X: Tensor, y: dict[str, Tensor]) -> float:
    """Mean IoU in percent."""
    return evaluate_road(model, X, y).miou


def fine(seed: int, passes: int = 1, wider: int = 1, plan: Plan = SHORT) -> dict:
    """A trained FineRoadNet: its cost and its quality; goes on from its checkpoints.

    passes, wider: times the epochs and the width of the plan.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = FineRoadNet(wider * plan.width).eval()
    scenes = plan.split("train")
    y = {name: scenes.y[name] for name in ("segmentation", "depth", "steering")}
    seen = plan.split("validation").subset(torch.arange(min(plan.watched, plan.validation)))
    for part, transform, num_epochs in (
        ("small", half_the_size, plan.small_epochs),
        ("whole", augment_road, plan.num_epochs["D"]),
    ):
        edu.fit(
            model,
            scenes.X,
            y,
            num_epochs=passes * num_epochs,
            lr=plan.lr["D"],
            batch_size=plan.batch_size,
            weight_decay=plan.weight_decay,
            warmup=0.1,
            loss=labels_loss,
            transform=transform,
            channels_last=True,
            validation=partial(watched, X=seen.X, y=seen.y),
            checkpoint=CACHE / f"{part}_{seed}_{passes}_{wider}.checkpoint.safetensors",
            seed=seed,
        )
    cost = edu.count_cost(model, plan.shape)
    return {
        "params": cost.params,
        "macs": cost.macs,
        "validation": found(model, plan, "validation"),
        "test": found(model, plan, "test"),
        "files": {"safetensors": frame.weights_of(model)},
    }


def found(model: nn.Module, plan: Plan, split: str) -> dict:
    """Mean IoU, delta1 and steering error, and the IoU of each class."""
    scenes = plan.split(split)
    result = evaluate_road(model, scenes.X, scenes.y)
    return {
        "miou": result.miou,
        "delta1": result.delta1,
        "steering_error_deg": result.steering_error_deg,
        "ious": list(result.ious),
    }


def ceiling(plan: Plan = SHORT) -> dict:
    """The truth of the test scenes at half the size, each pixel made four, judged as an answer.

    "vote": the class that most of the four pixels have, the first of them on a tie. "miou", "ious"
    and "delta1": of the upper left one, which has a depth as well.
    """
    scenes = plan.split("test")
    confusions = {name: torch.zeros(NUM_CLASSES, NUM_CLASSES) for name in ("corner", "vote")}
    within, judged = 0, 0
    for at in range(len(scenes)):
        y = {name: scenes.y[name][at : at + 1] for name in ("segmentation", "depth")}
        truth = one_hot(y["segmentation"])
        halves = {"corner": truth[..., ::SCALE, ::SCALE], "vote": F.avg_pool2d(truth, SCALE)}
        for name, half in halves.items():
            confusions[name] += confusion_matrix(doubled(half), y["segmentation"])
        metres = doubled(y["depth"][:, None, ::SCALE, ::SCALE].float())
        good, all_of_them = depth_hits((metres.log() - LOG_DEPTH_MEAN) / LOG_DEPTH_STD, y)
        within, judged = within + good, judged + all_of_them
    ious = {name: intersection_over_union(counts) for name, counts in confusions.items()}
    means = {name: sum(each) / len(each) for name, each in ious.items()}
    return {
        "miou": means["corner"],
        "ious": list(ious["corner"]),
        "vote": {"miou": means["vote"], "ious": list(ious["vote"])},
        "delta1": 100 * within / judged,
    }


def one_hot(classes: Tensor) -> Tensor:
    """Logits [N, 9, H, W] of an answer that is sure of its `classes`, uint8 [N, H, W]."""
    return F.one_hot(classes.long(), NUM_CLASSES).permute(0, 3, 1, 2).float()


def half(seed: int, plan: Plan = SHORT) -> dict:
    """A SmallRoadNet after step D with this plan, judged at the whole size: to compare `fine` with.

    Step D of `studies.thirty_frames` takes longer.
    """
    model = student(seed, plan)
    for chain in ("half_D-small", "half_D"):
        learn(model, plan.split("train"), chain, seed, "cpu", plan)
    cost = edu.count_cost(model, plan.shape)
    return {
        "params": cost.params,
        "macs": cost.macs,
        "test": found(WholeSize(model), plan, "test"),
        "files": {"safetensors": frame.weights_of(model)},
    }


def heavy(plan: Plan = SHORT) -> dict:
    """The heavy network, class by class."""
    scenes = plan.split("test")
    model = edu.load_weights(RoadNet(["segmentation"]), "road_segmentation")
    result = evaluate_road(model, scenes.X, scenes.y)
    return {"miou": result.miou, "ious": list(result.ious)}


def time_it(seed: int) -> dict:
    """Milliseconds in ONNX Runtime, one thread: half-size answers, whole ones, and twice the width.

    Raises SystemExit that says what to run where a network lacks.
    """
    X, networks = one_scene(), {}
    for name, blank in (
        ("half", SmallRoadNet(SHORT.width)),
        ("fine", FineRoadNet(SHORT.width)),
        ("wider", FineRoadNet(VARIANTS["wider"]["wider"] * SHORT.width)),
    ):
        path = FOLDER / f"{name}_{seed}.safetensors"
        if not path.exists():
            raise SystemExit(f"{path.name} is not there yet: python3 -m studies.{NAME}")
        networks[name] = edu.load_weights(blank, path.stem, path.parent).eval()
    return times_in_turns(
        {
            name: onnxruntime_runner(export_onnx(each, X, CACHE / f"{name}.onnx"), X, 1, name)
            for name, each in networks.items()
        },
        rough=False,
    )


def main() -> None:
    """The runs that lack, then the result file."""
    time = {"--time": {"action": "store_true", "help": "time, on an idle machine"}}
    chosen = frame.options(__doc__, time, parallel=True)
    stored_in = {"cache": frame.RUNS_FOLDER, "again": chosen.again and not chosen.time}
    halved = frame.run_all(ceiling, {"ceiling": {}}, NAME, **stored_in)
    judged = frame.run_all(heavy, {"heavy": {}}, NAME, **stored_in)
    halves = frame.run_all(half, {f"half_{SEED}": {"seed": SEED}}, NAME, **stored_in)
    figures = halved | judged | {"half": halves[f"half_{SEED}"]}
    runs = {f"{name}_{SEED}": {"seed": SEED, **more} for name, more in VARIANTS.items()}
    workers = {"workers": chosen.workers, "scheduler": chosen.scheduler}
    trained = frame.run_all(fine, runs, NAME, **stored_in, **workers)
    figures |= {name: trained[f"{name}_{SEED}"] for name in VARIANTS}
    if chosen.time:
        frame.run_all(time_it, {"times": {"seed": SEED}}, NAME, timed=True, again=chosen.again)
    times = frame.finished(time_it, {"times": {"seed": SEED}}, NAME, timed=True)
    figures |= frame.times_or_kept(times, frame.stored_result(NAME), ("times",))
    edu.save_result(NAME, figures, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
