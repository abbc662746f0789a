"""Do dropout and shifted images help where a small AlexNet knows its few images by heart?

    python3 -m studies.alexnet_overfitting

As studies/alexnet_parts.py, with a quarter of the images and four times the epochs: as many steps,
and far more overfitting. Writes data/results/alexnet_overfitting.json. Three minutes on one core;
each run is kept in data/runs/alexnet_overfitting.
"""

import edu_lib as edu
from studies import frame
from studies.alexnet_parts import RECIPE, SEEDS, parts_of

NAME = "alexnet_overfitting"
NUM_IMAGES = 500
FEW = {**RECIPE, "num_epochs": 4 * RECIPE["num_epochs"]}
VARIANTS = ("plain", "dropout", "shifted")


def main() -> None:
    """The three variants, and the result file."""
    figures = {
        "num_images": NUM_IMAGES,
        "seeds": len(SEEDS),
        "recipe": FEW,
        "parts": parts_of(NAME, __doc__, NUM_IMAGES, FEW, VARIANTS),
    }
    edu.save_result(NAME, figures, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
