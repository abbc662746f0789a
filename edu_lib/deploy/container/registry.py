"""The networks that a container can name, and their arguments. A file names them; it holds no code.

The place of a network and of an argument is its number in every file written so far: append,
never reorder. Defaults are those of the constructors. Functions that code run both ways: see
techniques.entropy_coding.range_coder.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from edu_lib import models
from edu_lib.models.lenet1998 import ScaledTanh
from edu_lib.models.roadnet import BLOCKS, TASKS, RoadNet
from edu_lib.techniques.entropy_coding import AdaptiveBit, AdaptiveNumber, Coder, code_bits

FACTORED = 254  # stands before the number of a network whose layers were factored
OWN = 253  # stands in place of the number of a network that is not the kit's


@dataclass(frozen=True)
class Within:
    """An argument that is a number from `low` to `high`: a whole one if these are."""

    low: float
    high: float

    def check(self, value: object) -> bool:
        kinds = (int,) if type(self.low) is int else (int, float)
        return type(value) in kinds and self.low <= value <= self.high

    def __str__(self) -> str:
        kind = "a whole number" if type(self.low) is int else "a number"
        return f"{kind} from {self.low} to {self.high}"


@dataclass(frozen=True)
class Choice:
    """An argument that is one of a few values; `parts` are those that a file knows by a name."""

    values: tuple
    parts: Mapping[str, Any] = field(default_factory=dict)

    def check(self, value: object) -> bool:
        return any(type(value) is type(known) and value == known for known in self.values)

    def __str__(self) -> str:
        return f"one of {', '.join(map(repr, self.values))}"


Argument = Within | Choice


@dataclass(frozen=True)
class Network:
    """A network of the kit: how to build it, and the shape [C, H, W] of an image it takes."""

    build: type[nn.Module]
    image: tuple[int, int, int] | Callable[[Mapping[str, Any]], tuple[int, int, int]]
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    on_meta: bool = True  # False: its constructor looks at values, so that it needs memory

    def default(self, name: str) -> Any:
        """What the constructor takes if the argument is not given, by its name in a file."""
        return _named(self.arguments[name], inspect.signature(self.build).parameters[name].default)

    def make(self, arguments: Mapping[str, Any]) -> nn.Module:
        """The network in evaluation mode, on the meta device: shapes without memory.

        Raises ValueError if it cannot be built with these arguments.
        """
        specs = self.arguments
        values = {n: getattr(specs[n], "parts", {}).get(v, v) for n, v in arguments.items()}
        try:
            with torch.random.fork_rng(), torch.device("meta" if self.on_meta else "cpu"):
                return self.build(**values).eval()
        except (ValueError, RuntimeError) as error:
            told = f"{self.build.__name__} cannot be built with {dict(arguments)}"
            raise ValueError(f"{told}: {error}") from None

    def example(self, arguments: Mapping[str, Any]) -> torch.Tensor:
        """One image of uniform noise that the network takes, always the same."""
        shape = self.image(arguments) if callable(self.image) else self.image
        generator = torch.Generator().manual_seed(0)
        return torch.rand(1, *shape, generator=generator)


ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "scaled_tanh": ScaledTanh}
POOLS = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
TASK_SETS = (TASKS, *((task,) for task in TASKS), TASKS[:2], TASKS[1:], (TASKS[0], TASKS[2]))
CLASSES = {"num_classes": Within(1, 100_000)}
DIGIT, PHOTO, ROAD = (1, 28, 28), (3, 224, 224), (3, 128, 256)
LENET5 = {
    "activation": Choice(tuple(ACTIVATIONS), ACTIVATIONS),
    "pool": Choice(tuple(POOLS), POOLS),
}
SMALL_ALEXNET = {
    "image_size": Within(14, 1024),
    "in_channels": Within(1, 64),
    "num_classes": Within(1, 10_000),
    "depth": Within(1, 64),
    "activation": Choice(("relu", "tanh", "sigmoid")),
    "overlap": Choice((True, False)),
    "lrn": Choice((False, True)),
    "towers": Within(1, 64),
    "width": Within(1, 1024),
    "mean": Within(-1e6, 1e6),
    "std": Within(1e-6, 1e6),
}
ROADNET = {
    "tasks": Choice(TASK_SETS),
    "width": Within(0.0, 8.0),
    "kind": Choice(tuple(BLOCKS)),
}


def _small(told: Mapping[str, Any]) -> tuple[int, int, int]:
    return told["in_channels"], told["image_size"], told["image_size"]


NETWORKS: dict[str, Network] = {
    "LeNet5Caffe": Network(models.LeNet5Caffe, DIGIT),
    "LeNet300100": Network(models.LeNet300100, DIGIT),
    "LeNet5": Network(models.LeNet5, DIGIT, LENET5),
    "LeNet1998": Network(models.LeNet1998, DIGIT, on_meta=False),
    "SmallAlexNet": Network(models.SmallAlexNet, _small, SMALL_ALEXNET),
    "AlexNet": Network(models.AlexNet, PHOTO, CLASSES),
    "AlexNet2012": Network(models.AlexNet2012, PHOTO, CLASSES | {"towers": Within(1, 2)}),
    "VGG16": Network(models.VGG16, PHOTO, CLASSES),
    "VGG19": Network(models.VGG19, PHOTO, CLASSES),
    "RoadNet": Network(RoadNet, ROAD, ROADNET),
    "TinyNet": Network(models.TinyNet, DIGIT),
}


def complete(network: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of the network in the registry's order, defaults filled in.

    Raises ValueError for an unknown argument, or a value that it cannot have.
    """
    known = NETWORKS[network].arguments
    unknown = [name for name in arguments if name not in known]
    if unknown:
        has = ", ".join(known) or "none"
        raise ValueError(f"{network} has no argument {unknown[0]!r} to store; it has {has}")
    filled = {}
    for name, spec in known.items():
        given = name in arguments
        value = _named(spec, arguments[name]) if given else NETWORKS[network].default(name)
        if not spec.check(value):
            raise ValueError(f"{name} of {network} is {spec}, got {value!r}")
        filled[name] = value
    return filled


