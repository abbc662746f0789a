"""Train the three heavy road networks, one a task: segmentation, depth, ego.

    python3 -m studies.road_teachers [TASK ...]

Writes data/weights/road_TASK.safetensors (16-bit) and data/results/road_teachers.json: quality on
the test split, as a whole and by weather and place. About half an hour each for segmentation and
depth on one core with bfloat16 instructions; an interrupted run goes on where it stopped, and two
tasks can be trained at once in two processes. Train and test scenes come from one generator, so
the figures say nothing about real roads.
"""

from collections.abc import Callable
from dataclasses import asdict

import torch

import edu_lib as edu
from classroom.road_scenes import RoadSplit, road_scenes
from edu_lib.models.road_tasks import (
    augment_road,
    evaluate_road,
    robust_depth_loss,
    sum_of_losses,
)
from edu_lib.models.roadnet import TASKS, RoadNet
from edu_lib.training import fingerprint
from studies import frame

NAME = "road_teachers"
SEED = 0
RECIPE = {"num_epochs": 4, "batch_size": 16, "lr": 2e-3, "weight_decay": 0.02, "warmup": 0.1}
# depth goes on from there: L1 alone ends at the median, the robust loss at the likeliest depth
SECOND_RECIPE = RECIPE | {"num_epochs": 3, "lr": 1e-3}


def train(task: str, scenes: RoadSplit) -> RoadNet:
    """The trained network of one task."""
    torch.manual_seed(SEED)
    model = RoadNet([task])
    train_phase(model, scenes, f"road_{task}", sum_of_losses, RECIPE)
    if task == "depth":
        train_phase(model, scenes, "road_depth_2", robust_depth_loss, SECOND_RECIPE)
    return model


def train_phase(model: RoadNet, scenes: RoadSplit, name: str, loss: Callable, recipe: dict) -> None:
    """One training run, which goes on from its checkpoint when it was interrupted."""
    edu.fit(
        model,
        scenes.X,
        scenes.y,
        loss=loss,
        transform=augment_road,
        precision=torch.bfloat16,
        channels_last=True,
        # the second phase belongs to the weights that the first one left
        checkpoint=frame.CACHE_FOLDER / f"{name}_{fingerprint(model)}.safetensors",
        seed=SEED,
        **recipe,
    )


def quality_by(model: RoadNet, scenes: RoadSplit, words: tuple[str, ...]) -> dict[str, dict]:
    """Quality on the scenes of each word, such as each weather."""
    qualities = {}
    for word in sorted(set(words)):
        chosen = scenes.subset(torch.tensor([i for i, own in enumerate(words) if own == word]))
        qualities[word] = known(evaluate_road(model, chosen.X, chosen.y)) | {"scenes": len(chosen)}
    return qualities


def known(quality) -> dict:
    """The measures that the network's task has."""
    return {name: value for name, value in asdict(quality).items() if value is not None}


def main() -> None:
    """Train what is asked for, evaluate what is trained, write weights and result file."""
    tasks = {"nargs": "*", "default": list(TASKS), "help": ", ".join(TASKS)}
    more = {"tasks": tasks, "--threads": {"type": int, "default": 1}}
    chosen = frame.options(__doc__, more, again=False)
    train_scenes, test_scenes = road_scenes("train"), road_scenes("test")
    for task in chosen.tasks:
        model = train(task, train_scenes)
        path = edu.save_weights(model, f"road_{task}", half=True)
        # what ships is judged: the weights in 16 bits
        model = edu.load_weights(RoadNet([task]), f"road_{task}")
        model.to(memory_format=torch.channels_last)
        quality = known(evaluate_road(model, test_scenes.X, test_scenes.y))
        stored = frame.stored_result(NAME)
        figures = {each: stored[each] for each in TASKS if each in stored} | {
            task: quality
            | {
                "by_weather": quality_by(model, test_scenes, test_scenes.weather),
                "by_place": quality_by(model, test_scenes, test_scenes.place),
                "file_bytes": path.stat().st_size,
                "recipe": RECIPE,
                "second_recipe": SECOND_RECIPE if task == "depth" else None,
                "train_scenes": len(train_scenes),
                "test_scenes": len(test_scenes),
            }
        }
        edu.save_result(NAME, figures, frame.command(NAME))
        print(f"{task}: {quality}", flush=True)


if __name__ == "__main__":
    frame.start(main)
