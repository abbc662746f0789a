"""Train the small AlexNet that ships with the kit: data/weights/small_alexnet.safetensors.

    python3 -m studies.alexnet_weights

It reads clothes in chapter 03. About two minutes on one core; an interrupted run goes on where it
stopped. Writes data/results/alexnet_weights.json.
"""

import torch

import edu_lib as edu
from edu_lib.data import DATA_FOLDER
from edu_lib.models import SmallAlexNet

SEED = 0
PARTS = {"dropout": 0.1}
RECIPE = {"num_epochs": 6, "batch_size": 128, "lr": 4e-3, "seed": SEED}


def main() -> None:
    """Train, weigh, evaluate the stored weights once on the test set, write both files."""
    torch.set_num_threads(1)
    data = edu.fashion_mnist()
    torch.manual_seed(SEED)
    model = SmallAlexNet(**PARTS)
    history = edu.fit(
        model,
        data.train.X,
        data.train.y,
        channels_last=True,
        checkpoint=DATA_FOLDER / "cache" / "alexnet_weights.safetensors",
        device="cpu",
        **RECIPE,
    )
    path = edu.save_weights(model, "small_alexnet", half=True)
    stored = edu.load_weights(SmallAlexNet(**PARTS), "small_alexnet")
    test = edu.evaluate(stored, data.test.X, data.test.y)
    figures = {
        "small_alexnet": {
            "parts": PARTS,
            "recipe": RECIPE,
            "num_images": len(data.train),
            "test_error": test.error,
            "test_accuracy": test.accuracy,
            "training_seconds": history.seconds,
            "file_bytes": path.stat().st_size,
        }
    }
    edu.save_result("alexnet_weights", figures, "python3 -m studies.alexnet_weights")
    print(f"{path.name}: {test}")


if __name__ == "__main__":
    main()
