"""Integer weights, float activations: for layers that wait for their weights. Chapter 09."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edu_lib.layers import replace_layers
from edu_lib.techniques.quantization.modules import TREATED, FewBitLayer, Layer, check_layers
from edu_lib.techniques.quantization.qparams import (
    QParams,
    dequantize,
    quantize,
    symmetric_qparams,
)


class WeightOnlyLayer(FewBitLayer):
    """A convolution or linear layer that keeps its weights as integers and multiplies in float32.

    Input and output as the layer it stands for. Weights are symmetric; each block of `block_size`
    inputs of an output channel has a scale of its own, or, where that is None, each channel.
    Up to 4 bits, two weights share a byte.
    Source: Dettmers, Zettlemoyer 2023, "The case for 4-bit precision", section 3 (blocks).
    """

    def __init__(self, layer: Layer, bits: int = 8, block_size: int | None = None):
        super().__init__(layer)
        weight = layer.weight.detach().flatten(1)
        self.shape, self.bits = layer.weight.shape, bits
        self.inputs, self.block_size = weight.shape[1], block_size or weight.shape[1]
        self.bias = layer.bias
        blocks = _in_blocks(weight, self.block_size)
        qparams = symmetric_qparams(blocks.abs().amax(dim=1), bits, axis=0)
        q = quantize(blocks, qparams).to(torch.int8)
        self.register_buffer("scale", qparams.scale)
        self.register_buffer("packed", pack_nibbles(q.flatten()) if bits <= 4 else q.flatten())

    @property
    def weight(self) -> Tensor:
        """The weights the integers stand for, float32, in the layer's shape."""
        q = unpack_nibbles(self.packed) if self.bits <= 4 else self.packed
        count = len(self.scale) * self.block_size
        qmax = 2 ** (self.bits - 1) - 1
        zero_point = torch.zeros_like(self.scale, dtype=torch.int32)
        qparams = QParams(self.scale, zero_point, -qmax, qmax, axis=0)
        blocks = dequantize(q[:count].view(-1, self.block_size), qparams)
        return blocks.view(self.shape[0], -1)[:, : self.inputs].reshape(self.shape)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the integers and their scales."""
        return self.packed.nbytes + self.scale.nbytes

    def forward(self, X: Tensor) -> Tensor:
        return self.compute(X, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"weight {list(self.shape)} of {self.bits} bits, blocks of {self.block_size}"


def quantize_weights(
    model: nn.Module,
    bits: int = 8,
    *,
    block_size: int | None = None,
    skip: Collection[str] = (),
) -> nn.Module:
    """A copy of `model` whose convolution and linear weights are integers of 2 to 8 bits.

    Needs no data. block_size: how many inputs share a scale, 32 is usual at 4 bits; None for one
    scale an output channel. skip: layers or parts that stay. It saves bytes, and time where
    loading weights is what takes it, as in AlexNet's linear layers; not where arithmetic does.
    Layers with weights of other kinds stay float, with a warning that names them.
    Raises ValueError for bits or a block size it cannot have, and naming a layer it cannot treat.
    Source: Krishnamoorthi 2018, section 3.1.1. Taught in chapter 09.
    """
    if block_size is not None and block_size < 2:
        raise ValueError(f"block_size must be 2 or more, got {block_size}")
    check_layers(model, skip)
    return replace_layers(
        model, lambda layer: WeightOnlyLayer(layer, bits, block_size), TREATED, skip
    )


def _in_blocks(weight: Tensor, block_size: int) -> Tensor:
    """[out, in] as [out * blocks, block_size]; the last block of a channel is filled with zeros."""
    missing = -weight.shape[1] % block_size
    return F.pad(weight, (0, missing)).reshape(-1, block_size)


def pack_nibbles(q: Tensor) -> Tensor:
    """Integers from -8 to 7, int8 [n], two in each byte of a uint8 [n / 2, rounded up]."""
    low, high = F.pad(q.view(torch.uint8) & 15, (0, len(q) % 2)).view(-1, 2).unbind(1)
    return low | (high << 4)


def unpack_nibbles(packed: Tensor) -> Tensor:
    """The integers, int8 [2 n], in n bytes; an odd number of them has a 0 more."""
    q = torch.stack([packed & 15, packed >> 4], dim=1).flatten().to(torch.int8)
    return torch.where(q > 7, q - 16, q)
