"""What did each part of AlexNet bring, on a small AlexNet and Fashion-MNIST?

    python3 -m studies.alexnet_parts

Writes data/results/alexnet_parts.json. Two experiments, about ten minutes on one core; each run is
kept in data/cache/alexnet_parts, so an interrupted study goes on where it stopped.

race: epochs until the training error is 20 %, for three activations and three depths, with plain
SGD as in 2012. The learning rate is chosen with seed 0, the figures come from the other seeds.
parts: one part changed at a time, then trained for long on few images, and tested once a seed.
"""

import json
from collections.abc import Callable
from statistics import mean

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import edu_lib as edu
from edu_lib.data import DATA_FOLDER
from edu_lib.measure.results import write_json
from edu_lib.models import SmallAlexNet
from edu_lib.models.start import scaled_start_

COMMAND = "python3 -m studies.alexnet_parts"
CACHE = DATA_FOLDER / "cache" / "alexnet_parts"
NUM_IMAGES = 2_000

DEPTHS = (3, 8, 16)
ACTIVATIONS = ("relu", "tanh", "sigmoid")
RATES = (0.003, 0.01, 0.03, 0.1)
RACE_SEEDS = (1, 2, 3)
RACE = {"target_error": 20.0, "max_epochs": 25, "width": 8, "batch_size": 64, "momentum": 0.9}

PART_SEEDS = (0, 1, 2)
RECIPE = {"num_epochs": 25, "batch_size": 64, "lr": 4e-3}
PLAIN = {"width": 12, "dropout": 0.0}
VARIANTS: dict[str, tuple[dict, bool]] = {  # parts of the network, and whether images are shifted
    "plain": ({}, False),
    "dropout": ({"dropout": 0.5}, False),
    "shifted": ({}, True),
    "dropout_shifted": ({"dropout": 0.5}, True),
    "pooling_2x2": ({"overlap": False}, False),
    "normalisation": ({"lrn": True}, False),
    "tanh": ({"activation": "tanh"}, False),
    "four_layers": ({"depth": 4}, False),
}


def cached(name: str, run: Callable[[], object]) -> object:
    """What `run` gives, from the cache if it was done before."""
    path = CACHE / f"{name}.json"
    if not path.exists():
        write_json(path, {"value": run()})
        print(f"{name}: {json.loads(path.read_text())['value']}", flush=True)
    return json.loads(path.read_text(encoding="utf-8"))["value"]


def race(X: Tensor, y: Tensor, depth: int, activation: str, lr: float, seed: int) -> list[float]:
    """Training error in percent of each epoch, until it is at the target or out of hope."""
    torch.manual_seed(seed)
    model = SmallAlexNet(depth=depth, activation=activation, dropout=0.0, width=RACE["width"])
    scaled_start_(model, activation).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=RACE["momentum"])
    errors: list[float] = []
    while len(errors) < RACE["max_epochs"] and not is_over(errors):
        num_wrong = 0
        for indices in torch.randperm(len(X)).split(RACE["batch_size"]):
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
    reached = bool(errors) and errors[-1] <= RACE["target_error"]
    return reached or (len(errors) >= 8 and min(errors) > 80)


def epochs_to_target(errors: list[float]) -> float | None:
    """Epochs until the target, a part of an epoch by straight line; None if it was not reached."""
    target = RACE["target_error"]
    if errors[-1] > target:
        return None
    before = errors[-2] if len(errors) > 1 else 90.0
    return len(errors) - 1 + (before - target) / (before - errors[-1])


def race_of(X: Tensor, y: Tensor, depth: int, activation: str) -> dict:
    """The best learning rate of seed 0, and what the other seeds do with it."""

    def run(lr: float, seed: int) -> list[float]:
        name = f"race_{depth}_{activation}_{lr}_{seed}"
        return cached(name, lambda: race(X, y, depth, activation, lr, seed))

    def slowness(lr: float) -> tuple[float, float]:
        errors = run(lr, 0)
        return epochs_to_target(errors) or float("inf"), min(errors)

    lr = min(RATES, key=slowness)
    curves = [run(lr, seed) for seed in RACE_SEEDS]
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


def part_of(data: edu.Dataset, variant: str, seed: int) -> dict:
    """Training and test error of one variant and one seed, in percent."""
    parts, shifted = VARIANTS[variant]
    torch.manual_seed(seed)
    model = SmallAlexNet(**(PLAIN | parts))
    X, y = data.fit.X[:NUM_IMAGES], data.fit.y[:NUM_IMAGES]
    augment = edu.random_shift if shifted else None
    edu.fit(
        model, X, y, augment=augment, seed=seed, progress=False, device="cpu",
        channels_last=True, **RECIPE,
    )  # fmt: skip
    test = edu.evaluate(model, data.test.X, data.test.y)
    return {"train_error": edu.evaluate(model, X, y).error, "test_error": test.error}


def summary_of(runs: list[dict], plain: list[dict]) -> dict:
    """Means over the seeds, and by how many points each seed's test error differs from plain."""
    changes = [
        run["test_error"] - base["test_error"] for run, base in zip(runs, plain, strict=True)
    ]
    return {
        "train_error_mean": mean(run["train_error"] for run in runs),
        "test_error_mean": mean(run["test_error"] for run in runs),
        "test_errors": [run["test_error"] for run in runs],
        "change_mean": mean(changes),
        "change_low": min(changes),
        "change_high": max(changes),
    }


def main() -> None:
    """Both experiments and the result file."""
    torch.set_num_threads(1)
    data = edu.fashion_mnist()
    X, y = data.fit.X[:NUM_IMAGES], data.fit.y[:NUM_IMAGES]
    races = {
        str(depth): {act: race_of(X, y, depth, act) for act in ACTIVATIONS} for depth in DEPTHS
    }
    runs = {
        variant: [cached(f"part_{variant}_{seed}", lambda v=variant, s=seed: part_of(data, v, s))
                  for seed in PART_SEEDS]
        for variant in VARIANTS
    }  # fmt: skip
    ratios = {
        depth: ratio(race["tanh"]["mean_epochs"], race["relu"]["mean_epochs"])
        for depth, race in races.items()
    }
    figures = {
        "num_images": NUM_IMAGES,
        "seeds": len(RACE_SEEDS),
        "race_recipe": RACE,
        "race": races,
        "ratio_by_depth": ratios,
        "relu_vs_tanh_ratio": ratios[str(DEPTHS[0])],
        "relu_vs_tanh_depth": DEPTHS[0],
        "parts_recipe": RECIPE,
        "parts": {variant: summary_of(each, runs["plain"]) for variant, each in runs.items()},
    }
    edu.save_result("alexnet_parts", figures, COMMAND)


def ratio(tanh_epochs: float | None, relu_epochs: float | None) -> float | None:
    """Above 1 ReLU is faster; None if one of the two did not always reach the target."""
    return None if None in (tanh_epochs, relu_epochs) else tanh_epochs / relu_epochs


if __name__ == "__main__":
    main()
