"""What do the first kernels of a small AlexNet look like when it learns from colour images?

    python3 -m studies.alexnet_filters

Trains a small AlexNet in two towers on generated road scenes, to tell place and weather, with three
seeds. Writes data/results/alexnet_filters.json and, of the first seed, the weights
data/weights/alexnet_roads.safetensors. About two minutes on one core, once the scenes are drawn; an
interrupted run goes on where it stopped.
"""

from statistics import mean

import torch
import torch.nn.functional as F
from torch import Tensor

import edu_lib as edu
from classroom.road_scenes import RoadSplit, road_scenes
from edu_lib.models import SmallAlexNet
from roads import PLACES, WEATHERS
from studies import frame

NAME = "alexnet_filters"
SEEDS = (0, 1, 2)
NUM_SCENES, SIDE = 2_500, 64
NUM_CLASSES = len(PLACES) * len(WEATHERS)
PIXELS = {"mean": 0.40, "std": 0.18}
RECIPE = {"num_epochs": 16, "batch_size": 128, "lr": 4e-3}
NUM_SHUFFLES = 2_000


def new_network() -> SmallAlexNet:
    """Two towers for 64x64 colour images."""
    return SmallAlexNet(SIDE, 3, NUM_CLASSES, towers=2, dropout=0.0, **PIXELS)


def images_and_labels(scenes: RoadSplit) -> tuple[Tensor, Tensor]:
    """Scenes at half size, [N, 3, 64, 128] in [0, 1], and place times weather as the class."""
    X = F.avg_pool2d(scenes.X.float() / 255, 2)
    pairs = zip(scenes.place, scenes.weather, strict=True)
    labels = [PLACES.index(place) * len(WEATHERS) + WEATHERS.index(sky) for place, sky in pairs]
    return X, torch.tensor(labels)


def random_square(X: Tensor) -> Tensor:
    """A square of each image of X [N, C, 64, 128], at a random place, half of them mirrored."""
    num_images, _, height, width = X.shape
    left = torch.randint(0, width - height + 1, (num_images, 1))
    columns = left + torch.arange(height)
    image = torch.arange(num_images)[:, None, None]
    squares = X[image, :, torch.arange(height)[None, :, None], columns[:, None, :]]
    squares = squares.permute(0, 3, 1, 2)
    mirrored = torch.rand(num_images, 1, 1, 1) < 0.5
    return torch.where(mirrored, squares.flip(-1), squares)


def chroma_shares(kernels: Tensor) -> Tensor:
    """Share of each colour kernel's energy that is colour and not brightness, in percent.

    kernels: [N, 3, K, K]; returns [N]. 0 for a grey kernel; about 67 for a random one.
    """
    colour = kernels - kernels.mean(dim=1, keepdim=True)
    return 100 * colour.square().sum(dim=(1, 2, 3)) / kernels.square().sum(dim=(1, 2, 3))


def chance_of_gap(shares: Tensor) -> float:
    """Percent of random splits in two towers whose means differ as much as the real ones do."""
    half = len(shares) // 2
    gap = (shares[:half].mean() - shares[half:].mean()).abs()
    generator = torch.Generator().manual_seed(0)
    mixed = [shares[torch.randperm(len(shares), generator=generator)] for _ in range(NUM_SHUFFLES)]
    gaps = torch.stack([each[:half].mean() - each[half:].mean() for each in mixed]).abs()
    return 100 * float((gaps >= gap - 1e-6).float().mean())


def train(X: Tensor, y: Tensor, seed: int) -> SmallAlexNet:
    """One training. The first kernels start near zero, as in 2012: what is seen was learned."""
    torch.manual_seed(seed)
    model = new_network()
    torch.nn.init.normal_(model.features.conv1.weight, std=0.01)
    edu.fit(
        model, X, y, augment=random_square, seed=seed, device="cpu", channels_last=True,
        checkpoint=frame.CACHE_FOLDER / f"alexnet_filters_{seed}.safetensors", **RECIPE,
    )  # fmt: skip
    return model


def measure() -> dict:
    """All seeds, for the result file; ships the weights of the first."""
    X, y = images_and_labels(road_scenes("train").subset(torch.arange(NUM_SCENES)))
    validation = images_and_labels(road_scenes("validation"))
    middle = slice((validation[0].shape[-1] - SIDE) // 2, (validation[0].shape[-1] + SIDE) // 2)
    runs = []
    for seed in SEEDS:
        model = train(X, y, seed)
        if seed == SEEDS[0]:
            edu.save_weights(model, "alexnet_roads", half=True)
        shares = chroma_shares(model.features.conv1.weight.detach())
        accuracy = edu.evaluate(model, validation[0][..., middle], validation[1]).accuracy
        towers = [float(tower.mean()) for tower in shares.chunk(2)]
        runs.append({
            "validation_accuracy": accuracy, "chroma_percent": towers,
            "gap_points": abs(towers[0] - towers[1]), "chance_percent": chance_of_gap(shares),
        })  # fmt: skip
        print(f"seed {seed}: {runs[-1]}", flush=True)
    figures = {
        "recipe": RECIPE, "num_scenes": NUM_SCENES, "classes": NUM_CLASSES, "seeds": len(SEEDS),
        "runs": runs, "accuracy_mean": mean(run["validation_accuracy"] for run in runs),
        "specialised_seeds": sum(run["chance_percent"] < 5 for run in runs),
    }  # fmt: skip
    return figures


if __name__ == "__main__":
    frame.start(lambda: frame.study(NAME, __doc__, measure))
