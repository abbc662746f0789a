"""Which entries of which parameters belong to which channel, and how a network loses some.

A channel has a number, and channels that must go together share one. `channel_trace` finds them.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from edu_lib.copies import copied
from edu_lib.graph import Inputs, as_inputs
from edu_lib.sizes import update_sizes_
from edu_lib.techniques.pruning.channel_numbers import KEPT

MAKES, CARRIES, READS = "makes", "carries", "reads"
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d,
         nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)  # fmt: skip


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
    its weights multiplies for one image)}. shapes: of the outputs in evaluation mode, and in
    training mode. resized: layers whose channels pass an operation that states sizes (a view).
    """

    places: list[Place]
    num_numbers: int
    weights: dict[str, tuple[tuple[int, ...], int]]
    shapes: tuple[object, object]
    resized: list[str]
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


def without_channels(model: nn.Module, graph: ChannelGraph, removed: Tensor) -> nn.Module:
    """A copy of the model whose parameters have no entries of the removed channels."""
    smaller = copied(model)
    tensors = [*smaller.named_parameters(remove_duplicate=False),
               *smaller.named_buffers(remove_duplicate=False)]  # fmt: skip
    names = defaultdict(list)  # of each tensor: tied layers share one
    for name, tensor in tensors:
        names[id(tensor)].append(name)
    changed = set()
    for place in graph.places:
        stays = ~removed[place.numbers]
        if stays.all():
            continue
        old = _stored(smaller, place.parameter)
        cut = old.detach().index_select(place.dim, stays.nonzero()[:, 0].to(old.device))
        if isinstance(old, nn.Parameter):
            cut = nn.Parameter(cut, requires_grad=old.requires_grad)
        owners = names.pop(id(old), [place.parameter])
        for name in owners:
            layer, _, attribute = name.rpartition(".")
            setattr(smaller.get_submodule(layer), attribute, cut)
            changed.add(layer)
        names[id(cut)] = owners
    for layer in changed:
        update_sizes_(smaller.get_submodule(layer))
    return smaller


def zeroed_channels(model: nn.Module, graph: ChannelGraph, removed: Tensor) -> nn.Module:
    """A copy of the model whose parameters are zero at the entries of the removed channels."""
    zeroed = copied(model)
    with torch.no_grad():
        for place in graph.places:
            tensor = _stored(zeroed, place.parameter)
            if isinstance(tensor, nn.Parameter):
                gone = removed[place.numbers].nonzero()[:, 0].to(tensor.device)
                tensor.index_fill_(place.dim, gone, 0)
    return zeroed


def output_shapes(model: nn.Module, example_input: Inputs, training: bool) -> object:
    """Shapes of the outputs for one image, or for two in training mode; an error if it fails.

    The model, its running statistics and the random state stay as they are.
    """
    inputs = [each.detach()[:1] for each in as_inputs(example_input)]
    if training:  # batch norm cannot train on one value
        inputs = [torch.cat([each, each]) for each in inputs]
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            outputs = copied(model).train(training)(*inputs)
    except Exception as error:  # whatever the parts of the model raise
        return error
    return [tuple(each.shape) for each in tree_leaves(outputs) if isinstance(each, Tensor)]


def check_runs(model: nn.Module, example_input: Inputs, graph: ChannelGraph) -> None:
    """Raises ValueError unless the model gives outputs of the shapes that it gave before."""
    for training, before in enumerate(graph.shapes):
        if isinstance(before, Exception):  # it never ran in this mode
            continue
        if output_shapes(model, example_input, bool(training)) != before:
            names = graph.resized or "the layers whose channels must stay"
            raise ValueError(
                f"the forward of {type(model).__name__} has a number of channels written into it, "
                "such as X.view(-1, 400): write X.flatten(1), or take sizes from X.shape; "
                f"skip={names!r} leaves those channels whole"
            )


def _stored(model: nn.Module, name: str) -> Tensor:
    layer, _, attribute = name.rpartition(".")
    return getattr(model.get_submodule(layer), attribute)
