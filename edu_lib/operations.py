"""What operations and weights cost: MACs, numbers, memory that waits. Taught in chapter 01.

Two modes of PyTorch's dispatcher look at every operation that a forward runs, whether a layer
asked for it, an einsum, or a call of `functional.conv2d`.
"""

import inspect
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.utils import parametrize
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def convolution_macs(X: Tensor, weight: Tensor, out: Tensor, transposed: bool = False) -> int:
    """MACs of a convolution of any dimension, groups and dilation included.

    weight: [C_out, C_in/groups, *k], or [C_in, C_out/groups, *k] if transposed.
    """
    # MACs = (positions the kernel is laid on) * C * (C_other/groups) * k_h * k_w,
    # counted over the output; a transposed convolution lays its kernel on the input.
    laid_on = X if transposed else out
    return laid_on.numel() * math.prod(weight.shape[1:])


def product_macs(a: Tensor, out: Tensor) -> int:
    """MACs of a matrix product: every element of `out` sums over the last dimension of `a`."""
    # MACs = batch * rows * columns * inner
    return out.numel() * a.shape[-1]


def attention_macs(query: Tensor, key: Tensor, value: Tensor) -> int:
    """MACs of scaled dot-product attention: Q K^T, then its product with V.

    query: [..., L, E], key: [..., S, E], value: [..., S, E_v]. A mask saves none.
    """
    # MACs = batch * heads * L * S * (E + E_v)
    return math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def recurrent_macs(X: Tensor, weights: list[Tensor]) -> int:
    """MACs of an LSTM, GRU or RNN: every step multiplies by every weight matrix once.

    X: [steps, batch, input] or packed [rows, input]. weights: of all layers and directions; biases,
    with one dimension, are added. An LSTM has 4 (input + hidden) hidden MACs a step.
    """
    steps = X.numel() // X.shape[-1]
    return steps * sum(weight.numel() for weight in weights if weight.dim() == 2)


def bilinear_macs(args: tuple) -> int:
    """MACs of nn.Bilinear: a product for each pair of inputs and each output.

    args: three tensors, then the dimensions in which each is repeated.
    """
    shapes = []
    for tensor, repeated in zip(args[:3], args[3:6], strict=True):
        for dim in repeated:
            tensor = tensor.unsqueeze(dim)
        shapes.append(tensor.shape)
    return math.prod(torch.broadcast_shapes(*shapes))


def _first(args: tuple, out: Tensor) -> int:
    return product_macs(args[0], out)


def _second(args: tuple, out: Tensor) -> int:
    return product_macs(args[1], out)


def _attention(args: tuple, out: object) -> int:
    return attention_macs(*args[:3])


RULES: dict[str, Callable[[tuple, object], int]] = {
    "aten.convolution": lambda args, out: convolution_macs(args[0], args[1], out, args[6]),
    "torchvision.deform_conv2d": lambda args, out: convolution_macs(args[0], args[1], out),
    **dict.fromkeys(("aten.mm", "aten.bmm", "aten.mv", "aten.dot", "aten.linear"), _first),
    **dict.fromkeys(("aten._int_mm", "aten._scaled_mm", "aten._weight_int8pack_mm"), _first),
    **dict.fromkeys(("aten.addmm", "aten.addmv", "aten.baddbmm"), _second),
    "aten._addmm_activation": _second,
    # a sum over the batch: every element of the first matrices meets a row of the second
    "aten.addbmm": lambda args, out: args[1].numel() * out.shape[-1],
    "aten._scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten._scaled_dot_product_flash_attention": _attention,
    "aten._scaled_dot_product_efficient_attention": _attention,
    "aten._scaled_dot_product_cudnn_attention": _attention,
    "aten._scaled_dot_product_fused_attention_overrideable": _attention,
    "aten._scaled_dot_product_attention_math_for_mps": _attention,
    "aten.mkldnn_rnn_layer": lambda args, out: recurrent_macs(args[0], args[1:3]),
    "aten._cudnn_rnn": lambda args, out: recurrent_macs(args[0], args[1]),
    "aten._trilinear": lambda args, out: bilinear_macs(args),
}
# PyTorch's own operations with one of these words in their name multiply, by a rule or by none.
# (`_linalg_`, `_fft_` and others like them are algorithms, whose MACs depend on the library.)
MULTIPLYING = {
    *("mm", "bmm", "addmm", "baddbmm", "addbmm", "mv", "addmv", "dot", "vdot", "addr"),
    *("linear", "convolution", "attention", "lstm", "gru", "rnn", "trilinear", "cdist", "fft"),
    *("qr", "svd", "eigh", "inv", "solve", "cholesky"),
}
# Operations of other libraries that only choose or move.
FREE = {"torchvision.nms", "torchvision.roi_align", "torchvision.roi_pool"}


