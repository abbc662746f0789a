"""Train the small AlexNet that ships with the kit: data/weights/small_alexnet.safetensors.

    python3 -m studies.alexnet_weights

It reads clothes in chapter 03. About two minutes on one core; an interrupted run goes on where it
stopped. Writes data/results/alexnet_weights.json.
"""

from functools import partial

import edu_lib as edu
from edu_lib.models import SmallAlexNet
from studies import frame
from studies.lenet_weights import ship

NAME = "alexnet_weights"
SEED = 0
PARTS = {"dropout": 0.1}
RECIPE = {"num_epochs": 6, "batch_size": 128, "lr": 4e-3, "seed": SEED}


def measure() -> dict:
    """The figures of the network that ships."""
    build, data = partial(SmallAlexNet, **PARTS), edu.fashion_mnist()
    figures = ship("small_alexnet", build, data, RECIPE, half=True, channels_last=True)
    return {"small_alexnet": {"parts": PARTS} | figures}


if __name__ == "__main__":
    frame.start(lambda: frame.study(NAME, __doc__, measure))
