"""What did each part of AlexNet bring, on a small AlexNet and Fashion-MNIST?

    python3 -m studies.alexnet_parts

One part is changed at a time; the network is trained on 2,000 images and tested once a seed. Writes
data/results/alexnet_parts.json. About seven minutes on one core; each run is kept in
data/runs/alexnet_parts, so an interrupted study goes on where it stopped. The race of the
activations is studies/relu_vs_tanh.py, few images are studies/alexnet_overfitting.py.
"""

from collections.abc import Iterable
from functools import cache
from statistics import mean

import torch

import edu_lib as edu
from edu_lib.models import SmallAlexNet
from studies import frame

NAME = "alexnet_parts"
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


@cache
def fashion_mnist() -> edu.Dataset:
    return edu.fashion_mnist()


def part_of(num_images: int, recipe: dict, variant: str, seed: int) -> dict:
    """Training and test error of one variant and one seed, in percent."""
    data, (parts, shifted) = fashion_mnist(), VARIANTS[variant]
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


def parts_of(study: str, doc: str, num_images: int, recipe: dict, variants: Iterable[str]) -> dict:
    """The summary of each variant; `doc` introduces the study on the command line."""
    chosen = frame.options(doc, parallel=True)
    names = {
        f"{variant}_{seed}": {
            "num_images": num_images, "recipe": recipe, "variant": variant, "seed": seed,
        }
        for variant in variants
        for seed in SEEDS
    }  # fmt: skip
    runs = frame.run_all(
        part_of, names, study,
        again=chosen.again, workers=chosen.workers, scheduler=chosen.scheduler,
    )  # fmt: skip
    each = {variant: [runs[f"{variant}_{seed}"] for seed in SEEDS] for variant in variants}
    return {variant: summary_of(found, each["plain"]) for variant, found in each.items()}


def main() -> None:
    """All parts, and the result file."""
    parts = parts_of(NAME, __doc__, NUM_IMAGES, RECIPE, VARIANTS)
    figures = {
        "num_images": NUM_IMAGES,
        "seeds": len(SEEDS),
        "parts_recipe": RECIPE,
        "parts": parts,
    }
    edu.save_result(NAME, figures, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
