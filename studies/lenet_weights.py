"""Train the LeNet-5 that ships with the kit: data/weights/lenet5.safetensors.

    python3 -m studies.lenet_weights

It reads hand drawings in chapter 00, so it trains on strongly distorted digits. Takes about a
minute; an interrupted run goes on where it stopped. Writes data/results/lenet_weights.json.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

import edu_lib as edu
from studies import frame

NAME = "lenet_weights"
SEED = 0
RECIPE = {"num_epochs": 12, "batch_size": 128, "lr": 4e-3, "label_smoothing": 0.05, "seed": SEED}


def ship(
    name: str, build: Callable[[], nn.Module], data: edu.Dataset, recipe: dict, **settings: object
) -> dict:
    """Train on all training images, write data/weights/NAME.safetensors, judge what was written.

    recipe, settings: of `fit`; the result file names the recipe. half, among the settings: store
    the weights in 16 bits. The test set is read once.
    """
    half = settings.pop("half", False)
    torch.manual_seed(recipe["seed"])
    model = build()
    history = edu.fit(
        model,
        data.train.X,
        data.train.y,
        checkpoint=frame.CACHE_FOLDER / f"weights_{name}.safetensors",
        device="cpu",
        **settings,
        **recipe,
    )
    path = edu.save_weights(model, name, half=half)
    test = edu.evaluate(edu.load_weights(build(), name), data.test.X, data.test.y)
    print(f"{path.name}: {test}")
    return {
        "recipe": recipe,
        "num_images": len(data.train),
        "test_error": test.error,
        "test_accuracy": test.accuracy,
        "training_seconds": history.seconds,
        "file_bytes": path.stat().st_size,
    }


def measure() -> dict:
    """The figures of the network that ships."""
    augment = partial(edu.random_affine, degrees=15, scale=0.15, shear=10)
    return {"lenet5": ship("lenet5", edu.models.LeNet5, edu.mnist(), RECIPE, augment=augment)}


if __name__ == "__main__":
    frame.start(lambda: frame.study(NAME, __doc__, measure, threads=None))
