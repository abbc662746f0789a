"""Does the timer tell a network from itself? The A/A control of edu_lib.measure.latency, repeated.

    python3 -m studies.timer_control

A LeNet-size network is compared with itself 100 times, one thread. An honest timer finds a ratio
within 3 % of 1. Takes about three minutes on an idle machine; an interrupted run continues.
Writes data/results/timer_control.json.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from edu_lib.data import DATA_FOLDER
from edu_lib.measure import Runner, compare_latency, percentile, pytorch_runner
from edu_lib.measure.results import RESULTS_FOLDER, save_result, write_json
from studies import frame

NAME = "timer_control"


def lenet_runner() -> Runner:
    """The modern LeNet-5 (61,706 parameters) on one 28x28 image, one thread."""
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    return pytorch_runner(model, torch.randn(1, 1, 28, 28), threads=1, name="LeNet-5")


def run(repeats: int, cache: Path) -> list[dict]:
    """The comparisons, one after another; what `cache` already holds is not measured again."""
    done = json.loads(cache.read_text(encoding="utf-8")) if cache.exists() else {"rows": []}
    rows = done["rows"][:repeats]
    runner = lenet_runner()
    for _ in tqdm(range(len(rows), repeats), initial=len(rows), total=repeats, desc="A/A"):
        compared = compare_latency(runner, runner)
        low, high = compared.interval
        control = compared.control_ratio
        rows.append({"ratio": compared.ratio, "low": low, "high": high, "control": control})
        write_json(cache, {"rows": rows})
    return rows


def figures(rows: list[dict]) -> dict:
    """What the result file says; shares run from 0 to 100."""
    ratios = [row["ratio"] for row in rows]
    return {
        "repeats": len(rows),
        "share_within_3_percent": 100 * sum(0.97 <= r <= 1.03 for r in ratios) / len(rows),
        "share_void": 100 * sum(not 0.97 <= row["control"] <= 1.03 for row in rows) / len(rows),
        "share_interval_holds_1": 100
        * sum(row["low"] <= 1 <= row["high"] for row in rows)
        / len(rows),
        "ratio_min": min(ratios),
        "ratio_p5": percentile(ratios, 5),
        "ratio_median": percentile(ratios, 50),
        "ratio_p95": percentile(ratios, 95),
        "ratio_max": max(ratios),
        "ratios": ratios,
        "threads": 1,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=RESULTS_FOLDER, help="where the result goes")
    parser.add_argument("--cache", type=Path, default=DATA_FOLDER / "cache")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error("--repeats must be 1 or more")
    cache = arguments.cache / f"{NAME}.json"
    rows = run(arguments.repeats, cache)
    command = f"python3 -m studies.{NAME} --repeats {arguments.repeats}"
    path = save_result(NAME, figures(rows), command, arguments.folder)
    cache.unlink()
    print(f"{figures(rows)['share_within_3_percent']:.0f} % within 3 %, written to {path}")


if __name__ == "__main__":
    frame.start(main)
