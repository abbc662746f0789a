"""Networks filled with stored tensors, their layers made as large as those tensors are."""

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from edu_lib.layers import CONVOLUTIONS, TRANSPOSED

COUNTER = "num_batches_tracked"  # of batch norm; says nothing about what a network computes
CHANNEL_NORMS = (nn.modules.batchnorm._NormBase,)  # batch and instance norms
KNOWN = (
    *CONVOLUTIONS, *TRANSPOSED, *CHANNEL_NORMS,
    nn.Linear, nn.GroupNorm, nn.LayerNorm, nn.PReLU, nn.Embedding,
)  # fmt: skip


def fill_(model: nn.Module, tensors: Mapping[str, Tensor], source: str, resize: bool) -> None:
    """Give `model` the values of `tensors`, {name in its state dict: tensor of any dtype}.

    source: what the tensors come from, for messages. resize: layers take the sizes of the tensors,
    so that a network as its constructor makes it becomes one with channels pruned away. A counter
    of batches that is not stored becomes 0. Values are converted to the network's dtype and device.
    Raises ValueError, and changes nothing, if names or shapes do not fit, or if two names share one
    tensor in the network and hold different values in `tensors`.
    """
    own = model.state_dict(keep_vars=True)
    tensors = {name: torch.tensor(0) for name in own if name.endswith(COUNTER)} | dict(tensors)
    problem = _misfit(own, tensors, resize)
    if problem:
        raise ValueError(f"{source} does not fit {type(model).__name__}: {problem}")
    shapes = {n: tuple(each.shape) for n, each in tensors.items() if each.shape != own[n].shape}
    resize_(model, shapes)
    with torch.no_grad():
        for name, each in model.state_dict(keep_vars=True).items():
            each.copy_(tensors[name])


def load_state_(model: nn.Module, tensors: Mapping[str, Tensor], *, assign: bool = False) -> None:
    """`model.load_state_dict(tensors)` for tensors that came without the versions of its parts.

    PyTorch notes them beside a state dict, files do not hold them, and some networks (torchvision's
    MNASNet) take no state without. Raises what `load_state_dict` raises.
    """
    state = OrderedDict(tensors)
    state._metadata = model.state_dict()._metadata
    model.load_state_dict(state, assign=assign)


def _misfit(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], resize: bool) -> str | None:
    """Why the tensors do not fit, and what to do; None if they do."""
    if any(each.is_meta for each in own.values()):
        return "the network is on the meta device and has no memory: build it on the CPU"
    for name in (*own, *tensors):
        if name not in tensors or name not in own:
            has, lacks = ("network", "file") if name in own else ("file", "network")
            return (
                f"the {has} has {name!r} and the {lacks} does not: build the network with the "
                "arguments, and by the techniques, that the stored one was made with"
            )
    for name in own:
        each = tensors[name]
        if each.dim() != own[name].dim() or (each.shape != own[name].shape and not resize):
            help_ = "" if each.dim() != own[name].dim() else ", or take sizes from it (resize=True)"
            return (
                f"{name!r} has shape {list(each.shape)} in the file and {list(own[name].shape)} in "
                f"the network: build the network as the stored one was{help_}"
            )
    first: dict[int, str] = {}
    for name, each in own.items():
        other = first.setdefault(id(each), name)
        if other != name and not torch.equal(tensors[name], tensors[other]):
            return f"the network shares one tensor as {other!r} and {name!r}, the file holds two"
    return None


def resize_(model: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Give these tensors of the state dict new shapes, without values, and tell their layers.

    A tensor that stands in two places stays one. Raises ValueError for a layer of torch.nn that
    states sizes which cannot be read from its tensors, or groups that do not divide its channels;
    nothing is changed then.
    """
    owners = _owners(model, shapes)
    for name, layer in owners.items():
        _check_resizable(name, layer, shapes.get(f"{name}.weight" if name else "weight"))
    made: dict[int, tuple[Tensor, Tensor]] = {}
    for name, shape in shapes.items():
        owner, _, attribute = name.rpartition(".")
        part = model.get_submodule(owner)
        old = getattr(part, attribute)
        if id(old) not in made:
            new = torch.empty(shape, dtype=old.dtype, device=old.device)
            if isinstance(old, nn.Parameter):
                new = nn.Parameter(new, requires_grad=old.requires_grad)
            made[id(old)] = (new, old)  # the old one lives on, so that its id stays its own
        setattr(part, attribute, made[id(old)][0])
    for layer in owners.values():
        update_sizes_(layer)


def update_sizes_(layer: nn.Module) -> None:
    """Set the sizes that a layer states, such as out_channels, to those of its tensors.

    Depthwise convolutions get one group an input.
    """
    if isinstance(layer, (*CONVOLUTIONS, *TRANSPOSED)):
        _update_convolution(layer)
    elif isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
    elif isinstance(layer, CHANNEL_NORMS):
        layer.num_features = len(layer.weight if layer.affine else layer.running_mean)
    elif isinstance(layer, nn.GroupNorm):
        layer.num_channels = len(layer.weight)
    elif isinstance(layer, nn.LayerNorm):
        layer.normalized_shape = tuple(layer.weight.shape)
    elif isinstance(layer, nn.PReLU):
        layer.num_parameters = len(layer.weight)
    elif isinstance(layer, nn.Embedding):
        layer.num_embeddings, layer.embedding_dim = layer.weight.shape
    elif hasattr(layer, "update_sizes"):  # one of the kit's, which knows how
        layer.update_sizes()


def _update_convolution(layer: nn.Module) -> None:
    ends, others = layer.weight.shape[:2]
    is_transposed = isinstance(layer, TRANSPOSED)
    if layer.groups > 1 and layer.groups == layer.in_channels:  # depthwise
        built = layer.in_channels if is_transposed else layer.out_channels
        layer.groups = max(1, layer.groups * ends // built)
    layer.out_channels, layer.in_channels = (
        (others * layer.groups, ends) if is_transposed else (ends, others * layer.groups)
    )


def _owners(model: nn.Module, names: Mapping[str, object]) -> dict[str, nn.Module]:
    """The layers that these tensors belong to, also where a parametrization stands between."""
    owners = {name.rpartition(".")[0].partition(".parametrizations.")[0] for name in names}
    return {name: model.get_submodule(name) for name in sorted(owners)}


def _check_resizable(name: str, layer: nn.Module, weight: tuple[int, ...] | None) -> None:
    """Raises ValueError for a layer that cannot take another size, or not this one."""
    kind, groups = type(layer).__name__, getattr(layer, "groups", 1)
    if type(layer).__module__.startswith("torch.nn.modules") and not isinstance(layer, KNOWN):
        raise ValueError(f"layer {name!r}, a {kind}, cannot be resized: build it as it was stored")
    if groups in (1, getattr(layer, "in_channels", 1)) or weight is None:
        return
    if weight[0] % groups:
        raise ValueError(f"layer {name!r} has {groups} groups: {weight[0]} channels do not divide")
