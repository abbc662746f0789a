"""Quality against bits: from 8 to 1, rounded after training or trained to be rounded.

    python3 -m studies.bits [clothes | roads] [--seeds N]

Clothes: the small AlexNet of chapter 03 on Fashion-MNIST. Seed 0 is the network that ships, every
other seed a network of its own, trained by the same recipe. Rounded after training with 8 to 2 bits
a weight, one scale a layer or one a channel, activations of 8 bits. Then trained one epoch more
with rounding in the forward pass: 4, 3 and 2 bits by LSQ, ternary, and binary weights; the control
is trained as long in float. A change is ours minus the float network of the same seed.
Roads: the heavy segmentation network, weights alone, a scale a channel or a block of 32; then
trained on with 4 bits and with three values, half labels, half its own soft targets. There is one
float network; a seed is an order of the scenes.
Recipes were chosen on validation images and scenes; the test set is read once a row and seed. A
first recipe for roads, lr 1e-3, had been read there too: -1.27 and -1.23 points. Writes
data/results/bits.json row by row; finished runs are kept in data/runs, so a study goes on. Ten
minutes a seed for clothes and an hour for roads, one core.
"""

import copy
from collections.abc import Callable, Iterator
from functools import cache, partial
from statistics import mean, stdev

import torch
from torch import nn

import edu_lib as edu
from classroom.road_scenes import road_scenes
from edu_lib.layers import first_and_last
from edu_lib.models.road_tasks import evaluate_road
from edu_lib.techniques.quantization import (
    binarize,
    convert,
    prepare_qat,
    quantize_static,
    quantize_weights,
    ternarize,
)
from studies import frame
from studies.alexnet_weights import PARTS, RECIPE
from studies.channel_pruning_choice import heavy
from studies.channel_pruning_recovery import augment, recovery_loss, teacher_logits

NAME = "bits"
CALIBRATION = 64
CLOTHES_RECIPE = {"num_epochs": 1, "batch_size": 128, "lr": 1e-3, "weight_decay": 0.0}
ROAD_RECIPE = {"batch_size": 16, "weight_decay": 0.0}
ROAD_RECIPES = {  # four bits are near, three values are not
    "lsq_4": {"num_scenes": 4000, "num_epochs": 1, "lr": 1e-4},
    "ternary": {"num_scenes": 8000, "num_epochs": 2, "lr": 5e-4},
}
TRAINED = {
    "lsq_4": partial(prepare_qat, weight_bits=4),
    "lsq_3": partial(prepare_qat, weight_bits=3),
    "lsq_2": partial(prepare_qat, weight_bits=2),
}
UNROUNDED = "float"
BITS = {UNROUNDED: 32, "lsq_4": 4, "ternary": 2, "lsq_3": 3, "lsq_2": 2, "binary": 1}

Row = dict[str, object]


def row(network: str, method: str, bits: int, scales: str) -> Row:
    """What names a row of the result file."""
    return {"network": network, "method": method, "bits": bits, "scales": scales}


# Clothes


@cache
def clothes(seed: int) -> nn.Module:
    """The float network of a seed; trained now, and in the cache then, if it is not the first."""
    if seed == 0:
        return edu.load_weights(edu.models.SmallAlexNet(**PARTS), "small_alexnet").eval()
    data = edu.fashion_mnist().train
    torch.manual_seed(seed)
    model = edu.models.SmallAlexNet(**PARTS)
    edu.fit(
        model,
        data.X,
        data.y,
        checkpoint=frame.CACHE_FOLDER / NAME / f"clothes_{seed}.safetensors",
        channels_last=True,
        device="cpu",
        progress=False,
        **RECIPE | {"seed": seed},
    )
    return model.half().float().eval()  # 16 bits, as the one that ships


def accuracy(model: nn.Module) -> float:
    """Percent of the test images."""
    test = edu.fashion_mnist().test
    return edu.evaluate(model, test.X, test.y).accuracy


def rounded_clothes(seed: int, bits: int, per_channel: bool) -> float:
    calibration = edu.fashion_mnist().fit.X[:CALIBRATION]
    return accuracy(
        quantize_static(clothes(seed), calibration, weight_bits=bits, per_channel=per_channel)
    )


def trained_clothes(method: str, seed: int) -> float:
    """One epoch more, in which weights are rounded in every forward pass, or not, for control."""
    split, start = edu.fashion_mnist().fit, clothes(seed)
    if method in TRAINED:
        model = TRAINED[method](start, split.X[:CALIBRATION])
    elif method == UNROUNDED:
        model = copy.deepcopy(start)
    else:
        technique = {"ternary": ternarize, "binary": binarize}[method]
        model = technique(start, skip=first_and_last(start))
    edu.fit(model, split.X, split.y, seed=seed, device="cpu", progress=False, **CLOTHES_RECIPE)
    return accuracy(convert(model) if method in TRAINED else model)


