"""How accuracy grows with the number of training images, and what augmentation is worth.

    python3 -m studies.data_hunger

LeNet-5 on MNIST and Fashion-MNIST with 100 to 60,000 images, as they are and augmented; random
subsets and weights differ from seed to seed, and both arms of a seed get the same. Every training
has the same number of optimizer steps. Nothing was chosen by looking at the test set: all arms and
sizes were fixed beforehand and all are reported. Writes data/results/data_hunger.json. About 25
minutes on one core; an interrupted run goes on where it stopped.
"""

import math
import time
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

import edu_lib as edu
from edu_lib.data import Dataset, Split
from studies import frame
from studies.data_hunger_summary import gain, stretch, summary

NAME = "data_hunger"
CACHE = frame.CACHE_FOLDER / NAME
STEPS, BATCH_SIZE = 2400, 50
RECIPE = {"batch_size": BATCH_SIZE, "lr": 4e-3, "channels_last": True}
SEEDS = {100: 5, 300: 5, 1000: 5, 3000: 3, 10_000: 3, 60_000: 3}
SHIFT = 3  # pixels by which the moved test images are moved
COPIES = 20
LONGER = 4  # times the steps, to see whether augmented clothes were trained too briefly
BASE = "fashion-plain-60000-0"  # the training whose weights the transfer starts from


def mirror(X: Tensor) -> Tensor:
    """Mirror each image of X [N, C, H, W], left to right, with probability 1/2."""
    chosen = torch.rand(len(X), 1, 1, 1) < 0.5
    return torch.where(chosen, X.flip(-1), X)


def affine_and_mirror(X: Tensor) -> Tensor:
    """`random_affine`, then `mirror`."""
    return mirror(edu.random_affine(X))


ARMS: dict[str, dict[str, Callable | None]] = {
    "mnist": {"plain": None, "augmented": edu.random_affine},
    "fashion": {"plain": None, "augmented": affine_and_mirror},
}
ABLATION = {
    "mnist": {"shift": edu.random_shift, "mirror": mirror},
    "fashion": {"affine": edu.random_affine, "mirror": mirror},
}
AUGMENTS = {name: ARMS[name] | ABLATION[name] for name in ARMS}
DATA = {"mnist": cache(edu.mnist), "fashion": cache(edu.fashion_mnist)}


def move(X: Tensor, pixels: int) -> Tensor:
    """Images of X moved by `pixels`, in turn to the right, left, down and up, filled with 0."""
    moved = torch.zeros_like(X)
    moved[0::4, :, :, pixels:] = X[0::4, :, :, : 28 - pixels]
    moved[1::4, :, :, : 28 - pixels] = X[1::4, :, :, pixels:]
    moved[2::4, :, pixels:] = X[2::4, :, : 28 - pixels]
    moved[3::4, :, : 28 - pixels] = X[3::4, :, pixels:]
    return moved


def subset(train: Split, num_images: int, seed: int) -> Split:
    """The images of one seed: the smaller subset is part of the larger one."""
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(1000 + seed))
    return train.subset(order[:num_images])


def train(
    data_set: str,
    arm: str,
    num_images: int,
    seed: int,
    steps: int = STEPS,
    pretrained: bool = False,
) -> dict:
    """One training: accuracy on the test images, as they are and moved.

    pretrained: begin with the weights of the training BASE.
    """
    began = time.process_time()
    data = DATA[data_set]()
    part = subset(data.train, num_images, seed)
    torch.manual_seed(seed)
    model = edu.models.LeNet5()
    if pretrained:
        edu.load_weights(model, BASE, folder=CACHE)
    edu.fit(
        model, part.X, part.y, num_epochs=steps // math.ceil(num_images / BATCH_SIZE),
        augment=AUGMENTS[data_set][arm], device="cpu", seed=seed, progress=False, **RECIPE,
    )  # fmt: skip
    result = {
        "accuracy": edu.evaluate(model, data.test.X, data.test.y).accuracy,
        "moved": edu.evaluate(model, move(data.test.X, SHIFT), data.test.y).accuracy,
        "cpu_seconds": time.process_time() - began,
    }
    if name_of(data_set, arm, num_images, seed) == BASE:
        result["files"] = {"safetensors": frame.weights_of(model)}
    return result