class OperationMacs(TorchDispatchMode):
    """While active, calls `report(operation, macs)` for every operation that multiplies.

    macs is None where no rule knows the operation: one of another library, or of a kind without a
    count.
    """

    def __init__(self, report: Callable[[str, int | None], None]):
        super().__init__()
        self.report = report

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = str(func.overloadpacket)
        if name in RULES:
            self.report(name, RULES[name](args, out))
        elif _multiplies(name):
            self.report(name, None)
        return out


def _multiplies(name: str) -> bool:
    library, _, operation = name.partition(".")
    if library in ("aten", "prim", "prims"):
        return not MULTIPLYING.isdisjoint(operation.split("_"))
    return name not in FREE


# Operations that return their result first and then what a backward pass would need.
FOR_BACKWARD = ("_norm", "_norm_legit", "_norm_legit_no_training", "_with_indices", "_for_cpu")


class LiveTensors(TorchDispatchMode):
    """While active, follows which tensors are alive; `peak_bytes` is their largest sum.

    Counted: the inputs, every result of an operation, and what a skip connection keeps alive until
    it is added. A view or an in-place result shares the memory of its source and counts once.
    Not counted: parameters, buffers, the scratch memory inside one operation, and what an
    operation returns beside its result for a backward pass (statistics, positions of maxima).
    Memory is looked at after each operation, when its inputs and its outputs both exist.
    """

    def __init__(self, model: torch.nn.Module, inputs: object):
        super().__init__()
        fixed = [*model.parameters(), *model.buffers()]
        self.fixed = {
            tensor.untyped_storage()._cdata for tensor in fixed if tensor.layout == torch.strided
        }
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak_bytes = 0
        self._look_at(inputs)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self._look_at(out[0] if func.overloadpacket.__name__.endswith(FOR_BACKWARD) else out)
        return out

    def _look_at(self, out: object) -> None:
        self.alive = {key: seen for key, seen in self.alive.items() if not seen[0].expired()}
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor) and tensor.layout == torch.strided:
                storage = tensor.untyped_storage()
                if storage._cdata not in self.fixed:
                    self.alive[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        # peak = max over time of the sum of all live tensors
        live_bytes = sum(nbytes for _, nbytes in self.alive.values())
        self.peak_bytes = max(self.peak_bytes, live_bytes)


def tensor_bytes(tensors: object) -> int:
    """Bytes of all tensors in a (nested) list, tuple or dict."""
    leaves = [leaf for leaf in tree_leaves(tensors) if isinstance(leaf, Tensor)]
    return sum(leaf.numel() * leaf.element_size() for leaf in leaves)


def parts_of(module: nn.Module) -> list[nn.Module]:
    """The modules whose weights are this row's."""
    return list(module.modules()) if is_whole(module) else [module]


def weights_of(module: nn.Module) -> list[tuple[int, list[Tensor]]]:
    """(how many weights, the tensors that hold them) of a module without its parts."""
    own = {name: p for name, p in module._parameters.items() if p is not None}
    found = [(parameter.numel(), [parameter]) for parameter in own.values()]
    if parametrize.is_parametrized(module):
        for name, parts in module.parametrizations.items():
            # weight_norm holds more numbers than the weight has, a codebook fewer
            stored = sum(parameter.numel() for parameter in parts.parameters())
            number = max(getattr(module, name).numel(), stored)
            found.append((number, [*parts.parameters(), *parts.buffers()]))
    elif own.keys() <= {"bias"}:
        held = [tensor for name in ("weight", "bias") for tensor in _held(module, name)]
        if held:
            found.append((sum(map(Tensor.numel, held)), list(module.buffers(recurse=False))))
    return found


def _held(module: nn.Module, name: str) -> list[Tensor]:
    """A weight that is no parameter: a buffer, or what a property or a method makes of buffers."""
    value = getattr(module, name, None)
    if inspect.ismethod(value) and not inspect.signature(value).parameters:
        value = value()
    if not isinstance(value, Tensor) or isinstance(value, nn.Parameter):
        return []
    return [value if value.layout == torch.strided else value.values()]


def is_whole(module: nn.Module) -> bool:
    """Counted as one layer: it counts itself, or uses its parts' weights without calling them."""
    return hasattr(module, "count_macs") or isinstance(module, nn.MultiheadAttention)
