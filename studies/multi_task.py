"""One road network for all tasks against one a task, and how the task weights matter.

    python3 -m studies.multi_task [--part networks|weights]

Light RoadNets at 96x192, few labelled scenes. Two parts. "networks", three seeds of each: a network
a task; one shared network that learns from the labels; and one merged network that starts from the
segmentation network and, where labels end, learns from the answers of all three. "weights":
equal weights, learned weights and a 25-point grid on a smaller and equal budget. Every run is kept
in data/runs/multi_task, so that an interrupted study goes on, and two processes can do a part each
(--part). The last call, without --part, times the networks and writes data/results/multi_task.json.
About an hour and a half on one core. The weights of the shared networks, SHARED, were chosen by
hand on the validation split.
"""

from dataclasses import asdict
from statistics import mean

import torch
from torch import Tensor, nn

import edu_lib as edu
from classroom.road_scenes import road_scenes
from edu_lib.models.road_tasks import augment_road, evaluate_road, road_losses
from edu_lib.models.roadnet import TASKS, RoadNet
from edu_lib.techniques.multitask import UncertaintyWeighting, search_weights, weighted_sum
from studies import frame
from studies.multi_task_merge import answers, merge_losses, start_from, with_labels
from studies.multi_task_summary import summarise

NAME = "multi_task"
CACHE = frame.CACHE_FOLDER / NAME
HEIGHT, WIDTH = 96, 192
SEEDS = (0, 1, 2)
PARTS = ("networks", "weights")
GRID_POINTS = 25
RECIPE = {"batch_size": 16, "weight_decay": 0.02, "warmup": 0.15}
BUDGETS = {
    "networks": {"network_width": 0.5, "images": 300, "num_epochs": 28, "lr": 3e-3},
    "merged": {"network_width": 0.5, "images": 1500, "num_epochs": 10, "lr": 2e-3},
    "weights": {"network_width": 0.25, "images": 300, "num_epochs": 8, "lr": 3e-3},
}
NUM_SCENES = 1500
EQUAL = dict.fromkeys(TASKS, 1.0)
SHARED = {"segmentation": 1.0, "depth": 1.0, "ego": 0.4}


class Weighted(nn.Module):
    """A network and the trainable weights of its tasks, so that one optimizer trains both."""

    def __init__(self, network: RoadNet, weighting: UncertaintyWeighting):
        super().__init__()
        self.network, self.weighting = network, weighting

    def forward(self, X: Tensor) -> dict[str, Tensor]:
        return self.network(X)


def single(task: str, seed: int) -> dict:
    """The job of a network of one task."""
    return {"part": "networks", "tasks": [task], "weights": EQUAL, "seed": seed}


def jobs(part: str) -> list[dict]:
    """Every run of a part but those of the best grid point, which is not known before."""
    every = list(TASKS)
    if part == "networks":
        return [
            job
            for seed in SEEDS
            for job in [
                *(single(task, seed) for task in TASKS),
                {"part": "networks", "tasks": every, "weights": SHARED, "seed": seed},
                {"part": "merged", "tasks": every, "weights": SHARED, "seed": seed},
            ]
        ]
    weights = [(point, 0) for point in search_weights(TASKS, GRID_POINTS, seed=0)]
    weights += [(chosen, seed) for chosen in (EQUAL, "learned") for seed in SEEDS]
    listed = [{"part": part, "tasks": every, "weights": w, "seed": seed} for w, seed in weights]
    return [job for at, job in enumerate(listed) if job not in listed[:at]]


def key(job: dict) -> str:
    """The name of a run in the cache."""
    weights = job["weights"]
    if isinstance(weights, dict):
        weights = "-".join(f"{weights[task]:.3g}" for task in job["tasks"])
    return f"{job['part']}_{'+'.join(job['tasks'])}_{weights}_seed{job['seed']}"


def judged(job: dict) -> dict:
    """Train and evaluate one network."""
    network, learned, seconds = train(job)
    result = job | {"seconds": seconds, "learned": learned}
    for split, count in (("validation", 300), ("test", 500)):
        held_out = road_scenes(split, count, HEIGHT, WIDTH)
        result[split] = asdict(evaluate_road(network, held_out.X, held_out.y))
    return result | {"files": {"safetensors": frame.weights_of(network)}}


