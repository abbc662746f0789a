"""What a file says of a network of the kit before its tensors: sizes, and ranks of factored layers.

With them a network is built anew from which channels were pruned away, or whose layers were taken
apart: first its shapes without memory, then filled. Functions that code run both ways: see
techniques.entropy_coding.range_coder.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from edu_lib.copies import copied
from edu_lib.deploy.container.own import outputs_of, same_outputs, ties_of, with_values
from edu_lib.deploy.container.registry import NETWORKS, code_network, complete
from edu_lib.deploy.container.tensors import Stored, dense, shape_of, smallest_form
from edu_lib.sizes import COUNTER, load_state_, resize_
from edu_lib.techniques.entropy_coding import AdaptiveBit, AdaptiveNumber, Coder, RangeEncoder
from edu_lib.techniques.factorization import KINDS, LowRankLinear

LARGEST = 1 << 16  # channels of a layer

Sizes = list[tuple[int, int]]  # (output channels, input channels) of each layer


def sizes_of(model: nn.Module) -> Sizes:
    """(out, in) of each convolution, linear layer and batch norm, in the order of the model."""
    return [_size(layer) for _, layer in _sized(model)]


def with_sizes(model: nn.Module, network: str, sizes: Sizes) -> None:
    """Give the layers of a blank network these sizes. Raises ValueError if it has no such form."""
    if sizes == sizes_of(model):
        return
    if not NETWORKS[network].on_meta:
        raise ValueError(f"the layers of {network} have one size, as published")
    shapes = {}
    for (name, layer), (out, inputs) in zip(_sized(model), sizes, strict=True):
        if _size(layer) == (out, inputs):
            continue
        for part, each in layer.state_dict().items():
            rest = tuple(each.shape[1:])
            if isinstance(layer, nn.Conv2d) and part == "weight":
                is_depthwise = layer.groups == layer.in_channels > 1
                rest = (1 if is_depthwise else max(1, inputs // layer.groups), *rest[1:])
            elif isinstance(layer, nn.Linear) and part == "weight":
                rest = (inputs,)
            if each.dim():
                shapes[f"{name}.{part}"] = (out, *rest)
    resize_(model, shapes)
    if sizes_of(model) != sizes:
        raise ValueError(f"the groups of a convolution of {network} divide no such sizes")


def code_sizes(coder: Coder, built: Sizes, sizes: Sizes | None = None) -> Sizes:
    """Codes what differs from the network as built; runs both ways.

    A layer is expected to take what the layer before gives, times what it took as built.
    """
    given = built if sizes is None else sizes
    as_built, out_model, in_model = AdaptiveBit(), AdaptiveNumber(17), AdaptiveNumber(17)
    follows = AdaptiveBit()
    if as_built.code(coder, int(given == built)):
        return list(built)
    result: Sizes = []
    for i, (out, inputs) in enumerate(given):
        # the first layer takes the channels of the image
        expected = built[0][1]
        if i > 0:
            expected = _scaled(result[i - 1][0], built[i - 1][0], built[i][1])
        if not follows.code(coder, int(inputs == expected)):
            expected = 1 + in_model.code(coder, inputs - 1)
        guess = expected if built[i][1] == built[i][0] else built[i][0]
        if follows.code(coder, int(out == guess)):
            out = guess
        else:
            out = 1 + out_model.code(coder, out - 1)
        if max(out, expected) > LARGEST:
            raise ValueError(f"a layer here has at most {LARGEST} channels, got {out, expected}")
        result.append((out, expected))
    return result


def check_runs(model: nn.Module, network: str, arguments: Mapping[str, Any]) -> None:
    """Raises ValueError unless the layers of a blank network fit together."""
    device = next(model.parameters()).device
    try:
        with torch.no_grad():
            model(NETWORKS[network].example(arguments).to(device))
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"the layers of this {network} do not fit together: {error}") from None


def _scaled(size: int, built: int, inputs: int) -> int:
    """What a layer with `inputs` would take if the `built` channels before it became `size`."""
    return size * (inputs // built) if inputs % built == 0 else inputs


def _sized(model: nn.Module) -> list[tuple[str, nn.Module]]:
    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)
    return [(name, part) for name, part in model.named_modules() if isinstance(part, kinds)]


def _size(layer: nn.Module) -> tuple[int, int]:
    if isinstance(layer, nn.Conv2d):
        return layer.out_channels, layer.in_channels
    if isinstance(layer, nn.Linear):
        return layer.out_features, layer.in_features
    return layer.num_features, layer.num_features


class Factoring(NamedTuple):
    """kind: how convolutions were taken apart. ranks: of each layer as built, 0 if it is whole."""

    kind: str
    ranks: tuple[int, ...]


def factoring_of(model: nn.Module, blank: nn.Module) -> Factoring | None:
    """How the layers of `model` were factored, or None if none was.

    Raises ValueError if its convolutions were taken apart in two ways.
    """
    parts, ranks, kinds = dict(model.named_modules(remove_duplicate=False)), [], set()
    for name in _factorable(blank):
        part = parts.get(name)
        kinds |= {kind for kind, pair in KINDS.items() if type(part) is pair}
        ranks.append(part.rank if type(part) in (LowRankLinear, *KINDS.values()) else 0)
    if len(kinds) > 1:
        raise ValueError(f"convolutions of one kind can be stored, got {', '.join(sorted(kinds))}")
    if not any(ranks):
        return None
    return Factoring(kinds.pop() if kinds else next(iter(KINDS)), tuple(ranks))


def code_factoring(coder: Coder, blank: nn.Module, given: Factoring | None = None) -> Factoring:
    """Codes the kind and the ranks; runs both ways."""
    kinds, numbers = list(KINDS), AdaptiveNumber(17)
    number = AdaptiveNumber(8).code(coder, kinds.index(given.kind) if given else 0)
    if number >= len(kinds):
        raise ValueError(f"there is no way {number} to take a convolution apart")
    count = len(_factorable(blank))
    ranks = [numbers.code(coder, given.ranks[i] if given else 0) for i in range(count)]
    return Factoring(kinds[number], tuple(ranks))


def factored_blank(blank: nn.Module, factoring: Factoring) -> nn.Module:
    """The blank network with pairs of these ranks, without memory for their values.

    Raises ValueError for a rank that a layer cannot have.
    """
    for (name, layer), rank in zip(_factorable(blank).items(), factoring.ranks, strict=True):
        if rank:
            if type(layer) not in (nn.Linear, nn.Conv2d) or getattr(layer, "groups", 1) > 1:
                raise ValueError(f"layer {name!r} of this network cannot be factored")
            pair = LowRankLinear if type(layer) is nn.Linear else KINDS[factoring.kind]
            blank.set_submodule(name, pair(layer, rank).eval())
    return blank


def _factorable(blank: nn.Module) -> dict[str, nn.Module]:
    named = blank.named_modules(remove_duplicate=False)
    return {name: part for name, part in named if isinstance(part, (nn.Linear, nn.Conv2d))}


def code_kit_network(
    coder: RangeEncoder,
    model: nn.Module,
    arguments: Mapping[str, Any],
    tensors: Mapping[str, Stored],
) -> dict[str, Stored]:
    """Writes network, arguments and sizes; returns what is stored under each name.

    Raises ValueError if the network that a file of this brings back answers otherwise.
    """
    network = type(model).__name__
    if network not in NETWORKS or type(model) is not NETWORKS[network].build:
        raise ValueError(
            f"{network} is none of the kit's networks ({', '.join(NETWORKS)}): give example_input, "
            "one batch as it takes it, and load the file into a fresh network of the class"
        )
    told = complete(network, arguments)
    blank = NETWORKS[network].make(told)
    factoring = factoring_of(model, blank)
    code_network(coder, network, told, is_factored=factoring is not None)
    if factoring is not None:
        blank = factored_blank(blank, code_factoring(coder, blank, factoring))
    built, sizes = sizes_of(blank), sizes_of(model)
    if len(sizes) != len(built):
        raise ValueError(_other_than(network, told, "has other layers than"))
    with_sizes(blank, network, sizes)
    state = stored_tensors(model, tensors, {n: tuple(t.shape) for n, t in entries(blank).items()})
    code_sizes(coder, built, sizes)
    values = {name: dense(stored) for name, stored in state.items()}
    inputs = [NETWORKS[network].example(told)]
    ours = outputs_of(with_values(model, values).cpu().float(), inputs)
    if not same_outputs(ours, outputs_of(filled(copied(blank), values), inputs)):
        raise ValueError(_other_than(network, told, "answers otherwise than"))
    return state


def stored_tensors(
    model: nn.Module, tensors: Mapping[str, Stored], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Stored]:
    """What is stored under each of the names, in their order: what is given, or the model's own.

    Raises ValueError for a name that is not there, or a tensor of another shape.
    """
    own, state = model.state_dict(), {}
    for name, shape in shapes.items():
        if name not in own:
            raise ValueError(
                f"{type(model).__name__} has no tensor {name!r}: a technique wrapped its layers; "
                "edu_lib.to_plain(model) first, or give example_input"
            )
        stored = tensors[name] if name in tensors else smallest_form(own[name].detach().cpu())
        if shape_of(stored) != shape:
            raise ValueError(f"{name} has shape {shape_of(stored)}, and the network takes {shape}")
        if not dense(stored).isfinite().all():
            raise ValueError(f"{name} holds a value that is infinite or not a number")
        state[name] = stored
    ties = ties_of(model)
    unknown = [name for name in tensors if name not in shapes]
    unknown += [n for n in own if not (n in shapes or n in ties or n.endswith(COUNTER))]
    if unknown:
        raise ValueError(f"the network has no tensor {unknown[0]!r} to store")
    return state


def filled(blank: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The blank network with these values; returns it."""
    counters = {name: torch.tensor(0) for name in blank.state_dict() if name.endswith(COUNTER)}
    load_state_(blank, {**tensors, **counters}, assign=True)
    return blank


def entries(model: nn.Module) -> dict[str, Tensor]:
    """The tensors that are stored, by their names in the state dict, in its order."""
    return {name: each for name, each in model.state_dict().items() if not name.endswith(COUNTER)}


def _other_than(network: str, arguments: Mapping[str, Any], how: str) -> str:
    told = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return (
        f"this {network} {how} {network}({told}): give the arguments it was built with, or, if its "
        "layers were exchanged, example_input"
    )
