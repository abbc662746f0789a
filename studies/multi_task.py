"""One road network for all tasks against one a task, and how the task weights matter.

    python3 -m studies.multi_task [--shard I/N]

Light RoadNets at 96x192, few labelled scenes. Three parts: "whole", single-task and shared networks
of width 0.5 with three seeds; "narrow", the same with half the width and one seed; "weights", a
smaller and equal budget for equal weights, learned weights and a 25-point grid. Every run is kept
in data/cache/multi_task, so an interrupted study goes on, and N processes can share the work
(--shard 0/2 and 1/2 at the same time). The last call, without --shard, times the networks and
writes data/results/multi_task.json. About an hour and a half on one core. The weights of the
shared networks, SHARED, were chosen by hand on the validation split.
"""

import argparse
import json
from dataclasses import asdict
from statistics import mean

import torch
from torch import Tensor, nn

import edu_lib as edu
from edu_lib.data import DATA_FOLDER, road_scenes
from edu_lib.measure.results import write_json
from edu_lib.models.road_tasks import augment_road, evaluate_road, road_losses
from edu_lib.models.roadnet import TASKS, RoadNet
from edu_lib.techniques.multitask import UncertaintyWeighting, search_weights, weighted_sum
from studies.multi_task_summary import summarise

COMMAND = "python3 -m studies.multi_task"
CACHE = DATA_FOLDER / "cache" / "multi_task"
HEIGHT, WIDTH = 96, 192
SEEDS = (0, 1, 2)
GRID_POINTS = 25
RECIPE = {"batch_size": 16, "lr": 3e-3, "weight_decay": 0.02, "warmup": 0.15}
BUDGETS = {
    "whole": {"network_width": 0.5, "images": 600, "num_epochs": 20},
    "narrow": {"network_width": 0.25, "images": 600, "num_epochs": 20},
    "weights": {"network_width": 0.25, "images": 300, "num_epochs": 6},
}
EQUAL = dict.fromkeys(TASKS, 1.0)
NUM_SCENES = BUDGETS["whole"]["images"]
SHARED = {"segmentation": 1.0, "depth": 1.0, "ego": 0.4}


class Weighted(nn.Module):
    """A network and the trainable weights of its tasks, so that one optimizer trains both."""

    def __init__(self, network: RoadNet, weighting: UncertaintyWeighting):
        super().__init__()
        self.network, self.weighting = network, weighting

    def forward(self, X: Tensor) -> dict[str, Tensor]:
        return self.network(X)


def jobs() -> list[dict]:
    """Every run of the study but those of the best grid point, which is not known before."""
    networks = [{"tasks": [task], "weights": EQUAL} for task in TASKS]
    networks.append({"tasks": list(TASKS), "weights": SHARED})
    listed = [{"part": "whole", **network, "seed": seed} for seed in SEEDS for network in networks]
    listed += [{"part": "narrow", **network, "seed": SEEDS[0]} for network in networks]
    grid = search_weights(TASKS, GRID_POINTS, seed=0)
    listed += [{"part": "weights", "tasks": list(TASKS), "weights": w, "seed": 0} for w in grid]
    listed += [
        {"part": "weights", "tasks": list(TASKS), "weights": weights, "seed": seed}
        for weights in (EQUAL, "learned")
        for seed in SEEDS
    ]
    return [job for at, job in enumerate(listed) if job not in listed[:at]]


def key(job: dict) -> str:
    """The name of a run in the cache."""
    weights = job["weights"]
    if isinstance(weights, dict):
        weights = "-".join(f"{weights[task]:.3g}" for task in job["tasks"])
    return f"{job['part']}_{'+'.join(job['tasks'])}_{weights}_seed{job['seed']}"


def run(job: dict) -> dict:
    """Train and evaluate one network; what the cache holds is not trained again."""
    path = CACHE / f"{key(job)}.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    budget = BUDGETS[job["part"]]
    scenes = road_scenes("train", NUM_SCENES, HEIGHT, WIDTH)
    scenes = scenes.subset(torch.arange(budget["images"]))
    torch.manual_seed(job["seed"])
    network = RoadNet(job["tasks"], budget["network_width"])
    learned = job["weights"] == "learned"
    weighting = UncertaintyWeighting(TASKS, regression_tasks=("depth", "ego")) if learned else None

    def loss(outputs: dict[str, Tensor], y: dict[str, Tensor]) -> Tensor:
        losses = road_losses(outputs, y)
        if weighting is not None:
            return weighting(losses)
        return weighted_sum(losses, {task: job["weights"][task] for task in losses})

    history = edu.fit(
        Weighted(network, weighting) if learned else network,
        scenes.X,
        scenes.y,
        num_epochs=budget["num_epochs"],
        loss=loss,
        transform=augment_road,
        precision=torch.bfloat16,
        channels_last=True,
        seed=job["seed"],
        device="cpu",
        progress=False,
        **RECIPE,
    )
    result = job | {"seconds": history.seconds, "learned": weighting.weights() if learned else None}
    for split, count in (("validation", 300), ("test", 500)):
        held_out = road_scenes(split, count, HEIGHT, WIDTH)
        result[split] = asdict(evaluate_road(network, held_out.X, held_out.y))
    write_json(path, result)
    if job["part"] == "whole" and job["seed"] == SEEDS[0] and len(job["tasks"]) > 1:
        edu.save_weights(network, "road_shared_light", half=True)
    return result


def score(quality: dict, mean_steering_error: float) -> float:
    """One number for three tasks, 0 to 100: mean IoU, delta1, and the share of the steering error
    of always answering the mean that is removed."""
    steering = 100 * (1 - quality["steering_error_deg"] / mean_steering_error)
    return mean([quality["miou"], quality["delta1"], steering])


def mean_answer_error() -> float:
    """Steering error in degrees of always answering the training mean, on the test split."""
    train = road_scenes("train", NUM_SCENES, HEIGHT, WIDTH).y["steering"]
    test = road_scenes("test", 500, HEIGHT, WIDTH).y["steering"]
    return (test - train.mean()).abs().mean().item()


def main() -> None:
    """Run the jobs of this shard, or all of them and then the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shard", default="0/1", help="I/N: every N-th job, from the I-th on")
    shard, num_shards = map(int, parser.parse_args().shard.split("/"))
    torch.set_num_threads(1)
    for job in jobs()[shard::num_shards]:
        result = run(job)
        print(f"{key(job)}: {result['seconds']:.0f} s, {result['test']}", flush=True)
    if num_shards > 1:
        return
    results = [run(job) for job in jobs()]
    reference = mean_answer_error()
    grid = [r for r in results if r["part"] == "weights" and isinstance(r["weights"], dict)]
    grid = [r for r in grid if r["seed"] == 0]
    best = max(grid, key=lambda r: score(r["validation"], reference))["weights"]
    best_runs = [
        run({"part": "weights", "tasks": list(TASKS), "weights": best, "seed": seed})
        for seed in SEEDS
    ]
    figures = summarise(results, best_runs, lambda quality: score(quality, reference))
    figures |= {
        "seeds": len(SEEDS),
        "size": [HEIGHT, WIDTH],
        "shared_weights": SHARED,
        "recipe": RECIPE,
        "budgets": BUDGETS,
        "mean_answer_steering_error_deg": reference,
    }
    edu.save_result("multi_task", figures, COMMAND)


if __name__ == "__main__":
    main()
