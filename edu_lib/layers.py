"""Which layers a technique treats, and how a network gets its ordinary layers back."""

import warnings
from collections.abc import Callable, Collection

import torch
from torch import nn
from torch.nn.utils import parametrize

from edu_lib.copies import copied, one_parameter, share_weight, stored_tensor

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHTED = (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)
# Layers of torch.nn whose weights no technique for WEIGHTED layers sees
OTHERS = (nn.MultiheadAttention, nn.RNNBase, nn.RNNCellBase, nn.Bilinear, nn.Embedding,
          nn.EmbeddingBag)  # fmt: skip


def choose_layers(
    model: nn.Module, kinds: tuple[type[nn.Module], ...] = WEIGHTED, skip: Collection[str] = ()
) -> dict[str, nn.Module]:
    """{name: layer} of the layers of these kinds, in the order in which they are defined.

    A layer that stands in two places has both names. skip: names of layers, or of parts that hold
    layers, that stay as they are. Raises ValueError for a name that there is not, or naming a layer
    that computes something else than its kind does (a subclass with a forward of its own, or a
    weight that a hook computes).
    """
    skipped = known_parts(model, skip)
    layers = {}
    for name, layer in model.named_modules(remove_duplicate=False):
        if isinstance(layer, kinds) and not is_within(name, skipped):
            check_plain(name, layer, kinds)
            layers[name] = layer
    return layers


def first_and_last(model: nn.Module) -> list[str]:
    """Names of the first and the last convolution or linear layer, as they are defined.

    They lose most when their weights get few bits: `skip=first_and_last(model)` leaves them out.
    """
    kinds = (*CONVOLUTIONS, nn.Linear)
    names = [name for name, layer in model.named_modules() if isinstance(layer, kinds)]
    return list(dict.fromkeys([*names[:1], *names[-1:]]))


def is_within(name: str, parts: Collection[str]) -> bool:
    """Whether `name` is one of the parts, or lies inside one."""
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def known_parts(model: nn.Module, names: Collection[str]) -> list[str]:
    """The names as a list. Raises ValueError for one text, or a name that there is not."""
    if isinstance(names, str):
        raise ValueError(
            f"skip is a collection of names, got the text {names!r}: write [{names!r}]"
        )
    known = {name for name, _ in model.named_modules(remove_duplicate=False)} - {""}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"{type(model).__name__} has no part {unknown[0]!r} to skip; it has "
            f"{', '.join(sorted(known)[:20])}"
        )
    return list(names)


def check_ordinary(model: nn.Module, skip: Collection[str] = ()) -> None:
    """Raises ValueError if a layer is wrapped, or a weight computed: masked, shared, normed."""
    check_unwrapped(model, skip)
    for name, part in model.named_modules():
        by = [*_weight_hooks(part)]
        if parametrize.is_parametrized(part):
            by += [each for chain in part.parametrizations.values() for each in chain]
        if by and not is_within(name, skip):
            raise ValueError(
                f"layer {name!r} has no ordinary weight but one that {type(by[0]).__name__} "
                "computes: edu_lib.to_plain(model) makes it ordinary"
            )


def check_unwrapped(model: nn.Module, skip: Collection[str] = ()) -> None:
    """Raises ValueError if a technique has put a layer of its own in place of an ordinary one."""
    for name, part in model.named_modules():
        if callable(getattr(part, "plain_layer", None)) and not is_within(name, skip):
            where, stay = (f"layer {name!r}", ", or name it in skip") if name else ("the model", "")
            raise ValueError(
                f"{where} is a {type(part).__name__} already: edu_lib.to_plain(model) gives "
                f"ordinary layers{stay}"
            )


def check_covered(model: nn.Module, skip: Collection[str] = ()) -> None:
    """Says which weight matrices a technique for WEIGHTED layers passes by.

    Raises ValueError naming a layer of torch.nn that has some; warns of parameters that a part of
    the model owns beside its layers.
    """
    own = []
    for name, part in model.named_modules():
        if is_within(name, skip) or isinstance(part, WEIGHTED):
            continue
        if isinstance(part, OTHERS):
            raise ValueError(
                f"layer {name!r} is a {type(part).__name__}, whose weights this cannot treat: "
                "name it in skip, and it stays as it is"
            )
        if not type(part).__module__.startswith("torch."):
            own += [
                f"{name}.{key}".lstrip(".")
                for key, each in part.named_parameters(recurse=False)
                if sum(size > 1 for size in each.shape) > 1
            ]
    if own:
        warnings.warn(f"parameters of no layer stay as they are: {', '.join(own)}", stacklevel=3)


def check_plain(name: str, layer: nn.Module, kinds: tuple[type[nn.Module], ...]) -> None:
    """Raises ValueError unless `layer` computes what its kind in torch.nn computes."""
    kind = next(kind for kind in kinds if isinstance(layer, kind))
    inner = "_conv_forward"
    own = type(layer).forward is not kind.forward
    if own or getattr(type(layer), inner, None) is not getattr(kind, inner, None):
        raise ValueError(
            f"layer {name!r} is a {type(layer).__name__}, which computes something else than "
            f"{kind.__name__}: name it in skip, or exchange it for a {kind.__name__} first"
        )
    hooked = [type(hook).__name__ for hook in _weight_hooks(layer)]
    if hooked:
        raise ValueError(
            f"layer {name!r} has a weight that a hook computes ({hooked[0]}): "
            "edu_lib.to_plain(model) makes it an ordinary weight"
        )


