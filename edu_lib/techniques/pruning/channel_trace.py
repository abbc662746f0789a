"""From a network to its channel graph: written down by torch.export, run on channel numbers."""

import operator
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves, tree_map

from edu_lib.graph import Inputs, export_program
from edu_lib.layers import check_ordinary, is_within, known_parts
from edu_lib.operations import convolution_macs, product_macs
from edu_lib.techniques.pruning.channel_graph import (
    MAKES,
    ChannelGraph,
    Place,
    output_shapes,
)
from edu_lib.techniques.pruning.channel_numbers import (
    KEPT,
    ChannelNumbers,
    Computed,
    Stored,
    inputs_of,
)
from edu_lib.techniques.pruning.channel_rules import (
    MULTIPLY,
    READ_STORED,
    linear,
    pointwise,
    rule_of,
    transposed_convolution,
)

# Parts of torch.nn whose weights hold several matrices: their channels stay.
CLOSED = (nn.MultiheadAttention, nn.RNNBase, nn.RNNCellBase)


class NotFollowed(ValueError):
    """Channels pass something that cannot be followed. skip: the layers that make them."""

    def __init__(self, message: str, skip: list[str]):
        super().__init__(message)
        self.skip = skip


def trace_channels(
    model: nn.Module, example_input: Inputs, skip: Collection[str] = ()
) -> ChannelGraph:
    """Which channels of the network depend on each other.

    torch.export writes the network down as a graph of tensor operations. The graph is run once
    with channel numbers in place of values: a convolution makes new numbers, an addition ties the
    numbers of its two sides, a concatenation puts them one after the other. If training mode has
    more outputs or layers (auxiliary heads), its graph is run too.
    example_input: one batch as forward takes it, [N, C, H, W] or a tuple of tensors.
    skip: names of layers, or of parts that hold layers, whose output channels stay.
    Raises NotFollowed, a ValueError, naming the layer whose operation cannot be followed, and what
    to skip; ValueError for an unknown name; for a wrapped layer. The network's input and output
    channels always stay.
    Source: Fang et al. 2023, "DepGraph: Towards Any Structural Pruning". Taught in chapter 08.
    """
    skip = known_parts(model, skip)
    check_ordinary(model, skip)
    program = export_program(model, example_input)
    shapes = tuple(output_shapes(model, example_input, mode) for mode in (False, True))
    marks = Marks(skip, [name for name, part in model.named_modules() if _is_closed(part)])
    tracer = ChannelTracer(program.graph_module, marks)
    tracer.run(*inputs_of(model, program))
    tracer.counts_macs = False
    unused = [name for name in _unused(model, program) if not is_within(name, skip)]
    if isinstance(shapes[1], Exception) and unused:
        raise ValueError(
            f"{unused[0]} is not used in evaluation mode, and training mode, which may use it, "
            f"fails on example_input ({shapes[1]}): skip={[unused[0].rpartition('.')[0]]!r} "
            "if it does not matter"
        )
    if unused or _differ(*shapes):
        program = export_program(model, example_input, training=True)
        tracer.continue_on(program.graph_module)
        tracer.run(*inputs_of(model, program))
    return _finished(tracer, shapes)


@dataclass(frozen=True)
class Marks:
    """Names of parts. skip: their outputs stay. closed: what they read and make stays."""

    skip: list[str]
    closed: list[str]