def _named(spec: Argument, value: Any) -> Any:
    """The value as a file knows it: nn.ReLU is "relu"."""
    parts = getattr(spec, "parts", {})
    return next((name for name, part in parts.items() if part is value), value)


def code_network(
    coder: Coder,
    network: str | None = "",
    arguments: Mapping[str, Any] | None = None,
    is_factored: bool = False,
) -> tuple[str | None, dict[str, Any], bool]:
    """The name of a network, its arguments, and whether layers of it were factored.

    None stands for a network that is not the kit's. Arguments with default values cost next to
    nothing, and so do networks that are not factored.
    """
    names = list(NETWORKS)
    own = OWN if network is None else names.index(network) if network else 0
    number = AdaptiveNumber(8).code(coder, FACTORED if is_factored else own)
    is_factored = number == FACTORED
    if is_factored:
        number = AdaptiveNumber(8).code(coder, own)
    elif number == OWN:
        return None, {}, False
    if number >= len(names):
        raise ValueError(f"it names network {number}, and this version of the kit knows none such")
    network, is_default = names[number], AdaptiveBit()
    result = {}
    for name, spec in NETWORKS[network].arguments.items():
        default = NETWORKS[network].default(name)
        value = default if arguments is None else arguments[name]
        if is_default.code(coder, int(value == default)):
            result[name] = default
        else:
            result[name] = _code_argument(coder, spec, value)
    return network, complete(network, result), is_factored


def _code_argument(coder: Coder, spec: Argument, value: Any) -> Any:
    if isinstance(spec, Choice):
        given = spec.values.index(value) if value in spec.values else 0
        number = AdaptiveNumber(8).code(coder, given)
        return spec.values[min(number, len(spec.values) - 1)]
    if type(spec.low) is int:
        return spec.low + AdaptiveNumber().code(coder, value - spec.low)
    # a real number keeps all the digits it has
    word = int(np.float64(value).view(np.uint64))
    return float(np.uint64(code_bits(coder, 64, word)).view(np.float64))