def clothes_rows(seeds: int) -> Iterator[tuple[Row, Callable[[int], float], int]]:
    """(row, function from a seed to percent, seeds)."""
    for scales in ("channel", "layer"):
        for bits in (8, 6, 5, 4, 3, 2):
            yield (
                row("small_alexnet", "rounded", bits, scales),
                partial(rounded_clothes, bits=bits, per_channel=scales == "channel"),
                seeds,
            )
    for method, bits in BITS.items():
        yield (
            row("small_alexnet", method, bits, "channel"),
            partial(trained_clothes, method),
            seeds,
        )


# Roads


def miou(model: nn.Module) -> float:
    """Mean IoU in percent on the test scenes."""
    scenes = road_scenes("test")
    return evaluate_road(model, scenes.X, scenes.y).miou


def rounded_road(bits: int, block_size: int | None) -> float:
    return miou(quantize_weights(heavy(), bits, block_size=block_size))


def trained_road(method: str, seed: int) -> float:
    """An epoch or two more, in which weights are rounded in every forward pass."""
    if method == "ternary":
        model = ternarize(heavy(), skip=first_and_last(heavy()))
    else:
        calibration = road_scenes("train", CALIBRATION).X.float() / 255
        model = TRAINED[method](heavy(), calibration)
    train_road(model, seed, **ROAD_RECIPES[method])
    return miou(convert(model) if method in TRAINED else model)


def train_road(model: nn.Module, seed: int, num_scenes: int, num_epochs: int, lr: float) -> None:
    """Trains in place on the first of the training scenes."""
    scenes = road_scenes("train")
    logits = teacher_logits(scenes)[:num_scenes]
    scenes = scenes.subset(torch.arange(num_scenes))
    y = {name: scenes.y[name] for name in ("segmentation", "steering")} | {"teacher": logits}
    edu.fit(
        model,
        scenes.X,
        y,
        loss=recovery_loss,
        transform=augment,
        precision=torch.bfloat16,
        channels_last=True,
        seed=seed,
        device="cpu",
        progress=False,
        num_epochs=num_epochs,
        lr=lr,
        **ROAD_RECIPE,
    )


def road_rows(seeds: int) -> Iterator[tuple[Row, Callable[[int], float], int]]:
    """(row, function from a seed to percent, seeds)."""
    for bits, block in ((8, None), (4, None), (4, 32), (3, 32)):
        scales = "channel" if block is None else "block"
        yield (
            row("road_segmentation", "rounded", bits, scales),
            lambda seed, bits=bits, block=block: rounded_road(bits, block),
            1,
        )
    for method in ROAD_RECIPES:
        yield (
            row("road_segmentation", method, BITS[method], "channel"),
            partial(trained_road, method),
            seeds,
        )


# Result file


def save(found: Row, bases: list[float]) -> None:
    """Adds a row to the result file, or puts it in the place of the one that is there.

    bases: percent of the float network that each seed started from.
    """
    changes = [ours - base for ours, base in zip(found["qualities"], bases, strict=True)]
    found |= {"quality": mean(found["qualities"]), "change_points": mean(changes)}
    found |= {"changes": changes, "seeds": len(changes)}
    if len(changes) > 1:
        found |= {"sd_quality": stdev(found["qualities"]), "sd_points": stdev(changes)}
    names = ("network", "method", "bits", "scales")
    others = [
        each
        for each in frame.stored_result(NAME).get("rows", [])
        if any(each[name] != found[name] for name in names)
    ]
    edu.save_result(NAME, {"rows": [*others, found]}, frame.command(NAME))
    print(found, flush=True)


def main() -> None:
    """All rows of the parts that are asked for, each written as soon as it is found."""
    parts = {"clothes": clothes_rows, "roads": road_rows}
    words = {"nargs": "*", "default": list(parts), "help": ", ".join(parts)}
    chosen = frame.options(__doc__, {"parts": words}, seeds=3)
    for part in chosen.parts:
        for named, quality_of, seeds in parts[part](chosen.seeds):
            name = "_".join(map(str, named.values()))
            qualities = [judged(name, quality_of, seed, chosen.again) for seed in range(seeds)]
            save(named | {"qualities": qualities}, [base(part, seed) for seed in range(seeds)])


def base(part: str, seed: int) -> float:
    """Percent of the float network that a seed starts from."""
    if part == "roads":
        return judged("roads_whole", lambda seed: miou(heavy()), 0)
    return judged("clothes_whole", lambda seed: accuracy(clothes(seed)), seed)


def judged(name: str, quality_of: Callable[[int], float], seed: int, again: bool = False) -> float:
    """Percent of one row and seed; what is stored is not run again."""
    one = {f"{name}_seed{seed}": {"seed": seed}}
    runs = frame.run_all(lambda seed: {"quality": quality_of(seed)}, one, NAME, again=again)
    return next(iter(runs.values()))["quality"]


if __name__ == "__main__":
    frame.start(main)
