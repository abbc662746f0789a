"""The networks a container can name, and their arguments. A file names them; it holds no code.

The place of a network and of an argument is its number in every file written so far: append,
never reorder.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from edu_lib import models
from edu_lib.models.lenet1998 import ScaledTanh
from edu_lib.models.roadnet import BLOCKS, TASKS, RoadNet
from edu_lib.models.small_alexnet import FASHION_MEAN, FASHION_STD


@dataclass(frozen=True)
class Whole:
    """An argument that is a whole number from `low` to `high`."""

    default: int
    low: int
    high: int

    def check(self, value: object) -> bool:
        return type(value) is int and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"a whole number from {self.low} to {self.high}"


@dataclass(frozen=True)
class Real:
    """An argument that is a number from `low` to `high`."""

    default: float
    low: float
    high: float

    def check(self, value: object) -> bool:
        return type(value) in (int, float) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"a number from {self.low} to {self.high}"


@dataclass(frozen=True)
class Choice:
    """An argument that is one of a few values, the first by default; `made` turns it to a part."""

    values: tuple
    made: Mapping[Any, Any] | None = None

    @property
    def default(self) -> Any:
        return self.values[0]

    def check(self, value: object) -> bool:
        return any(type(value) is type(known) and value == known for known in self.values)

    def __str__(self) -> str:
        return f"one of {', '.join(map(repr, self.values))}"


Argument = Whole | Real | Choice


@dataclass(frozen=True)
class Network:
    """A network of the kit: how to build it, and the shape [C, H, W] of an image it takes."""

    build: Callable[..., nn.Module]
    arguments: Mapping[str, Argument]
    image: Callable[..., tuple[int, int, int]]
    on_meta: bool = True  # False: its constructor looks at values, so that it needs memory

    def make(self, arguments: Mapping[str, Any]) -> nn.Module:
        """The network in evaluation mode, on the meta device: shapes without memory."""
        kwargs = {}
        for name, value in arguments.items():
            made = getattr(self.arguments[name], "made", None)
            kwargs[name] = value if made is None else made[value]
        with torch.random.fork_rng(), torch.device("meta" if self.on_meta else "cpu"):
            return self.build(**kwargs).eval()


ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "scaled_tanh": ScaledTanh}
POOLS = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
TASK_SETS = (TASKS, *((task,) for task in TASKS), TASKS[:2], TASKS[1:], (TASKS[0], TASKS[2]))
CLASSES = {"num_classes": Whole(1000, 1, 100_000)}


def _digit(**_: object) -> tuple[int, int, int]:
    return (1, 28, 28)


def _photo(**_: object) -> tuple[int, int, int]:
    return (3, 224, 224)


def _small(image_size: int, in_channels: int, **_: object) -> tuple[int, int, int]:
    return (in_channels, image_size, image_size)


def _road(**_: object) -> tuple[int, int, int]:
    return (3, 128, 256)


NETWORKS: dict[str, Network] = {
    "LeNet5Caffe": Network(models.LeNet5Caffe, {}, _digit),
    "LeNet300100": Network(models.LeNet300100, {}, _digit),
    "LeNet5": Network(
        models.LeNet5,
        {
            "activation": Choice(tuple(ACTIVATIONS), ACTIVATIONS),
            "pool": Choice(tuple(POOLS), POOLS),
        },
        _digit,
    ),
    "LeNet1998": Network(models.LeNet1998, {}, _digit, on_meta=False),
    "SmallAlexNet": Network(
        models.SmallAlexNet,
        {
            "image_size": Whole(28, 14, 1024),
            "in_channels": Whole(1, 1, 64),
            "num_classes": Whole(10, 1, 10_000),
            "depth": Whole(5, 1, 64),
            "activation": Choice(("relu", "tanh", "sigmoid")),
            "overlap": Choice((True, False)),
            "lrn": Choice((False, True)),
            "towers": Whole(1, 1, 64),
            "width": Whole(16, 1, 1024),
            "mean": Real(FASHION_MEAN, -1e6, 1e6),
            "std": Real(FASHION_STD, 1e-6, 1e6),
        },
        _small,
    ),
    "AlexNet": Network(models.AlexNet, CLASSES, _photo),
    "AlexNet2012": Network(models.AlexNet2012, CLASSES | {"towers": Whole(2, 1, 2)}, _photo),
    "VGG16": Network(models.VGG16, CLASSES, _photo),
    "VGG19": Network(models.VGG19, CLASSES, _photo),
    "RoadNet": Network(
        RoadNet,
        {
            "tasks": Choice(TASK_SETS),
            "width": Real(1.0, 0.0, 8.0),
            "kind": Choice(tuple(BLOCKS)),
        },
        _road,
    ),
    "TinyNet": Network(models.TinyNet, {}, _digit),
}


def complete(network: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of the network in the registry's order, defaults filled in.

    Raises ValueError for an unknown network or argument, or a value that it cannot have.
    """
    if network not in NETWORKS:
        raise ValueError(f"a container names one of {', '.join(NETWORKS)}, got {network!r}")
    known = NETWORKS[network].arguments
    unknown = [name for name in arguments if name not in known]
    if unknown:
        has = ", ".join(known) or "none"
        raise ValueError(f"{network} has no argument {unknown[0]!r} to store; it has {has}")
    filled = {name: arguments.get(name, spec.default) for name, spec in known.items()}
    for name, spec in known.items():
        if not spec.check(filled[name]):
            raise ValueError(f"{name} of {network} is {spec}, got {filled[name]!r}")
    return filled
