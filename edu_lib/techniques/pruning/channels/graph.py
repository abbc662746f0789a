"""What pruning knows of a network: which entries of which parameters belong to which channel."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from edu_lib.techniques.pruning.channels.numbers import KEPT

MAKES, CARRIES, READS = "makes", "carries", "reads"


class Stored(NamedTuple):
    """A parameter or a buffer of the network. name: full name."""

    name: str
    shape: tuple[int, ...]

    @property
    def layer(self) -> str:
        return self.name.rpartition(".")[0]


@dataclass
class Place:
    """A dimension of a parameter or buffer that lies along channels.

    parameter: its full name. numbers: [size of that dimension], the channel at each index.
    role: "makes" (the filters of a layer), "carries" (batch norm, bias, depthwise filters) or
    "reads" (the inputs of a layer).
    """

    parameter: str
    dim: int
    numbers: Tensor
    role: str

    @property
    def layer(self) -> str:
        """The name of the layer that owns the parameter."""
        return self.parameter.rpartition(".")[0]


@dataclass(repr=False)
class ChannelGroup:
    """Channels that pass the same layers: any of them can go, from all these layers at once.

    numbers: the number of each; a grouped convolution gives one number to several channels.
    """

    numbers: Tensor
    places: list[Place]

    def layers(self, role: str) -> list[str]:
        """Names of the layers with that role, each once."""
        return list(dict.fromkeys(place.layer for place in self.places if place.role == role))

    def width(self, removed: Tensor | None = None) -> int:
        """Channels in the layer that makes them, without the removed, bool [num_numbers]."""
        made = next(place for place in self.places if place.role == MAKES).numbers
        stays = torch.isin(made, self.numbers)
        return int(stays.sum() if removed is None else (stays & ~removed[made]).sum())

    def __len__(self) -> int:
        return len(self.numbers)

    def __repr__(self) -> str:
        texts = [
            f"{verb} {', '.join(self.layers(role))}"
            for role, verb in ((MAKES, "made by"), (CARRIES, "carried by"), (READS, "read by"))
            if self.layers(role)
        ]
        return f"{self.width()} channels {'; '.join(texts)}"


@dataclass(repr=False)
class ChannelGraph:
    """All places of a network, the groups they form, and the MACs that depend on them.

    num_numbers: numbers in use, KEPT included. weights: {parameter: (its shape, how often each of
    its weights multiplies for one image)}. output_shapes: of one image.
    """

    places: list[Place]
    num_numbers: int
    weights: dict[str, tuple[tuple[int, ...], int]]
    output_shapes: list[tuple[int, ...]]
    groups: list[ChannelGroup] = field(init=False)

    def __post_init__(self) -> None:
        self.groups = list(_groups(self.places))

    def macs(self, removed: Tensor) -> int:
        """MACs of one image without the removed channels. removed: bool [num_numbers]."""
        sizes = {name: list(shape) for name, (shape, _) in self.weights.items()}
        for place in self.places:
            if place.parameter in sizes:
                sizes[place.parameter][place.dim] = int((~removed[place.numbers]).sum())
        # a weight multiplies once at each place of the output
        return sum(math.prod(sizes[name]) * times for name, (_, times) in self.weights.items())

    def none_removed(self) -> Tensor:
        """bool [num_numbers], all False."""
        return torch.zeros(self.num_numbers, dtype=torch.bool)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.groups))


def _groups(places: list[Place]) -> Iterator[ChannelGroup]:
    """Channels with exactly the same places form a group."""
    visited = defaultdict(list)
    for index, place in enumerate(places):
        for number in place.numbers.unique().tolist():
            visited[number].append(index)
    members = defaultdict(list)
    for number, indices in sorted(visited.items()):
        if number != KEPT:
            members[tuple(indices)].append(number)
    for indices, numbers in members.items():
        yield ChannelGroup(torch.tensor(numbers), [places[index] for index in indices])
