"""What a network costs, counted: parameters, MACs, bytes, memory. Taught in chapter 01.

A MAC is one multiply and one add (two FLOPs). Convolutions and matrix products are counted; what
works element by element (activations, normalisation, pooling, biases) counts 0 MACs by convention.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils._pytree import tree_leaves

from edu_lib.copies import evaluation_mode
from edu_lib.operations import (
    LiveTensors,
    OperationMacs,
    is_whole,
    parts_of,
    tensor_bytes,
    weights_of,
)


@dataclass
class LayerCost:
    """Cost of one layer. The bytes are those of its weights, its inputs and its outputs."""

    name: str
    kind: str
    output_shape: tuple[int, ...] | None = None  # None: the forward does not run this layer
    params: int = 0
    macs: int = 0
    weight_bytes: int = 0
    input_bytes: int = 0
    output_bytes: int = 0

    @property
    def bytes_moved(self) -> int:
        """Bytes that travel between memory and processor, each tensor read or written once.

        A layer that only changes a shape (Flatten) counts as if it copied.
        """
        return self.weight_bytes + self.input_bytes + self.output_bytes


@dataclass(repr=False)
class Cost:
    """Cost of a network for one forward of `input_shape`; its `repr` is the table to read."""

    params: int
    macs: int
    bytes: int  # parameters and buffers, as they lie in memory
    peak_activation_bytes: int
    layers: list[LayerCost]
    input_shape: tuple  # of one input; of several a tuple of shapes
    uncounted: tuple[str, ...] = ()  # layers that multiply in a way without a rule

    def __repr__(self) -> str:
        rows = [("layer", "kind", "output", "params", "MACs", "share")]
        for layer in self.layers:
            shape = "not run" if layer.output_shape is None else _times(layer.output_shape)
            share = f"{100 * layer.macs / max(self.macs, 1):.1f} %"
            rows.append(
                (layer.name, layer.kind, shape, f"{layer.params:,}", f"{layer.macs:,}", share)
            )
        rows.append(("total", "", "", f"{self.params:,}", f"{self.macs:,}", "100.0 %"))
        lines = [
            align(rows, left=3),
            f"One forward of {_times(self.input_shape)}: {big(self.macs)} MACs; "
            f"weights {big(self.bytes)} bytes; "
            f"peak activations {big(self.peak_activation_bytes)} bytes.",
        ]
        if self.uncounted:
            lines.append(f"MACs not counted, since no rule knows them: {', '.join(self.uncounted)}")
        return "\n".join(lines)


def count_cost(model: nn.Module, example_input: object) -> Cost:
    """Counts one forward of `model` in evaluation mode. The model comes back as it was.

    example_input: a shape with the batch, as (1, 1, 28, 28), filled with zeros; or an input itself,
    a tensor, a tuple of inputs, a dict of them by name. Works on every device, "meta" included.
    A weight counts by its number, stored as a parameter or as the integers of a quantized layer.
    A layer called twice counts its MACs twice and its parameters once. A module with a method
    `count_macs(input, output) -> int` is asked, and its parts are then not counted again.
    A product that no rule knows is named in `uncounted`.
    Raises ValueError if the network does not take that input.
    """
    args, kwargs, shape = _inputs(model, example_input)
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    count = LayerCounter(model)
    memory = LiveTensors(model, (args, kwargs))
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # its one fused operation hides the products
        with evaluation_mode(model), torch.no_grad(), memory, OperationMacs(count.add_operation):
            model(*args, **kwargs)
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"{type(model).__name__} does not take an input of shape {shape}: {error}"
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_attention)
        count.remove_hooks()
    layers = count.finish()
    return Cost(
        params=sum(layer.params for layer in layers),
        macs=sum(layer.macs for layer in layers),
        bytes=tensor_bytes([*model.parameters(), *model.buffers()]),
        peak_activation_bytes=memory.peak_bytes,
        layers=layers,
        input_shape=shape,
        uncounted=tuple(count.uncounted),
    )


class LayerCounter:
    """Hooks on every module of a model; one row for each that computes or owns parameters."""

    def __init__(self, model: nn.Module):
        self.rows: dict[nn.Module, LayerCost] = {}
        self.running: list[nn.Module] = []
        self.names: dict[nn.Module, str] = {}
        self.uncounted: dict[str, None] = {}  # a set that keeps its order
        self.hooks, whole = [], ()
        for name, module in model.named_modules():
            if whole and name.startswith(whole):
                continue  # a part of a module that is counted whole
            prefix = f"{name}." if name else ""
            if is_whole(module):
                whole += (prefix,)
            elif parametrize.is_parametrized(module):
                whole += (f"{prefix}parametrizations.",)
            self.names[module] = name or "(model)"
            # first of all: what another hook computes belongs to this module
            self.hooks.append(module.register_forward_pre_hook(self._enter, prepend=True))
            self.hooks.append(module.register_forward_hook(self._leave, with_kwargs=True))
        self.seen: set[nn.Parameter] = set()

    def add_operation(self, operation: str, macs: int | None) -> None:
        """An operation of the layer that runs now; macs is None where no rule knows it."""
        module = self.running[-1]
        if not hasattr(module, "count_macs"):
            if macs is None:
                self.uncounted[f"{self.names[module]} ({operation})"] = None
            self._row(module).macs += macs or 0

    def remove_hooks(self) -> None:
        for hook in self.hooks:
            hook.remove()

    def finish(self) -> list[LayerCost]:
        """All rows in the order of the forward; parameters that no forward used come last."""
        for module in self.names:
            if _is_layer(module) and any(weights_of(part) for part in parts_of(module)):
                self._row(module)
        return list(self.rows.values())

    def _enter(self, module: nn.Module, args: tuple) -> None:
        self.running.append(module)
        if _is_layer(module):
            self._row(module)

    def _leave(self, module: nn.Module, args: tuple, kwargs: dict, out: object) -> None:
        self.running.pop()
        if module not in self.rows:
            return
        row = self.rows[module]
        inputs = [*args, *kwargs.values()]
        if hasattr(module, "count_macs"):
            row.macs += int(module.count_macs(inputs[0] if len(inputs) == 1 else inputs, out))
        row.input_bytes += tensor_bytes(inputs)
        row.output_bytes += tensor_bytes(out)
        first = next((leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)), None)
        row.output_shape = () if first is None else tuple(first.shape)

    def _row(self, module: nn.Module) -> LayerCost:
        if module not in self.rows:
            numbers, tensors = 0, []
            for part in parts_of(module):
                for number, stored in weights_of(part):
                    new = [each for each in stored if each not in self.seen]
                    numbers += number if new else 0
                    tensors += new
            self.seen.update(tensors)
            self.rows[module] = LayerCost(
                name=self.names[module],
                kind=type(module).__name__,
                params=numbers,
                weight_bytes=tensor_bytes(tensors),
            )
        return self.rows[module]


def _is_layer(module: nn.Module) -> bool:
    """A layer is a module without parts, one counted whole, or one with own parameters."""
    is_leaf = next(module.children(), None) is None
    return is_leaf or is_whole(module) or bool(module._parameters)


def _inputs(model: nn.Module, example_input: object) -> tuple[tuple, dict, tuple]:
    """(positional inputs, inputs by name, their shapes) of a shape or of the inputs themselves."""
    if isinstance(example_input, Sequence) and all(isinstance(n, int) for n in example_input):
        reference = next((p for p in model.parameters() if p.is_floating_point()), torch.zeros(0))
        example_input = torch.zeros(example_input, dtype=reference.dtype, device=reference.device)
    if isinstance(example_input, Tensor):
        example_input = (example_input,)
    if not isinstance(example_input, (Sequence, Mapping)):
        raise ValueError(
            "example_input is a shape, a tensor, a tuple or a dict of inputs, "
            f"got {type(example_input).__name__}"
        )
    by_name = isinstance(example_input, Mapping)
    args, kwargs = ((), dict(example_input)) if by_name else (tuple(example_input), {})
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    shapes = tuple(tuple(tensor.shape) for tensor in tensors)
    return args, kwargs, shapes[0] if len(shapes) == 1 else shapes


def _times(shape: tuple) -> str:
    """(1, 3, 8, 8) is "1x3x8x8"; several shapes are joined with "and"."""
    if shape and isinstance(shape[0], tuple):
        return " and ".join(map(_times, shape))
    return "x".join(map(str, shape))


def align(rows: list[tuple[str, ...]], left: int = 1) -> str:
    """Rows of text as columns, a line under the first row.

    left: that many columns are set flush left, the others flush right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def big(number: float) -> str:
    """A count in words a person keeps: 1,234 is "1,234", 1_500_000 is "1.50 million"."""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.2f} {word}"
    return f"{number:,.0f}"