def replace_layers(
    model: nn.Module,
    build: Callable[[nn.Module], nn.Module],
    kinds: tuple[type[nn.Module], ...],
    skip: Collection[str] = (),
) -> nn.Module:
    """A copy of `model` with build(layer) in place of each chosen layer.

    A layer in two places is built once and stays one; layers that share one weight go on sharing
    it. The linear layer of an attention stays: its weight is read, it is never called.
    Raises as `choose_layers`, and ValueError if none is left.
    """
    model = copied(model)
    read = [name for name, part in model.named_modules() if isinstance(part, nn.MultiheadAttention)]
    chosen = choose_layers(model, kinds, skip)
    layers = {name: layer for name, layer in chosen.items() if not is_within(name, read)}
    if not layers:
        check_unwrapped(model, skip)
        wanted = ", ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{type(model).__name__} has no layer left to treat: it needs {wanted}")
    built = {layer: build(layer) for layer in dict.fromkeys(layers.values())}
    first: dict[int, nn.Module] = {}  # by the id of the stored weight
    for layer in built:
        one = first.setdefault(id(stored_tensor(layer)), layer)
        if one is not layer and torch.equal(one.weight, layer.weight):
            share_weight(built[layer], built[one])
    if model in built:
        return built[model]
    for name, layer in layers.items():
        put_layer(model, name, built[layer])
    return model


def put_layer(model: nn.Module, name: str, layer: nn.Module) -> None:
    """Put `layer` in the place `name` of the model, and have it called there."""
    model.set_submodule(name, layer)
    parent = model.get_submodule(name.rpartition(".")[0])
    if isinstance(parent, nn.TransformerEncoderLayer):
        # its fast way reads the weights of its linear layers and does not call them: none for it
        parent.activation_relu_or_gelu = 0


def to_plain(model: nn.Module, *, skip: Collection[str] = ()) -> nn.Module:
    """A copy of `model` without any wrapper: ordinary layers, ordinary weights of the used values.

    Masks, shared values, weight and spectral norm, and layers that a technique put in place of a
    Conv2d or a Linear (those with a method `plain_layer`) all go; what the network computes stays,
    but for the rounding of activations, which goes too.
    A frozen weight stays frozen, and layers that share one weight go on sharing it.
    skip: names of parts that keep their wrappers. Raises ValueError for a name that there is not.
    """
    skipped = known_parts(model, skip)
    model = copied(model)
    parts = [
        (name, part)
        for name, part in model.named_modules(remove_duplicate=False)
        if not is_within(name, skipped)
    ]
    wrapped = dict.fromkeys(p for _, p in parts if callable(getattr(p, "plain_layer", None)))
    built = {part: part.plain_layer() for part in wrapped}
    if model in built:
        known = dict(built[model].named_modules())
        return to_plain(built[model], skip=[name for name in skipped if name in known])
    plain: dict[int, list[nn.Parameter]] = {}  # by the id of the stored tensor
    for part, layer in built.items():
        for name, value in layer.named_parameters(recurse=False):
            stored = stored_tensor(part, name)
            if stored is not None:
                setattr(layer, name, one_parameter(value, plain.setdefault(id(stored), [])))
    for name, part in parts:
        if part in built:
            model.set_submodule(name, built[part])
    for name, part in model.named_modules():
        if is_within(name, skipped):
            continue
        for hook in _weight_hooks(part):
            hook.remove(part)
            _forget(part, hook)
        if parametrize.is_parametrized(part):
            _bake(part, plain)
    return model


def _bake(part: nn.Module, plain: dict[int, list[nn.Parameter]]) -> None:
    """Replace the parametrized tensors of `part` by parameters of the values in use."""
    values = {}
    for name in part.parametrizations:
        stored = stored_tensor(part, name)
        value = nn.Parameter(getattr(part, name).detach().clone(), stored.requires_grad)
        values[name] = one_parameter(value, plain.setdefault(id(stored), []))
    # remove_parametrizations would change the class, which other copies of the model use too
    part.__class__ = parametrize.type_before_parametrizations(part)
    del part.parametrizations
    for name, value in values.items():
        part.register_parameter(name, value)


def _weight_hooks(part: nn.Module) -> list:
    """The hooks that compute a weight before each forward: PyTorch's masks and old norms."""
    hooks = part._forward_pre_hooks.values()
    return [hook for hook in hooks if hasattr(hook, "remove") and hasattr(hook, "apply")]


def _forget(part: nn.Module, hook: object) -> None:
    for number, other in list(part._forward_pre_hooks.items()):
        if other is hook:
            del part._forward_pre_hooks[number]
