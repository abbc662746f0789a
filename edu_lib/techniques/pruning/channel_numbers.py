"""Channel numbers: channels that must go together share one; some operations move them about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

# The number of all channels that must stay: those of the input and of the output.
KEPT = 0


@dataclass(frozen=True)
class Stored:
    """A parameter or a buffer of the network. name: full name."""

    name: str
    shape: tuple[int, ...]

    @property
    def layer(self) -> str:
        """The name of the layer that owns it."""
        return self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Computed:
    """A tensor that was computed from parameters and constants alone: it has no numbers."""

    shape: tuple[int, ...]


class ChannelNumbers:
    """Hands out numbers and ties them: a union-find, in which each tied set has one leader."""

    def __init__(self) -> None:
        self.leader = [KEPT]

    def new(self, count: int) -> Tensor:
        """`count` numbers that no channel has yet."""
        first = len(self.leader)
        self.leader.extend(range(first, first + count))
        return torch.arange(first, first + count)

    def find(self, number: int) -> int:
        """The leader of a number's set; the smallest number leads, so that KEPT always does."""
        while self.leader[number] != number:
            self.leader[number] = self.leader[self.leader[number]]  # halve the path
            number = self.leader[number]
        return number

    def tie(self, a: Tensor, b: Tensor) -> None:
        """Whatever stands at the same place in a and b stays or goes together."""
        a, b = (compact(each) for each in torch.broadcast_tensors(a, b))
        a, b = (each.flatten() for each in torch.broadcast_tensors(a, b))
        for pair in torch.unique(a * len(self.leader) + b).tolist():
            one, other = map(self.find, divmod(pair, len(self.leader)))
            self.leader[max(one, other)] = min(one, other)

    def leaders(self, numbers: Tensor) -> Tensor:
        """The leader of each number, the same shape."""
        asked, place = numbers.unique(return_inverse=True)
        # all numbers of the network, for each of its layers, would take as long as the tracing
        found = torch.tensor([self.find(number) for number in asked.tolist()], dtype=torch.int64)
        return found[place]


def compact(numbers: Tensor) -> Tensor:
    """The same numbers without the dimensions along which an expanded tensor repeats itself."""
    for dim, stride in enumerate(numbers.stride()):
        if stride == 0:
            numbers = numbers.narrow(dim, 0, 1)
    return numbers


def along(numbers: Tensor, dim: int) -> Tensor | None:
    """The number at each index of one dimension; None if another dimension matters as well."""
    size = numbers.shape[dim]
    numbers = compact(numbers).movedim(dim, 0).flatten(1)
    first = numbers[:, :1]
    return first[:, 0].expand(size) if torch.equal(numbers, first.expand_as(numbers)) else None


def varies(numbers: Tensor, dim: int) -> bool:
    """Whether it matters where along this dimension one stands."""
    numbers = compact(numbers)
    return numbers.dim() > 0 and bool((numbers.amin(dim) != numbers.amax(dim)).any())


class Tracer(Protocol):
    """What a rule asks of `channel_trace.ChannelTracer`."""

    numbers: ChannelNumbers
    resized: list[Tensor]
    shape: torch.Size

    def new_channels(self, layer: str, count: int) -> Tensor: ...
    def spread(self, channels: Tensor) -> Tensor: ...
    def add_place(self, stored: Stored, dim: int, numbers: Tensor, role: str) -> None: ...


def tie_groups(tracer: Tracer, groups: int, *sides: Tensor) -> None:
    """The same position of every group goes: groups stay equally wide."""
    if groups > 1:
        for channels in (side.reshape(groups, -1) for side in sides):
            tracer.numbers.tie(channels, channels[0])


