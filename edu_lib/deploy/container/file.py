"""One file that holds a network: `save`, `load`, `inspect`. Taught in chapter 10.

It says in order: network, arguments, sizes, then tensor after tensor. A network that is not the
kit's is told by its tensors alone: see `own`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edu_lib.deploy.container.own import (
    Answers,
    Own,
    code_own,
    fill_into,
    outputs_of,
    stored_names,
    told_of,
)
from edu_lib.deploy.container.registry import NETWORKS, code_network
from edu_lib.deploy.container.schema import (
    check_runs,
    code_factoring,
    code_kit_network,
    code_sizes,
    entries,
    factored_blank,
    filled,
    sizes_of,
    stored_tensors,
    with_sizes,
)
from edu_lib.deploy.container.stream import (
    FREE_VALUES,
    HEADER_BYTES,
    METHODS,
    VERSION,
    Inspection,
    TensorStream,
    check_size,
    framed,
    row_of,
    unframed,
)
from edu_lib.deploy.container.tensors import Levels, Stored, Tail, dense, shape_of
from edu_lib.files import replacing
from edu_lib.graph import Inputs
from edu_lib.techniques.entropy_coding import RangeDecoder, RangeEncoder

MOST_BYTES = 1 << 30
MOST_LEVEL = 1000  # larger whole numbers of a network's own are deflated


def save(model: nn.Module, path: str | Path, **options: Any) -> Path:
    """Writes a network to one file, all or nothing; returns the path.

    See `dumps` for the options and errors; PermissionError if the folder is read-only.
    """
    data = dumps(model, **options)
    with replacing(path) as partial:
        partial.write_bytes(data)
    return Path(path)


def load(path: str | Path, into: nn.Module | None = None) -> nn.Module:
    """The network in a file, in evaluation mode. See `loads` for `into` and errors."""
    return loads(_read(path), into)


def dumps(
    model: nn.Module,
    *,
    arguments: Mapping[str, Any] | None = None,
    example_input: Inputs | None = None,
    tensors: Mapping[str, Stored] | None = None,
    method: str | None = None,
) -> bytes:
    """The bytes of a network, also with channels pruned away or layers factored.

    arguments: those that a network of the kit was built with, where they are not the defaults.
    example_input: for every other network, one batch as its forward takes it; its class is stored
    by name, and `loads` needs a fresh network of it. tensors: {name in the state dict: Levels,
    Codebook or float tensor} to store in place of the model's own. The others are stored exactly as
    they are (float32), those of few different values as a codebook. method: how the levels of
    matrices and kernels are written, "context" (smallest), "huffman" (as in Deep Compression) or
    "deflate" (fast); by default contexts, and Deflate above a million values.
    The same arguments give the same bytes; `loads` gives the network that they hold.
    Raises ValueError for a network that the file would not bring back: its answers are compared;
    for a tensor of another name or shape, or a value that is infinite or no number.
    """
    if method not in (None, *METHODS):
        raise ValueError(f"method is one of {', '.join(METHODS)}, got {method!r}")
    coder, tail = RangeEncoder(), Tail()
    if example_input is None:
        state = code_kit_network(coder, model, arguments or {}, tensors or {})
    else:
        own = model.state_dict()
        shapes = {name: tuple(own[name].shape) for name in stored_names(model)}
        state = stored_tensors(model, tensors or {}, shapes)
        code_network(coder, None)
        code_own(coder, tail, told_of(model, example_input, state, exactly=not tensors))
    num_values = sum(torch.Size(shape_of(each)).numel() for each in state.values())
    if method is None:
        method = "context" if num_values <= FREE_VALUES else "deflate"
    stream = TensorStream(coder, tail)
    for stored in state.values():
        # biases are too few for a table or a window: contexts serve them best
        how = "context" if len(shape_of(stored)) < 2 else method
        if example_input is not None and isinstance(stored, Levels):
            how = "deflate" if (stored.levels.abs() > MOST_LEVEL).any() else how
        stream.code(shape_of(stored), stored, how)
    data = framed(coder.finish(), bytes(tail.data))
    check_size(num_values, len(data))
    return data


def loads(data: bytes, into: nn.Module | None = None) -> nn.Module:
    """The network in the bytes that `dumps` gave, in evaluation mode, float32.

    into: a fresh network, built as the one that was saved; it is filled, its layers take the sizes
    in the file, and it is returned. A file of a class that is not the kit's needs it.
    Raises ValueError if the bytes are no container, cut off, altered, of another version, or ask
    for a network out of proportion to their number, all that before it takes memory for one; or if
    `into` does not fit or answers otherwise, which leaves it as it was.
    """
    head = _head(data)
    if into is None and isinstance(head.model, Own):
        raise ValueError(
            f"the file holds a {head.network}, a class that is not the kit's: fill a fresh network "
            f"of it, load(path, into={head.network}(...))"
        )
    stream = TensorStream(head.coder, head.tail)
    tensors = {name: dense(stream.code(shape)[0]) for name, shape in head.shapes.items()}
    head.finish()
    if isinstance(head.model, Own):
        tensors |= {name: tensors[other] for name, other in head.model.ties.items()}
        return fill_into(into, tensors, head.network, head.model.inputs, head.model.answers)
    model = filled(head.model, tensors)
    if into is None:
        return model
    inputs = [NETWORKS[head.network].example(head.arguments)]
    return fill_into(into, tensors, head.network, inputs, Answers.of(outputs_of(model, inputs)))


def inspect(path: str | Path) -> Inspection:
    """What a file holds and what each part of it weighs. Raises ValueError: see `loads`."""
    data = _read(path)
    head, rows = _head(data), []
    stream, spent = TensorStream(head.coder, head.tail), head.spent
    head_bytes = HEADER_BYTES + (4 if head.tail.data else 0) + spent
    for name, shape in head.shapes.items():
        stored, method = stream.code(shape)
        rows.append(row_of(name, stored, method, head.spent - spent))
        spent = head.spent
    head.finish()
    return Inspection(head.network, head.arguments, VERSION, len(data), head_bytes, tuple(rows))


@dataclass
class Head:
    """What stands before the tensors, and the blank network that they belong to, if it is known."""

    coder: RangeDecoder
    tail: Tail
    network: str
    arguments: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]
    model: nn.Module | Own

    @property
    def spent(self) -> float:
        """Bytes read so far."""
        return self.coder.bits / 8 + self.tail.position

    def finish(self) -> None:
        """Raises ValueError if bytes are left over."""
        self.coder.finish()
        self.tail.finish()


def _head(data: bytes) -> Head:
    bits, rest = unframed(data)
    coder, tail = RangeDecoder(bits), Tail(rest)
    network, arguments, is_factored = code_network(coder)
    if network is None:
        own = code_own(coder, tail)
        shapes = {name: tuple(shape) for name, shape in own.shapes.items()}
        check_size(sum(torch.Size(shape).numel() for shape in shapes.values()), len(data))
        return Head(coder, tail, own.network, {}, shapes, own)
    model = NETWORKS[network].make(arguments)
    if is_factored:
        model = factored_blank(model, code_factoring(coder, model))
    built = sizes_of(model)
    sizes = code_sizes(coder, built)
    with_sizes(model, network, sizes)
    check_size(sum(each.numel() for each in model.state_dict().values()), len(data))
    if sizes != built:
        check_runs(model, network, arguments)
    shapes = {name: tuple(each.shape) for name, each in entries(model).items()}
    return Head(coder, tail, network, arguments, shapes, model)


def _read(path: str | Path) -> bytes:
    """The bytes of a file. Raises ValueError if it is too large to be a container."""
    size = os.path.getsize(path)
    if size > MOST_BYTES:
        raise ValueError(f"{path} has {size} bytes, and a container at most {MOST_BYTES}")
    return Path(path).read_bytes()
