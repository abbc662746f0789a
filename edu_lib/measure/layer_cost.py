"""MACs, parameters and bytes of each layer, gathered by hooks while a forward runs."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from edu_lib.measure.operations import convolution_macs, product_macs

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


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


def layer_macs(module: nn.Module, X: Tensor, out: Tensor) -> int | None:
    """MACs of one call of a layer; None if its operations are to be counted one by one."""
    if hasattr(module, "count_macs"):
        return int(module.count_macs(X, out))
    if isinstance(module, CONVOLUTIONS + TRANSPOSED):
        # MACs = H_out * W_out * C_out * (C_in / groups) * k_h * k_w, for each image of the batch
        return convolution_macs(X, module.weight, out, isinstance(module, TRANSPOSED))
    if isinstance(module, nn.Linear):
        # MACs = N * in_features * out_features
        return product_macs(X, out)
    return None


class LayerCounter:
    """Hooks on every module of a model; one row for each that computes or owns parameters."""

    def __init__(self, model: nn.Module):
        self.rows: dict[nn.Module, LayerCost] = {}
        self.running: list[nn.Module] = []
        self.names: dict[nn.Module, str] = {}
        self.hooks = []
        own_rule = ()
        for name, module in model.named_modules():
            if own_rule and name.startswith(own_rule):
                continue  # a part of a module that counts itself
            if hasattr(module, "count_macs"):
                own_rule += (f"{name}." if name else "",)
            self.names[module] = name or "(model)"
            self.hooks.append(module.register_forward_pre_hook(self._enter))
            self.hooks.append(module.register_forward_hook(self._leave, with_kwargs=True))
        self.counted_parameters: set[nn.Parameter] = set()

    def add_operation(self, macs: int) -> None:
        module = self.running[-1]
        if not _has_rule(module):
            self._row(module).macs += macs

    def remove_hooks(self) -> None:
        for hook in self.hooks:
            hook.remove()

    def finish(self) -> list[LayerCost]:
        """All rows in the order of the forward; parameters that no forward used come last."""
        for module in self.names:
            if _is_layer(module) and next(_own_parameters(module), None) is not None:
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
        row.macs += layer_macs(module, inputs[0] if len(inputs) == 1 else inputs, out) or 0
        row.input_bytes += tensor_bytes(inputs)
        row.output_bytes += tensor_bytes(out)
        first = next((leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)), None)
        row.output_shape = () if first is None else tuple(first.shape)

    def _row(self, module: nn.Module) -> LayerCost:
        if module not in self.rows:
            own = [p for p in _own_parameters(module) if p not in self.counted_parameters]
            self.counted_parameters.update(own)
            self.rows[module] = LayerCost(
                name=self.names[module],
                kind=type(module).__name__,
                params=sum(p.numel() for p in own),
                weight_bytes=tensor_bytes(own),
            )
        return self.rows[module]


def _has_rule(module: nn.Module) -> bool:
    counted = (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)
    return hasattr(module, "count_macs") or isinstance(module, counted)


def _is_layer(module: nn.Module) -> bool:
    """A layer is a module without parts, one that counts itself, or one with own parameters."""
    is_leaf = next(module.children(), None) is None
    return is_leaf or hasattr(module, "count_macs") or bool(module._parameters)


def _own_parameters(module: nn.Module) -> Iterator[nn.Parameter]:
    return module.parameters(recurse=hasattr(module, "count_macs"))


def tensor_bytes(tensors: object) -> int:
    """Bytes of all tensors in a (nested) list, tuple or dict."""
    leaves = [leaf for leaf in tree_leaves(tensors) if isinstance(leaf, Tensor)]
    return sum(leaf.numel() * leaf.element_size() for leaf in leaves)
