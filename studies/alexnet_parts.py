"""What did each part of AlexNet bring, on a small AlexNet and Fashion-MNIST?

    python3 -m studies.alexnet_parts

One part is changed at a time; the network is trained on 2,000 images and tested once a seed. Writes
data/results/alexnet_parts.json. About seven minutes on one core; each run is kept in
data/cache/alexnet_parts, so an interrupted study goes on where it stopped. The race of the
activations is studies/relu_vs_tanh.py, few images are studies/alexnet_overfitting.py.
"""

import json
from collections.abc import Callable, Iterable
from functools import partial
from statistics import mean

import torch

import edu_lib as edu
from edu_lib.data import DATA_FOLDER
from edu_lib.measure.results import write_json
from edu_lib.models import SmallAlexNet

COMMAND = "python3 -m studies.alexnet_parts"
FOLDER = "alexnet_parts"
NUM_IMAGES = 2_000

SEEDS = (0, 1, 2)
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


def cached(folder: str, name: str, run: Callable[[], object]) -> object:
    """What `run` gives, from the cache if it was done before."""
    path = DATA_FOLDER / "cache" / folder / f"{name}.json"
    if not path.exists():
        write_json(path, {"value": run()})
        print(f"{name}: {json.loads(path.read_text())['value']}", flush=True)
    return json.loads(path.read_text(encoding="utf-8"))["value"]


def part_of(data: edu.Dataset, num_images: int, recipe: dict, variant: str, seed: int) -> dict:
    """Training and test error of one variant and one seed, in percent."""
    parts, shifted = VARIANTS[variant]
    torch.manual_seed(seed)
    model = SmallAlexNet(**(PLAIN | parts))
    X, y = data.fit.X[:num_images], data.fit.y[:num_images]
    augment = edu.random_shift if shifted else None
    edu.fit(
        model, X, y, augment=augment, seed=seed, progress=False, device="cpu",
        channels_last=True, **recipe,
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


def parts_of(
    data: edu.Dataset, folder: str, num_images: int, recipe: dict, variants: Iterable[str]
) -> dict:
    """The summary of each variant; every run is kept in data/cache/`folder`."""
    train = partial(part_of, data, num_images, recipe)
    runs = {
        variant: [
            cached(folder, f"{variant}_{seed}", partial(train, variant, seed)) for seed in SEEDS
        ]
        for variant in variants
    }
    return {variant: summary_of(each, runs["plain"]) for variant, each in runs.items()}


def main() -> None:
    """All parts, and the result file."""
    torch.set_num_threads(1)
    figures = {
        "num_images": NUM_IMAGES,
        "seeds": len(SEEDS),
        "parts_recipe": RECIPE,
        "parts": parts_of(edu.fashion_mnist(), FOLDER, NUM_IMAGES, RECIPE, VARIANTS),
    }
    edu.save_result("alexnet_parts", figures, COMMAND)


if __name__ == "__main__":
    main()