def inputs_of(model: nn.Module, program: torch.export.ExportedProgram) -> list[object]:
    """One argument for each placeholder: parameters by name, the image as KEPT numbers."""
    signature = program.graph_signature
    names = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    first: dict[int, str] = {}
    for name, tensor in _tensors(model):
        first.setdefault(id(tensor), name)
    known = {name: first[id(tensor)] for name, tensor in _tensors(model)}
    inputs = []
    for node in program.graph.nodes:
        if node.op == "placeholder":
            shape = tuple(node.meta["val"].shape)
            if node.name not in names:
                inputs.append(torch.full((), KEPT).expand(shape))
            elif names[node.name] in known:
                inputs.append(Stored(known[names[node.name]], shape))
            else:
                inputs.append(Computed(shape))
    return inputs


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    """(full name, tensor) of parameters, buffers and other tensors; tied ones under all names."""
    found = [*model.named_parameters(remove_duplicate=False),
             *model.named_buffers(remove_duplicate=False)]  # fmt: skip
    for name, part in model.named_modules(remove_duplicate=False):
        prefix = f"{name}." if name else ""
        found += [(prefix + key, each) for key, each in vars(part).items() if torch.is_tensor(each)]
    return found


def same_channels(tracer: Tracer, X: Tensor, *rest: object) -> Tensor | None:
    """Pooling and resizing: [N, C, ...] to [N, C, ...] of another size."""
    channels = along(X, 1)
    return None if channels is None else tracer.spread(channels)


def pad(tracer: Tracer, X: Tensor, *rest: object) -> Tensor | None:
    """Padding of height and width is followed, of channels is not."""
    return same_channels(tracer, X) if X.shape[1] == tracer.shape[1] else None


def reduction(
    tracer: Tracer, X: Tensor, dims: Sequence[int] = (), keepdim: bool = False, **_: object
) -> Tensor | None:
    """A mean over height and width is followed, over channels is not."""
    dims = () if dims is None else dims
    lowest = X.amin(dims, keepdim)
    return lowest if torch.equal(lowest, X.amax(dims, keepdim)) else None


def joined(tracer: Tracer, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """A concatenation: the numbers of one tensor after those of the other."""
    return torch.cat(tensors, dim)


def reshaped(tracer: Tracer, X: Tensor, *rest: object) -> Tensor | None:
    """X [N, C, ...] to [N, C, ...] or [N, C * ...] is followed; to split channels is not."""
    keeps_channels = tracer.shape[:2] == X.shape[:2]
    flattens = tracer.shape == (len(X), X[0].numel())
    if along(X, 1) is None or not (keeps_channels or flattens):
        return None
    tracer.resized.append(X)
    return X.reshape(tracer.shape)


def widened(tracer: Tracer, X: Tensor, *rest: object) -> Tensor | None:
    """Expansion. One channel that becomes many stays, and any of the copies can go."""
    if X.dim() != len(tracer.shape):
        return None
    copies = X.shape[1:2] != tracer.shape[1:2] and len(X.unique()) == 1
    tracer.resized.append(X)
    if not copies:
        return X.expand(tracer.shape)
    tracer.numbers.tie(X, torch.tensor(KEPT))
    channels = tracer.numbers.new(tracer.shape[1])
    tracer.resized.append(channels)
    return tracer.spread(channels)


def turned(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Operations that give the dimensions another order, add one or take one away."""
    return lambda tracer, X, *rest: function(X, *rest)


def part(function: Callable[..., object], place: int) -> Callable[..., object]:
    """A part along a dimension, such as of the image. place: of the dimension in the arguments.

    A part of the channels, counted by position, is not followed.
    """

    def rule(tracer: Tracer, X: Tensor, *rest: object) -> object:
        dim = rest[place] if len(rest) > place else 0
        return None if varies(X, dim) else function(X, *rest)

    return rule


def equal_parts(function: Callable[..., object]) -> Callable[..., object]:
    """Channels in n parts of one size: the same position of every part goes."""

    def rule(tracer: Tracer, X: Tensor, num_parts: object, dim: int = 0) -> object:
        if varies(X, dim):
            channels = along(X, dim)
            if channels is None or not isinstance(num_parts, int) or len(channels) % num_parts:
                return None
            tie_groups(tracer, num_parts, channels)
            tracer.resized.append(X)
        return function(X, num_parts, dim)

    return rule