def name_of(data_set: str, arm: str, num_images: int, seed: int) -> str:
    return f"{data_set}-{arm}-{num_images}-{seed}"


def runs_of(data_set: str, arm: str, num_images: int, seeds: int) -> list[dict]:
    """The trainings of so many seeds, or what is stored of them."""
    names = {
        name_of(data_set, arm, num_images, seed): {
            "data_set": data_set, "arm": arm, "num_images": num_images, "seed": seed,
        }
        for seed in range(seeds)
    }  # fmt: skip
    return list(frame.run_all(train, names, NAME).values())


def nearest_images(data: Dataset, augment: Callable) -> dict:
    """How far 1,000 test images are from the nearest of 1,000 images, their copies, and 20,000."""
    torch.manual_seed(0)
    few, many = subset(data.train, 1000, 0), subset(data.train, 1000 * COPIES, 0)
    copies = torch.cat([few.X] + [augment(few.X) for _ in range(COPIES - 1)])
    figures = {}
    for name, X, y in (("few", few.X, few.y), ("copies", copies, few.y.repeat(COPIES)),
                       ("many", many.X, many.y)):  # fmt: skip
        distance, index = torch.cdist(data.test.X[:1000].flatten(1), X.flatten(1)).min(dim=1)
        right = (y[index] == data.test.y[:1000]).float().mean().item()
        figures[name] = {"distance": distance.mean().item(), "accuracy": 100 * right}
    gap = figures["few"]["distance"] - figures["many"]["distance"]
    won = figures["few"]["distance"] - figures["copies"]["distance"]
    return figures | {"share_of_the_way": 100 * won / gap}


def study_set(name: str) -> dict:
    """Both curves of one data set, single transformations at 1,000 images, nearest images."""
    runs = {
        arm: {size: runs_of(name, arm, size, seeds) for size, seeds in SEEDS.items()}
        for arm in ARMS[name]
    }
    figures: dict = {
        arm: {size: summary(of) for size, of in sizes.items()} for arm, sizes in runs.items()
    }
    figures["gain"] = {size: gain(runs["plain"][size], runs["augmented"][size]) for size in SEEDS}
    figures["stretch"] = stretch(runs["plain"], runs["augmented"])
    figures["alone"] = {}
    for arm in ABLATION[name]:
        alone = runs_of(name, arm, 1000, 3)
        figures["alone"][arm] = summary(alone) | {"gain": gain(runs["plain"][1000], alone)}
    figures["nearest"] = nearest_images(DATA[name](), edu.random_affine)
    figures["cpu_seconds"] = sum(
        one["cpu_seconds"] for sizes in runs.values() for of in sizes.values() for one in of
    )
    return figures


def train_longer() -> dict:
    """10,000 clothes with LONGER times the steps, one seed: was augmentation cut short?"""
    figures: dict = {"times": LONGER}
    for arm in ARMS["fashion"]:
        run = frame.run_one(
            train, f"fashion-{arm}-10000-long-0", NAME,
            data_set="fashion", arm=arm, num_images=10_000, seed=0, steps=LONGER * STEPS,
        )  # fmt: skip
        figures[arm] = run["accuracy"]
    figures["gain"] = figures["augmented"] - figures["plain"]
    return figures


def transfer() -> dict:
    """Digits learned by a network that learned clothes first, against one that begins anew."""
    figures = {}
    for size in (100, 1000):
        plain = runs_of("mnist", "plain", size, 3)
        names = {
            f"mnist-transfer-{size}-{seed}": {
                "data_set": "mnist", "arm": "plain", "num_images": size, "seed": seed,
                "pretrained": True,
            }
            for seed in range(3)
        }  # fmt: skip
        moved_on = list(frame.run_all(train, names, NAME).values())
        figures[size] = summary(moved_on) | {"gain": gain(plain, moved_on)}
    return figures


def main() -> None:
    """All trainings that are not stored yet, and the result file."""
    frame.options(__doc__, again=False)
    figures = {
        "recipe": RECIPE, "steps": STEPS, "shift_pixels": SHIFT, "copies": COPIES, "threads": 1,
        "seeds": SEEDS, "mnist": study_set("mnist"),
        "fashion": study_set("fashion"),
    }  # fmt: skip
    figures["longer"] = train_longer()
    figures["transfer"] = transfer()
    edu.save_result(NAME, figures, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
