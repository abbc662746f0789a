"""Does the order of distilling, pruning and rounding matter? Short trainings, three seeds.

    python3 -m studies.thirty_frames_order

Every order has as many epochs in all, on the same few scenes at half the size, so that the orders
can be compared with each other and with nothing else. What comes after the rounding was learned
and needs floats again, pruning, takes it off; integers are then made by calibration. Writes
data/results/thirty_frames_order.json; about six minutes of one core.
"""

from statistics import mean, stdev

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import edu_lib as edu
from classroom.road_scenes import RoadSplit
from edu_lib.models.road_tasks import as_input, evaluate_road
from edu_lib.models.small_roadnet import HEADS, SmallRoadNet, WholeSize
from edu_lib.techniques.quantization import convert, prepare_qat, quantize_static
from studies import frame
from studies.thirty_frames_steps import CACHE, MULTIPLE_OF
from studies.thirty_frames_steps import SHORT as PLAN
from studies.thirty_frames_teachers import answers, augment_small, objective

NAME = "thirty_frames_order"
ORDERS = ("DPQ", "PDQ", "DQP", "PQD")
SEEDS = (0, 1, 2)
SCENES, JUDGED, CALIBRATION, BATCH = 400, 200, 64, 8
EPOCHS, LR = {"D": 8, "P": 2, "Q": 2}, {"D": 4e-3, "P": 2e-3, "Q": 1e-3}
SHAPE = (1, 3, PLAN.height // 2, PLAN.width_px // 2)


def halved(scenes: RoadSplit) -> tuple[Tensor, dict[str, Tensor]]:
    """Images and dense labels at half the size."""
    X = F.avg_pool2d(scenes.X.float(), 2).round().to(torch.uint8)
    dense = {name: scenes.y[name][:, ::2, ::2] for name in ("segmentation", "depth")}
    return X, dense | {"steering": scenes.y["steering"]}


def learn(model: nn.Module, num_epochs: int, lr: float, seed: int) -> None:
    """Trains in place, from labels and teachers."""
    scenes = PLAN.split("train").subset(torch.arange(SCENES))
    labels = {name: scenes.y[name] for name in ("segmentation", "depth", "steering")}
    edu.fit(
        model,
        scenes.X,
        labels | answers(scenes.X, "cpu", CACHE) | {"taught": torch.ones(SCENES).bool()},
        num_epochs=num_epochs,
        lr=lr,
        batch_size=BATCH,
        weight_decay=PLAN.weight_decay,
        warmup=0.1,
        loss=objective,
        transform=augment_small,
        channels_last=True,
        seed=seed,
        device="cpu",
        progress=False,
    )


def calibration() -> Tensor:
    """Scenes from which the grids of activations are chosen."""
    return as_input(halved(PLAN.split("train").subset(torch.arange(CALIBRATION)))[0])


def made(order: str, seed: int) -> nn.Module:
    """The int8 network that this order of steps makes."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: nn.Module = SmallRoadNet().eval()
    rounded, waiting = False, 0
    for at, step in enumerate(order):
        if step == "P":
            model = edu.to_plain(model) if rounded else model
            rounded = False
            model = edu.prune_channels(
                model, torch.rand(SHAPE), mac_share=PLAN.mac_share, round_to=MULTIPLE_OF, skip=HEADS
            )
        if step == "Q":
            model = prepare_qat(model, calibration(), weight_bits=PLAN.weight_bits)
            rounded = True
        if "D" not in order[: at + 1]:  # nothing is known yet: the epochs are kept for D
            waiting += EPOCHS[step]
            continue
        extra, waiting = waiting, 0
        learn(model, EPOCHS[step] + extra, LR[step], seed)
    if rounded:
        return convert(model)
    return quantize_static(model, calibration(), weight_bits=PLAN.weight_bits)


def judged(order: str, seed: int) -> dict:
    """Quality on validation scenes, and the size of what was made."""
    model = made(order, seed)
    found = evaluate_road(
        WholeSize(model), *halved(PLAN.split("validation").subset(torch.arange(JUDGED)))
    )
    cost = edu.count_cost(model, SHAPE)
    return {"miou": found.miou, "delta1": found.delta1, "macs": cost.macs, "params": cost.params}


def summary(rows: dict[str, list[dict]]) -> dict:
    """Mean and scatter of each order, and whether the best and the worst differ by more."""
    orders = {
        order: {
            "mious": [row["miou"] for row in found],
            "miou": mean(row["miou"] for row in found),
            "spread": stdev(row["miou"] for row in found),
            "macs": mean(row["macs"] for row in found),
        }
        for order, found in rows.items()
    }
    best = max(orders, key=lambda order: orders[order]["miou"])
    worst = min(orders, key=lambda order: orders[order]["miou"])
    gap = orders[best]["miou"] - orders[worst]["miou"]
    scatter = max(orders[best]["spread"], orders[worst]["spread"])
    return {
        "orders": orders,
        "best": best,
        "worst": worst,
        "gap_points": gap,
        "largest_spread": max(each["spread"] for each in orders.values()),
        "decided": gap > 2 * scatter,
        "seeds": len(SEEDS),
        "scenes": SCENES,
        "epochs": EPOCHS,
    }


def main() -> None:
    """Every order that is not stored yet, then the result file."""
    chosen = frame.options(__doc__)
    runs = {f"{o}_{seed}": {"order": o, "seed": seed} for o in ORDERS for seed in SEEDS}
    found = frame.run_all(judged, runs, NAME, again=chosen.again)
    rows = {order: [found[f"{order}_{seed}"] for seed in SEEDS] for order in ORDERS}
    edu.save_result(NAME, summary(rows), frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
