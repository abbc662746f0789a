"""One file that holds a network: `save`, `load`, `inspect`. Taught in chapter 10."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edu_lib.deploy.container.blank import (
    FREE_VALUES,
    blank_network,
    check_runs,
    check_size,
    entries,
    fill,
    with_sizes,
)
from edu_lib.deploy.container.factored import code_factoring, factored_blank, factoring_of
from edu_lib.deploy.container.frame import VERSION, framed, read_file, unframed, write_file
from edu_lib.deploy.container.inspection import Inspection, RowMeter
from edu_lib.deploy.container.methods import Tail
from edu_lib.deploy.container.registry import complete
from edu_lib.deploy.container.sizes import Sizes, code_sizes, sizes_of
from edu_lib.deploy.container.stream import METHODS, TensorStream, code_network
from edu_lib.deploy.container.tensors import Stored, dense, shape_of, smallest_form
from edu_lib.techniques.entropy_coding import RangeDecoder, RangeEncoder


def save(
    model: nn.Module,
    path: str | Path,
    *,
    arguments: Mapping[str, Any] | None = None,
    tensors: Mapping[str, Stored] | None = None,
    method: str | None = None,
) -> Path:
    """Writes a network of the kit to one file, all or nothing; returns the path.

    See `dumps` for the arguments and errors.
    """
    return write_file(path, dumps(model, arguments=arguments, tensors=tensors, method=method))


def load(path: str | Path) -> nn.Module:
    """The network in a file, in evaluation mode. Raises ValueError: see `loads`."""
    return loads(read_file(path))


def inspect(path: str | Path) -> Inspection:
    """What a file holds and what each part of it weighs. Raises ValueError: see `loads`."""
    data = read_file(path)
    coder, tail, network, arguments, model = _head(data)
    meter, stream = RowMeter(coder, tail), TensorStream(coder, tail)
    for name, blank in entries(model).items():
        meter.add(name, *stream.code(tuple(blank.shape)))
    coder.finish()
    tail.finish()
    return Inspection(network, arguments, VERSION, len(data), meter.head_bytes, tuple(meter.rows))


def dumps(
    model: nn.Module,
    *,
    arguments: Mapping[str, Any] | None = None,
    tensors: Mapping[str, Stored] | None = None,
    method: str | None = None,
) -> bytes:
    """The bytes of a network of the kit, also with channels pruned away or layers factored.

    arguments: those its constructor was called with, where they are not the defaults.
    tensors: {name in the state dict: Levels, Codebook or float tensor} to store in place of the
    model's own. The others are stored exactly as they are (float32), those of few different values
    as a codebook. method: how the levels of matrices and kernels are written, "context" (smallest),
    "huffman" (as in Deep Compression) or "deflate" (fast); by default contexts, and Deflate above
    a million values.
    The same arguments give the same bytes; `loads` gives the network that they hold.
    Raises ValueError for a model that is no network of the kit as it stands, a tensor of another
    name or shape, or a value that is infinite or no number.
    """
    network = type(model).__name__
    filled = complete(network, arguments or {})
    blank = blank_network(network, filled)
    factoring = factoring_of(model, blank)
    coder, tail = RangeEncoder(), Tail()
    code_network(coder, network, filled, is_factored=factoring is not None)
    if factoring is not None:
        blank = factored_blank(blank, code_factoring(coder, blank, factoring))
    built, sizes = sizes_of(blank), sizes_of(model)
    state = _stored(model, tensors or {}, _shaped(blank, network, sizes))
    if method is None:
        num_values = sum(torch.Size(shape_of(each)).numel() for each in state.values())
        method = "context" if num_values <= FREE_VALUES else "deflate"
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, got {method!r}")
    code_sizes(coder, built, sizes)
    stream = TensorStream(coder, tail)
    for stored in state.values():
        # biases are too few for a table or a window: contexts serve them best
        is_vector = len(shape_of(stored)) < 2
        stream.code(shape_of(stored), stored, "context" if is_vector else method)
    data = framed(coder.finish(), bytes(tail.data))
    check_size(blank, len(data))
    return data


def loads(data: bytes) -> nn.Module:
    """The network in the bytes that `dumps` gave, in evaluation mode, float32.

    Raises ValueError if the bytes are no container, cut off, altered, of another version, or ask
    for a network out of proportion to their number; all that before it takes memory for one.
    """
    coder, tail, _, _, model = _head(data)
    stream = TensorStream(coder, tail)
    tensors = {
        name: dense(stream.code(tuple(blank.shape))[0]) for name, blank in entries(model).items()
    }
    coder.finish()
    tail.finish()
    return fill(model, tensors)


def _head(data: bytes) -> tuple[RangeDecoder, Tail, str, dict[str, Any], nn.Module]:
    """All that stands before the tensors, and the blank network they belong to."""
    bits, rest = unframed(data)
    coder, tail = RangeDecoder(bits), Tail(rest)
    network, arguments, is_factored = code_network(coder)
    model = blank_network(network, arguments)
    if is_factored:
        model = factored_blank(model, code_factoring(coder, model))
    built = sizes_of(model)
    sizes = code_sizes(coder, built)
    with_sizes(model, network, sizes)
    check_size(model, len(data))
    if sizes != built:
        check_runs(model, network, arguments)
    return coder, tail, network, arguments, model


def _shaped(blank: nn.Module, network: str, sizes: Sizes) -> nn.Module:
    if len(sizes) != len(sizes_of(blank)):
        raise ValueError(
            f"this {network} has other layers than its constructor makes: give the arguments it "
            "was made with, or store a network whose layers were not replaced"
        )
    return with_sizes(blank, network, sizes)


def _stored(model: nn.Module, tensors: Mapping[str, Stored], blank: nn.Module) -> dict[str, Stored]:
    """What is stored under each name of the blank network, in its order."""
    own, state = model.state_dict(), {}
    for name, expected in entries(blank).items():
        if name not in own:
            raise ValueError(
                f"{type(model).__name__} has no tensor {name!r}: make masks permanent and shared "
                "weights plain before it is stored"
            )
        stored = tensors[name] if name in tensors else smallest_form(own[name].detach().cpu())
        if shape_of(stored) != tuple(expected.shape):
            raise ValueError(
                f"{name} has shape {shape_of(stored)}, and the network takes "
                f"{tuple(expected.shape)}"
            )
        state[name] = stored
    unknown = [name for name in (*tensors, *own) if name not in blank.state_dict()]
    if unknown:
        raise ValueError(f"the network has no tensor {unknown[0]!r} to store")
    return state
