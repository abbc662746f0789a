"""Is a network with ReLUs faster to train than one with tanh or sigmoid, and when?

    python3 -m studies.relu_vs_tanh

A small AlexNet learns 2,000 images of Fashion-MNIST by plain SGD, until its training error is
20 %. Three conditions: pixels normalised and weights scaled to the activation, as is usual today;
raw pixels; and small weights, the same for all. The learning rate of each network is chosen with
seed 0, the figures come from the other seeds. Writes data/results/relu_vs_tanh.json. About fifteen
minutes on one core; each run is kept in data/runs/relu_vs_tanh, so that an interrupted study goes
on where it stopped.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from statistics import mean

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
RATES = (0.003, 0.01, 0.03, 0.1)
RECIPE = {"target_error": 20.0, "max_epochs": 25, "width": 8, "batch_size": 64, "momentum": 0.9}


@dataclass(frozen=True)
class Condition:
    """How a race starts. mean, std: what is done to the pixels. scaled: weights follow `start`."""

    depths: tuple[int, ...]
    activations: tuple[str, ...]
    mean: float = FASHION_MEAN
    std: float = FASHION_STD
    scaled: bool = True
    rates: tuple[float, ...] = RATES


CONDITIONS = {
    "today": Condition((3, 8, 16), ("relu", "tanh", "sigmoid")),
    "raw_pixels": Condition((3,), ("relu", "tanh"), mean=0.0, std=1.0),
    "small_start": Condition((3, 8), ("relu", "tanh"), scaled=False, rates=(0.03, 0.1, 0.3)),
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
    X: Tensor, y: Tensor, condition: Condition, depth: int, activation: str, lr: float, seed: int
) -> list[float]:
    """Training error in percent of each epoch, until it is at the target or out of hope."""
    torch.manual_seed(seed)
    model = SmallAlexNet(
        depth=depth, activation=activation, dropout=0.0, width=RECIPE["width"],
        mean=condition.mean, std=condition.std,
    )  # fmt: skip
    model = init_scaled_(model, activation) if condition.scaled else init_small_(model)
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


def races_of(name: str, depth: int, activation: str, again: bool) -> dict:
    """The best learning rate of seed 0, and what the other seeds do with it."""
    condition = CONDITIONS[name]

    def races(rates: Iterable[float], seeds: Iterable[int]) -> list[list[float]]:
        names = {
            f"{name}_{depth}_{activation}_{lr}_{seed}": {
                "condition": condition, "depth": depth, "activation": activation,
                "lr": lr, "seed": seed,
            }
            for lr in rates
            for seed in seeds
        }  # fmt: skip
        return [each["errors"] for each in frame.run_all(run, names, NAME, again=again).values()]

    found = dict(zip(condition.rates, races(condition.rates, [0]), strict=True))

    def slowness(lr: float) -> tuple[float, float]:
        return epochs_to_target(found[lr]) or float("inf"), min(found[lr])

    lr = min(condition.rates, key=slowness)
    curves = races([lr], SEEDS)
    epochs = [epochs_to_target(errors) for errors in curves]
    reached = [count for count in epochs if count is not None]
    return {
        "lr": lr,
        "curves": curves,
        "epochs": epochs,
        "reached": len(reached),
        "mean_epochs": mean(reached) if len(reached) == len(epochs) else None,
        "lowest_error": min(min(errors) for errors in curves),
    }


def ratio(races: dict) -> float | None:
    """tanh's epochs over ReLU's; above 1 ReLU is faster. None if one missed the target."""
    tanh, relu = races["tanh"]["mean_epochs"], races["relu"]["mean_epochs"]
    return None if None in (tanh, relu) else tanh / relu


def main() -> None:
    """All races and the result file."""
    again = frame.options(__doc__).again
    races = {
        name: {
            str(depth): {act: races_of(name, depth, act, again) for act in condition.activations}
            for depth in condition.depths
        }
        for name, condition in CONDITIONS.items()
    }
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
        "lowest_ratio": min(known),
        "highest_ratio": max(known),
        "races": races,
    }
    edu.save_result(NAME, figures, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
