"""Runs a network on channel numbers instead of pixels, and so finds out who depends on whom."""

import operator
from collections.abc import Callable, Collection

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_leaves

from edu_lib.techniques.pruning.channels.graph import MAKES, Place, Stored
from edu_lib.techniques.pruning.channels.numbers import KEPT, ChannelNumbers
from edu_lib.techniques.pruning.channels.rules import RULES, pointwise


class ChannelTracer(fx.Interpreter):
    """Runs an exported graph on channel numbers; collects places and multiplications."""

    def __init__(self, graph_module: fx.GraphModule, keep: Collection[str]):
        super().__init__(graph_module)
        self.extra_traceback = False
        self.keep = keep
        self.numbers = ChannelNumbers()
        self.places: list[Place] = []
        self.weights: dict[str, tuple[tuple[int, ...], int]] = {}
        self.not_followed: list[tuple[str, Tensor]] = []
        self.node: fx.Node | None = None

    @property
    def shape(self) -> torch.Size:
        """Shape of what the present operation returns, or of the first of several results."""
        return tree_leaves(self.node.meta["val"])[0].shape

    def run_node(self, node: fx.Node) -> object:
        self.node = node
        return super().run_node(node)

    def call_function(self, target: object, args: tuple, kwargs: dict) -> object:
        numbers = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        if target is operator.getitem:
            return args[0][args[1]] if isinstance(args[0], tuple | list) else args[0]
        if not numbers:
            return None  # computed from constants and parameters alone
        rule = _rule(target)
        result = None
        if rule is not None and not self._reads_computed_values():
            result = rule(self, *args, **kwargs)
        if result is None:
            self.not_followed.append((self._here(), torch.cat([n.flatten() for n in numbers])))
            result = torch.full((), KEPT).expand(self.shape)
        return result

    def output(self, target: object, args: tuple, kwargs: dict) -> None:
        for numbers in tree_leaves(args):
            if isinstance(numbers, Tensor):
                self.numbers.tie(numbers, torch.tensor(KEPT))

    def new_channels(self, layer: str, count: int) -> Tensor:
        """Numbers for the channels that a layer makes; KEPT if the layer is to be kept."""
        if layer in self.keep:
            return torch.full((count,), KEPT)
        return self.numbers.new(count)

    def spread(self, channels: Tensor) -> Tensor:
        """Numbers of a result [N, C, ...] that has these channels."""
        return channels.reshape(1, -1, *[1] * (len(self.shape) - 2)).expand(self.shape)

    def add_place(self, stored: Stored, dim: int, numbers: Tensor, role: str) -> None:
        if any((place.parameter, place.dim) == (stored.name, dim) for place in self.places):
            raise ValueError(
                f"{stored.layer} is used twice: channels of shared weights cannot be removed"
            )
        self.places.append(Place(stored.name, dim, numbers, role))

    def add_multiplications(self, weight: Stored) -> None:
        """A weight multiplies once at each place of the output map of each image."""
        self.weights[weight.name] = (weight.shape, self.shape.numel() // weight.shape[0])

    def check_all_followed(self) -> None:
        """Raises ValueError if an operation that was not followed got channels that may go."""
        free_in = {here: set() for here, _ in self.not_followed}
        for here, numbers in self.not_followed:
            free_in[here] |= set(self.numbers.leaders(numbers.unique()).tolist()) - {KEPT}
        blocked = set().union(*free_in.values())
        if blocked:
            first = next(here for here, free in free_in.items() if free)
            makers = [
                place.layer
                for place in self.places
                if place.role == MAKES
                and blocked & set(self.numbers.leaders(place.numbers).tolist())
            ]
            raise ValueError(
                f"{first} does something with its channels that cannot be followed; "
                f"keep={makers!r} leaves those channels whole"
            )

    def _reads_computed_values(self) -> bool:
        """Whether an argument of the present operation is a tensor that has no numbers."""
        return any(
            isinstance(node.meta.get("val"), Tensor) and self.env.get(node) is None
            for node in self.node.all_input_nodes
        )

    def _here(self) -> str:
        """Name and kind of the layer that the present operation is part of."""
        stack = list((self.node.meta.get("nn_module_stack") or {}).values())
        name, kind = stack[-1] if stack else ("", "")
        kind = kind if isinstance(kind, str) else kind.__name__
        operation = str(self.node.target).removeprefix("aten.").partition(".")[0]
        return f"{name or 'the forward'} ({kind.rpartition('.')[2]}, {operation})"


def _rule(target: object) -> Callable[..., object] | None:
    if not isinstance(target, torch._ops.OpOverload):
        return None
    rule = RULES.get(target.overloadpacket)
    return pointwise if rule is None and torch.Tag.pointwise in target.tags else rule
