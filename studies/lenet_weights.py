"""Train the LeNet-5 that ships with the kit: data/weights/lenet5.safetensors.

    python3 -m studies.lenet_weights

It reads hand drawings in chapter 00, so it trains on strongly distorted digits. Takes about a
minute; an interrupted run goes on where it stopped. Writes data/results/lenet_weights.json.
"""

from functools import partial

import torch

import edu_lib as edu
from edu_lib.data import DATA_FOLDER

SEED = 0
RECIPE = {"num_epochs": 12, "batch_size": 128, "lr": 4e-3, "label_smoothing": 0.05, "seed": SEED}


def main() -> None:
    """Train, weigh, evaluate once on the test set, write weights and result file."""
    data = edu.mnist()
    torch.manual_seed(SEED)
    model = edu.models.LeNet5()
    history = edu.fit(
        model,
        data.train.X,
        data.train.y,
        augment=partial(edu.random_affine, degrees=15, scale=0.15, shear=10),
        checkpoint=DATA_FOLDER / "cache" / "lenet_weights.safetensors",
        device="cpu",
        **RECIPE,
    )
    path = edu.save_weights(model, "lenet5")
    test = edu.evaluate(model, data.test.X, data.test.y)
    figures = {
        "lenet5": {
            "recipe": RECIPE,
            "num_images": len(data.train),
            "test_error": test.error,
            "test_accuracy": test.accuracy,
            "training_seconds": history.seconds,
            "file_bytes": path.stat().st_size,
        }
    }
    edu.save_result("lenet_weights", figures, "python3 -m studies.lenet_weights")
    print(f"{path.name}: {test}")


if __name__ == "__main__":
    main()