class ChannelTracer(fx.Interpreter):
    """Runs an exported graph on channel numbers; collects places and multiplications."""

    def __init__(self, graph_module: fx.GraphModule, marks: Marks):
        super().__init__(graph_module)
        self.extra_traceback = False
        self.marks = marks
        self.numbers = ChannelNumbers()
        self.places: dict[tuple[str, int], Place] = {}
        self.weights: dict[str, tuple[tuple[int, ...], int]] = {}
        self.not_followed: list[tuple[str, Tensor]] = []
        self.resized: list[Tensor] = []
        self.counts_macs = True
        self.node: fx.Node | None = None

    def continue_on(self, graph_module: fx.GraphModule) -> None:
        """Run another graph of the same network next, with the numbers found so far."""
        super().__init__(graph_module)
        self.extra_traceback = False

    @property
    def shape(self) -> torch.Size:
        """Shape of what the present operation returns, or of the first of several results."""
        return tree_leaves(self.node.meta["val"])[0].shape

    def run_node(self, node: fx.Node) -> object:
        self.node = node
        return super().run_node(node)

    def call_function(self, target: object, args: tuple, kwargs: dict) -> object:
        if target is operator.getitem:
            return args[0][args[1]]
        rule, leaves = rule_of(target), tree_leaves((args, kwargs))
        self._count(rule, args)
        numbers = [each for each in leaves if isinstance(each, Tensor)]
        if not numbers:  # computed from constants and parameters alone
            return self._for_each_result(lambda value: Computed(tuple(value.shape)))
        part, here = self._here()
        result = None
        if rule is not None and self._fits(rule, leaves) and not is_within(part, self.marks.closed):
            result = rule(self, *args, **kwargs)
        if result is None:
            self.not_followed.append((here, torch.cat([each.flatten() for each in numbers])))
            result = self._for_each_result(lambda value: torch.full((), KEPT).expand(value.shape))
            if is_within(part, self.marks.skip):
                for each in numbers:
                    self.numbers.tie(each, torch.tensor(KEPT))
        elif is_within(part, self.marks.skip):
            self.output(target, result, {})
        return result

    def output(self, target: object, args: tuple, kwargs: dict) -> None:
        for numbers in tree_leaves(args):
            if isinstance(numbers, Tensor):
                self.numbers.tie(numbers, torch.tensor(KEPT))

    def new_channels(self, layer: str, count: int) -> Tensor:
        """Numbers for the channels that a layer makes; KEPT if the layer is skipped."""
        if is_within(layer, self.marks.skip):
            return torch.full((count,), KEPT)
        return self.numbers.new(count)

    def spread(self, channels: Tensor) -> object:
        """Numbers of each result [N, C, ...] that has these channels."""
        return self._for_each_result(
            lambda value: channels.reshape(1, -1, *[1] * (value.dim() - 2)).expand(value.shape)
        )

    def add_place(self, stored: Stored, dim: int, numbers: Tensor, role: str) -> None:
        """What lies along a dimension of a parameter; a second use ties it to the first."""
        known = self.places.setdefault((stored.name, dim), Place(stored.name, dim, numbers, role))
        self.numbers.tie(known.numbers, numbers)

    def _count(self, rule: object, args: tuple) -> None:
        """Enters the multiplications of a convolution or linear layer, followed or not."""
        if self.counts_macs and rule in MULTIPLY:
            name = args[1].name if isinstance(args[1], Stored) else self.node.name
            X, weight, out = (each.meta["val"] for each in (*self.node.args[:2], self.node))
            if rule is linear:
                macs = product_macs(X, out)
            else:
                macs = convolution_macs(X, weight, out, rule is transposed_convolution)
            _, before = self.weights.get(name, (weight.shape, 0))
            self.weights[name] = (tuple(weight.shape), before + macs // weight.numel())

    def _for_each_result(self, make: object) -> object:
        return tree_map(
            lambda value: make(value) if isinstance(value, Tensor) else value, self.node.meta["val"]
        )

    def _fits(self, rule: object, leaves: list[object]) -> bool:
        """Whether the rule knows what to do with parameters and computed tensors it gets."""
        stored = any(isinstance(each, Stored) for each in leaves)
        computed = any(isinstance(each, Computed) for each in leaves)
        return (not stored or rule in READ_STORED) and (not computed or rule is pointwise)

    def _here(self) -> tuple[str, str]:
        """The part that the present operation belongs to, and that in words."""
        stack = list((self.node.meta.get("nn_module_stack") or {}).values())
        name, kind = stack[-1] if stack else ("", "")
        name = ".".join(each.partition("@")[0] for each in name.split("."))  # @1: a second call
        kind = kind if isinstance(kind, str) else kind.__name__
        operation = str(self.node.target).removeprefix("aten.").partition(".")[0]
        return name, f"{name or 'the forward'} ({kind.rpartition('.')[2]}, {operation})"


def _finished(tracer: ChannelTracer, shapes: tuple[object, object]) -> ChannelGraph:
    """The graph of all that was found. Raises ValueError if a free channel was not followed."""
    places, numbers = list(tracer.places.values()), tracer.numbers
    made = [place.numbers for place in places if place.role == MAKES]
    made = set(numbers.leaders(torch.cat(made)).tolist()) if made else set()
    for place in places:  # what no layer makes cannot go
        for number in set(numbers.leaders(place.numbers).tolist()) - made:
            numbers.tie(torch.tensor(number), torch.tensor(KEPT))
    for place in places:
        place.numbers = numbers.leaders(place.numbers)
    free = [(here, _free(numbers, each) & made) for here, each in tracer.not_followed]
    blocked = set().union(*(each for _, each in free))
    if blocked:
        first = next(here for here, each in free if each)
        skip = _makers(places, blocked)
        raise NotFollowed(
            f"{first} does something with its channels that cannot be followed; "
            f"skip={skip!r} leaves those channels whole",
            skip,
        )
    resized = set().union(*(_free(numbers, each) for each in tracer.resized))
    return ChannelGraph(
        places, len(numbers.leader), tracer.weights, shapes, _makers(places, resized)
    )


def _free(numbers: ChannelNumbers, of: Tensor) -> set[int]:
    return set(numbers.leaders(of.unique()).tolist()) - {KEPT}


def _makers(places: list[Place], numbers: set[int]) -> list[str]:
    """The layers that make one of these channels."""
    making = [p for p in places if p.role == MAKES and numbers & set(p.numbers.tolist())]
    return list(dict.fromkeys(place.layer for place in making))


def _unused(model: nn.Module, program: torch.export.ExportedProgram) -> list[str]:
    """Parameters of layers that the graph does not read."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    names = program.graph_signature.inputs_to_parameters
    used = {
        id(parameters[names[n.name]]) for n in program.graph.nodes if n.name in names and n.users
    }
    return [name for name, each in parameters.items() if id(each) not in used and "." in name]


def _differ(evaluated: object, trained: object) -> bool:
    """Whether training mode gives other outputs, the number of images aside."""
    if isinstance(trained, Exception) or isinstance(evaluated, Exception):
        return False
    return [shape[1:] for shape in evaluated] != [shape[1:] for shape in trained]


def _is_closed(part: nn.Module) -> bool:
    return isinstance(part, CLOSED) or callable(getattr(part, "plain_layer", None))
