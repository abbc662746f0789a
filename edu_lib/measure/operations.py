"""MACs of single tensor operations: what a forward computes outside Conv and Linear layers.

A product inside attention, an einsum, a call of `functional.conv2d`: `OperationMacs` sees each
one as the operation PyTorch runs. Taught in chapter 01.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


def convolution_macs(X: Tensor, weight: Tensor, out: Tensor, transposed: bool) -> int:
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

    query: [..., L, E], key: [..., S, E], value: [..., S, E_v].
    """
    # MACs = batch * heads * L * S * (E + E_v)
    return math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _attention(args: tuple, out: tuple) -> int:
    return attention_macs(*args[:3])


RULES: dict[object, Callable[[tuple, object], int]] = {
    aten.convolution: lambda args, out: convolution_macs(args[0], args[1], out, args[6]),
    aten.mm: lambda args, out: product_macs(args[0], out),
    aten.bmm: lambda args, out: product_macs(args[0], out),
    aten.mv: lambda args, out: product_macs(args[0], out),
    aten.dot: lambda args, out: product_macs(args[0], out),
    aten._int_mm: lambda args, out: product_macs(args[0], out),
    aten.addmm: lambda args, out: product_macs(args[1], out),
    aten.addmv: lambda args, out: product_macs(args[1], out),
    aten.baddbmm: lambda args, out: product_macs(args[1], out),
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention: _attention,
    aten._scaled_dot_product_efficient_attention: _attention,
    aten._scaled_dot_product_cudnn_attention: _attention,
}


class OperationMacs(TorchDispatchMode):
    """While active, hands the MACs of every operation that has a rule to `report(macs)`."""

    def __init__(self, report: Callable[[int], None]):
        super().__init__()
        self.report = report

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        rule = RULES.get(func.overloadpacket)
        if rule is not None:
            self.report(rule(args, out))
        return out