def run(job: dict, again: bool = False) -> dict:
    """The figures of one network; what is stored is not trained again."""
    return frame.run_all(judged, {key(job): {"job": job}}, NAME, again=again)[key(job)]


def train(job: dict) -> tuple[RoadNet, dict[str, float] | None, float]:
    """The network of a job, its learned task weights if it learns them, and the seconds."""
    budget = BUDGETS[job["part"]]
    scenes = road_scenes("train", NUM_SCENES, HEIGHT, WIDTH)
    scenes = scenes.subset(torch.arange(budget["images"]))
    torch.manual_seed(job["seed"])
    network = RoadNet(job["tasks"], budget["network_width"])
    y, losses_of = scenes.y, road_losses
    if job["part"] == "merged":
        teachers = [trained(task, job["seed"]) for task in TASKS]
        start_from(network, teachers[0])
        y = with_labels(answers(teachers, scenes.X), scenes.y, BUDGETS["networks"]["images"])
        losses_of = merge_losses
    learned = job["weights"] == "learned"
    weighting = UncertaintyWeighting(TASKS, regression_tasks=("depth", "ego")) if learned else None

    def loss(outputs: dict[str, Tensor], y: dict[str, Tensor]) -> Tensor:
        losses = losses_of(outputs, y)
        if weighting is not None:
            return weighting(losses)
        return weighted_sum(losses, {task: job["weights"][task] for task in losses})

    history = edu.fit(
        Weighted(network, weighting) if learned else network,
        scenes.X,
        y,
        num_epochs=budget["num_epochs"],
        loss=loss,
        transform=augment_road,
        precision=torch.bfloat16,
        channels_last=True,
        seed=job["seed"],
        device="cpu",
        progress=False,
        **RECIPE | {"lr": budget["lr"]},
    )
    return network, weighting.weights() if learned else None, history.seconds


def trained(task: str, seed: int) -> RoadNet:
    """The network of one task and this seed, trained now if it was not before."""
    job = single(task, seed)
    run(job)
    network = RoadNet([task], BUDGETS["networks"]["network_width"])
    return edu.load_weights(network, key(job), CACHE)


def score(quality: dict, mean_steering_error: float) -> float:
    """One number for three tasks, 0 to 100: mean IoU, delta1, and the share of the steering error
    of always answering the mean that is removed."""
    steering = 100 * (1 - quality["steering_error_deg"] / mean_steering_error)
    return mean([quality["miou"], quality["delta1"], steering])


def mean_answer_error() -> float:
    """Steering error in degrees of always answering the training mean, on the test split."""
    train = road_scenes("train", NUM_SCENES, HEIGHT, WIDTH).y["steering"]
    train = train[: BUDGETS["networks"]["images"]]
    test = road_scenes("test", 500, HEIGHT, WIDTH).y["steering"]
    return (test - train.mean()).abs().mean().item()


def main() -> None:
    """Run the jobs of one part, or of both and then the summary."""
    help_text = "train the networks of this part alone"
    chosen = frame.options(__doc__, {"--part": {"choices": PARTS, "help": help_text}})
    part = chosen.part
    asked = [part] if part else PARTS
    results = [run(job, chosen.again) for each in asked for job in jobs(each)]
    if part:
        return
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
        "images_seen": images_seen(),
        "mean_answer_steering_error_deg": reference,
    }
    edu.save_weights(merged_network(), "road_shared_light", half=True)
    edu.save_result(NAME, figures, frame.command(NAME))


def images_seen() -> dict[str, int]:
    """How many images the training of the three networks sees in all, and that of the merged."""
    seen = {part: each["images"] * each["num_epochs"] for part, each in BUDGETS.items()}
    return {"three": len(TASKS) * seen["networks"], "merged": seen["merged"]}


def merged_network() -> RoadNet:
    """The merged network of the first seed, which ships."""
    job = next(job for job in jobs("networks") if job["part"] == "merged")
    network = RoadNet(TASKS, BUDGETS["merged"]["network_width"])
    return edu.load_weights(network, key(job), CACHE)


if __name__ == "__main__":
    frame.start(main)
