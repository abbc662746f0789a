"""Is a network with ReLUs faster to train than one with tanh or sigmoid, and when?

    python3 -m studies.relu_vs_tanh

A small AlexNet learns 2,000 images of Fashion-MNIST by plain SGD, until its training error is
20 %. Four conditions: pixels normalised and weights scaled to the activation, as is usual today;
the same with twice the maps; raw pixels; and small weights, the same for all. The learning rate of
each network is chosen with seed 0, in a search that goes on until the best rate has a worse one on
either side; the figures come from the other seeds. Writes data/results/relu_vs_tanh.json racer by
racer. About half an hour on one core; each run is kept in data/runs/relu_vs_tanh, so that an
interrupted study goes on where it stopped.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from statistics import mean, stdev

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import edu_lib as edu
from edu_lib.models import SmallAlexNet, init_scaled_, init_small_
from edu_lib.models.small_alexnet import FASHION_MEAN, FASHION_STD
from studies import frame
from studies.alexnet_parts import NUM_IMAGES

NAME = "relu_vs_tanh"
SEEDS = (1, 2, 3)
RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
FIRST_RATES = RATES[2:6]
RECIPE = {"target_error": 20.0, "max_epochs": 25, "batch_size": 64, "momentum": 0.9}


@dataclass(frozen=True)
class Condition:
    """Who races, and how. start: the arguments of `race` that are not of the racer."""

    depths: tuple[int, ...]
    activations: tuple[str, ...]
    start: dict[str, object]


TODAY = {"width": 8, "mean": FASHION_MEAN, "std": FASHION_STD, "scaled": True}
CONDITIONS = {
    "today": Condition((3, 8, 16), ("relu", "tanh", "sigmoid"), TODAY),
    "wide": Condition((3,), ("relu", "tanh"), TODAY | {"width": 16}),
    "raw_pixels": Condition((3,), ("relu", "tanh"), TODAY | {"mean": 0.0, "std": 1.0}),
    "small_start": Condition((3, 8), ("relu", "tanh"), TODAY | {"scaled": False}),
}


@cache
def clothes() -> tuple[Tensor, Tensor]:
    """The images and labels to learn."""
    fit = edu.fashion_mnist().fit
    return fit.X[:NUM_IMAGES], fit.y[:NUM_IMAGES]


def run(**race_of: object) -> dict[str, list[float]]:
    """`race`, as the frame keeps it."""
    return {"errors": race(*clothes(), **race_of)}


def race(
    X: Tensor,
    y: Tensor,
    *,
    depth: int,
    activation: str,
    width: int,
    mean: float,
    std: float,
    scaled: bool,
    lr: float,
    seed: int,
) -> list[float]:
    """Training error in percent of each epoch, until it is at the target or out of hope.

    mean, std: what is done to the pixels. scaled: the first weights follow the activation.
    """
    torch.manual_seed(seed)
    model = SmallAlexNet(
        depth=depth, activation=activation, dropout=0.0, width=width, mean=mean, std=std
    )
    model = init_scaled_(model, activation) if scaled else init_small_(model)
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=RECIPE["momentum"])
    errors: list[float] = []
    while len(errors) < RECIPE["max_epochs"] and not is_over(errors):
        num_wrong = 0
        for indices in torch.randperm(len(X)).split(RECIPE["batch_size"]):
            num_wrong += train_step(model, optimizer, X[indices], y[indices])
        errors.append(100 * num_wrong / len(X))
    return errors


def train_step(model: nn.Module, optimizer: torch.optim.SGD, X: Tensor, y: Tensor) -> int:
    """One step down the gradient; returns how many images were wrong before it."""
    logits = model(X)
    optimizer.zero_grad(set_to_none=True)
    F.cross_entropy(logits, y).backward()
    optimizer.step()
    return int((logits.argmax(dim=1) != y).sum())


def is_over(errors: list[float]) -> bool:
    """At the target, or still guessing (90 % of ten classes are wrong) after eight epochs."""
    reached = bool(errors) and errors[-1] <= RECIPE["target_error"]
    return reached or (len(errors) >= 8 and min(errors) > 80)


def epochs_to_target(errors: list[float]) -> float | None:
    """Epochs until the target, a part of an epoch by straight line; None if it was not reached."""
    target = RECIPE["target_error"]
    if errors[-1] > target:
        return None
    before = errors[-2] if len(errors) > 1 else 90.0
    return len(errors) - 1 + (before - target) / (before - errors[-1])


def slowness(errors: list[float]) -> tuple[float, float]:
    """Orders races: by the epochs to the target, and without these by the lowest error."""
    return epochs_to_target(errors) or float("inf"), min(errors)


def missing_neighbours(best: float, tried: Iterable[float]) -> list[float]:
    """The rates on either side of the best one that were not tried."""
    at = RATES.index(best)
    return [lr for lr in RATES[max(at - 1, 0) : at + 2] if lr not in tried]


def races_of(name: str, depth: int, activation: str, again: bool) -> dict:
    """The best learning rate of seed 0, and what the other seeds do with it."""

    def races(rates: Iterable[float], seeds: Iterable[int]) -> list[list[float]]:
        names = {
            f"{name}_{depth}_{activation}_{lr}_{seed}": {
                **CONDITIONS[name].start, "depth": depth, "activation": activation,
                "lr": lr, "seed": seed,
            }
            for lr in rates
            for seed in seeds
        }  # fmt: skip
        return [each["errors"] for each in frame.run_all(run, names, NAME, again=again).values()]

    found: dict[float, list[float]] = {}
    missing = list(FIRST_RATES)
    while missing:
        found |= zip(missing, races(missing, [0]), strict=True)
        lr = min(sorted(found), key=lambda rate: slowness(found[rate]))
        missing = missing_neighbours(lr, found)
    return {"lr": lr, "rates": sorted(found)} | figures_of(races([lr], SEEDS))


def figures_of(curves: list[list[float]]) -> dict:
    """Epochs to the target of each seed, and their mean and deviation if all arrived."""
    epochs = [epochs_to_target(errors) for errors in curves]
    reached = [count for count in epochs if count is not None]
    whole = len(reached) == len(epochs)
    return {
        "curves": curves,
        "epochs": epochs,
        "reached": len(reached),
        "mean_epochs": mean(reached) if whole else None,
        "sd_epochs": stdev(reached) if whole else None,
        "lowest_error": min(min(errors) for errors in curves),
    }


def ratio(races: dict) -> float | None:
    """tanh's epochs over ReLU's; above 1 ReLU is faster. None if one missed the target."""
    tanh, relu = (races.get(name, {}).get("mean_epochs") for name in ("tanh", "relu"))
    return None if None in (tanh, relu) else tanh / relu


def save(name: str, depth: int, activation: str, found: dict) -> None:
    """Adds a racer to the result file, or puts it in the place of the one that is there."""
    races = frame.stored_result(NAME).get("races", {})
    races.setdefault(name, {}).setdefault(str(depth), {})[activation] = found
    ratios = {
        name: {depth: ratio(each) for depth, each in by_depth.items()}
        for name, by_depth in races.items()
    }
    known = [value for by_depth in ratios.values() for value in by_depth.values() if value]
    figures = {
        "num_images": NUM_IMAGES,
        "seeds": len(SEEDS),
        "recipe": RECIPE,
        "epochs_ratio": ratios["today"]["3"],
        "epochs_ratios": ratios,
        "lowest_ratio": min(known, default=None),
        "highest_ratio": max(known, default=None),
        "races": races,
    }
    edu.save_result(NAME, figures, frame.command(NAME))


def main() -> None:
    """All races, each written as soon as it is found."""
    again = frame.options(__doc__).again
    for name, condition in CONDITIONS.items():
        for depth in condition.depths:
            for activation in condition.activations:
                save(name, depth, activation, races_of(name, depth, activation, again))


if __name__ == "__main__":
    frame.start(main)
