"""From the runs of studies.multi_task to the figures of data/results/multi_task.json."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median, stdev

import torch

import edu_lib as edu
from edu_lib.models.roadnet import TASKS, RoadNet

MEASURES = {"segmentation": "miou", "depth": "delta1", "ego": "steering_error_deg"}
TIMED_SHAPE = (1, 3, 96, 192)
TIMED_WIDTH = 0.5
ROUNDS = 7


def summarise(results: list[dict], best_runs: list[dict], score: Callable[[dict], float]) -> dict:
    """All figures but the settings. `score` makes one number of a quality."""
    networks = [run for run in results if run["part"] == "networks"]
    merged = [run for run in results if run["part"] == "merged"]
    weights = [run for run in results if run["part"] == "weights"]
    equal = [run for run in weights if set(dict_of(run).values()) == {1.0}]
    learned = [run for run in weights if run["weights"] == "learned"]
    grid = [run for run in weights if isinstance(run["weights"], dict) and run["seed"] == 0]
    qualities = {
        name: [score(run["test"]) for run in runs]
        for name, runs in (("equal", equal), ("learned", learned), ("grid_best", best_runs))
    }
    return {
        # "tasks": the shared network learns from the answers of the three; below it, from labels
        "tasks": {task: compare(task, networks, merged) for task in TASKS},
        "tasks_from_labels": {task: compare(task, networks, networks) for task in TASKS},
        "learned_weights": [run["learned"] for run in learned],
        "grid_best_weights": best_runs[0]["weights"],
        "grid": [
            {"weights": run["weights"], "score": score(run["test"]), "test": run["test"]}
            for run in grid
        ],
        "scores": {
            name: {"mean": mean(values), "spread": stdev(values), "seeds": values}
            for name, values in qualities.items()
        },
        "learned_weights_vs_grid": 100 * mean(qualities["learned"]) / mean(qualities["grid_best"]),
        # trainings of equal length
        "grid_cost_vs_learned": len(grid),
        **timed(),
    }


def dict_of(run: dict) -> dict[str, float]:
    """The fixed weights of a run, empty if they are learned."""
    return run["weights"] if isinstance(run["weights"], dict) else {}


def compare(task: str, singles: list[dict], shareds: list[dict]) -> dict:
    """Quality of one task, single and shared: means over seeds, each seed, and the change."""
    measure = MEASURES[task]
    single = [run["test"][measure] for run in singles if run["tasks"] == [task]]
    shared = [run["test"][measure] for run in shareds if len(run["tasks"]) == len(TASKS)]
    change = mean(shared) - mean(single)
    return {
        "measure": measure,
        "single": mean(single),
        "shared": mean(shared),
        "change": change,
        "change_percent": 100 * change / mean(single),
        "single_seeds": single,
        "shared_seeds": shared,
    }


def timed() -> dict:
    """Milliseconds of each network in ONNX Runtime, one thread, and what sharing saves."""
    X = torch.rand(TIMED_SHAPE, generator=torch.Generator().manual_seed(0))
    networks = {task: RoadNet([task], TIMED_WIDTH) for task in TASKS}
    networks["shared"] = RoadNet(TASKS, TIMED_WIDTH)
    costs = {name: edu.count_cost(network, TIMED_SHAPE) for name, network in networks.items()}
    with tempfile.TemporaryDirectory() as folder:
        runners = {
            name: edu.onnxruntime_runner(
                edu.export_onnx(network, X, Path(folder) / f"{name}.onnx"), X, threads=1, name=name
            )
            for name, network in networks.items()
        }
        # the networks in turn, round after round: a machine that drifts slows all of them alike
        rounds = [
            {name: edu.measure_latency(runner).p50_ms for name, runner in runners.items()}
            for _ in range(ROUNDS)
        ]
    p50 = {name: median(one[name] for one in rounds) for name in runners}
    three = [p50[task] for task in TASKS]
    return {
        "p50_ms": p50,
        "macs": {name: cost.macs for name, cost in costs.items()},
        "params": {name: cost.params for name, cost in costs.items()},
        "speed_vs_three": sum(three) / p50["shared"],
        "time_vs_slowest": p50["shared"] / max(three),
    }
