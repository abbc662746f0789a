"""The steps of `studies.thirty_frames`: what is learned from, and what each step does.

A chain of letters names a network by what was done to it, in order: D distilled from the three
teachers, P channels pruned and recovered, Q trained with rounding and made int8. "DPQ" ships.
"""

from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

import edu_lib as edu
from classroom.road_scenes import RoadSplit, road_scenes
from edu_lib.models.road_tasks import as_input, evaluate_road
from edu_lib.models.small_roadnet import HEADS, SmallRoadNet, WholeSize
from edu_lib.techniques.quantization import convert, prepare_qat, quantize_static
from studies import frame
from studies.thirty_frames_teachers import (
    augment,
    augment_small,
    lessons,
    objective,
)

NAME = "thirty_frames"
FOLDER = frame.RUNS_FOLDER / NAME  # rows and weights, small enough to be committed together
CACHE = frame.CACHE_FOLDER / NAME
MULTIPLE_OF = 8


@dataclass(frozen=True)
class Plan:
    """How large everything is; the smallest of all makes a test.

    scenes: to learn from, of which the teachers answer the first `taught`. watched: validation
    scenes looked at after each epoch. small_epochs: the first ones of D, at half the size. width:
    of the student.
    mac_share: of the student's MACs that pruning leaves. lr and num_epochs: by step.
    """

    scenes: int = 8000
    taught: int = 400
    watched: int = 100
    validation: int = 500
    test: int = 1000
    height: int = 128
    width_px: int = 256
    width: float = 1.0
    mac_share: float = 0.55
    calibration: int = 64
    weight_bits: int = 7  # sums are exact then, also on processors that add pairs in 16 bits
    batch_size: int = 16
    weight_decay: float = 0.02
    small_epochs: int = 4
    num_epochs: dict[str, int] = field(default_factory=lambda: {"D": 4, "P": 3, "Q": 1})
    lr: dict[str, float] = field(default_factory=lambda: {"D": 4e-3, "P": 2e-3, "Q": 3e-4})

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of one image, with the batch."""
        return 1, 3, self.height, self.width_px

    def split(self, name: str) -> RoadSplit:
        """The scenes of a split."""
        count = {"train": self.scenes, "validation": self.validation, "test": self.test}[name]
        return read_once(name, count, self.height, self.width_px)


@cache
def read_once(name: str, count: int, height: int, width: int) -> RoadSplit:
    """The scenes of a split, which several steps of one program read."""
    return road_scenes(name, count, height, width)


SHORT = Plan()  # for studies that compare trainings with one another
PLAN = Plan(mac_share=0.75, small_epochs=16, num_epochs={"D": 16, "P": 8, "Q": 2})


def name_of(chain: str, seed: int, device: str) -> str:
    """The name of a run: chain, seed, and the device where it is not the CPU."""
    return f"{chain}_{seed}" if device == "cpu" else f"{chain}_{seed}_{device}"


def student(seed: int, plan: Plan) -> SmallRoadNet:
    """The untrained network."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SmallRoadNet(plan.width).eval()


def blank_integers(plan: Plan) -> nn.Module:
    """An int8 network of the student's form, which a container file fills."""
    X = torch.rand(2, *plan.shape[1:])
    return quantize_static(student(0, plan), X, weight_bits=plan.weight_bits)


def stored(chain: str, seed: int, device: str, plan: Plan, folder: Path) -> nn.Module:
    """The network that a finished run left in `folder`; the untrained one for no chain."""
    if not chain:
        return student(seed, plan)
    name = name_of(chain, seed, device)
    if chain.endswith("Q"):
        return edu.container.load(folder / f"{name}.30f", into=blank_integers(plan))
    return edu.load_weights(student(seed, plan), name, folder, resize=True)


def after(chain: str, model: nn.Module, seed: int, device: str, plan: Plan) -> nn.Module:
    """The network of this chain, made from that of the chain without its last letter.

    Raises ValueError for a step that has no meaning there.
    """
    step = chain[-1]
    if chain.count(step) > 1 or "Q" in chain[:-1] or (step == "Q" and "D" not in chain):
        raise ValueError(f"each step once, D before Q, and Q last; got {chain!r}")
    scenes = plan.split("train")
    if step == "P":
        model = edu.prune_channels(
            model,
            torch.rand(plan.shape),
            mac_share=plan.mac_share,
            scope="global" if "D" in chain else "uniform",
            round_to=MULTIPLE_OF,
            skip=HEADS,
        )
        if "D" not in chain:  # nothing is known yet that could be lost: the next step trains it
            return model
    if step == "Q":
        model = prepare_qat(
            model, as_input(scenes.X[: plan.calibration]), weight_bits=plan.weight_bits
        )
    if step == "D" and plan.small_epochs:
        learn(model, scenes, f"{chain}-small", seed, device, plan)
    learn(model, scenes, chain, seed, device, plan)
    return convert(model) if step == "Q" else model


def learn(
    model: nn.Module, scenes: RoadSplit, chain: str, seed: int, device: str, plan: Plan
) -> None:
    """Trains in place, from labels and from the teachers; goes on from its checkpoint."""
    labels = {name: scenes.y[name] for name in ("segmentation", "depth", "steering")}
    seen = plan.split("validation").subset(torch.arange(min(plan.watched, plan.validation)))
    small, step = chain.endswith("small"), chain.partition("-")[0][-1]
    edu.fit(
        model,
        scenes.X,
        labels | lessons(scenes.X, plan.taught, device, CACHE),
        num_epochs=plan.small_epochs if small else plan.num_epochs[step],
        lr=plan.lr[step],
        batch_size=plan.batch_size,
        weight_decay=plan.weight_decay,
        warmup=0.1,
        loss=objective,
        transform=augment_small if small else augment,
        channels_last=True,
        validation=partial(watched, X=seen.X, y=seen.y),
        checkpoint=CACHE / f"{name_of(chain, seed, device)}.checkpoint.safetensors",
        seed=seed,
        device=device,
    )
    model.to("cpu")


def watched(model: nn.Module, X: Tensor, y: dict[str, Tensor]) -> float:
    """Mean IoU in percent; prints all there is to see. The model stays where it is."""
    device = next(model.parameters()).device
    found = evaluate_road(WholeSize(model.to("cpu")), X, y)
    model.to(device)
    print(
        f"\nmean IoU {found.miou:.2f}, delta1 {found.delta1:.2f}, "
        f"steering {found.steering_error_deg:.4f}",
        flush=True,
    )
    return found.miou


def weights_in_16_bits(model: nn.Module) -> dict[str, Tensor]:
    """The state of a network, floats in 16 bits."""
    return {
        name: value.half().contiguous() if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
