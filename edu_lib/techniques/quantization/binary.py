"""Weights, and activations, of one bit: a multiplication becomes a comparison. Chapter 09."""

from collections.abc import Collection

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edu_lib.techniques.quantization.layers import apply_layer, geometry
from edu_lib.techniques.quantization.replacing import Layer, replace_layers
from edu_lib.techniques.quantization.straight_through import sign_straight_through


class BinaryLayer(nn.Module):
    """A Conv2d or Linear whose weights are -a or +a, one a for each output channel.

    Input and output as the layer it stands for. With `activations` the input too becomes -1 or +1,
    and the output is multiplied by the mean |input| under each window.
    Source: Rastegari et al. 2016, "XNOR-Net", sections 3.1 (weights) and 3.2 (activations).
    """

    def __init__(self, layer: Layer, activations: bool = False):
        super().__init__()
        self.convolution, self.activations = geometry(layer), activations
        self.weight = nn.Parameter(layer.weight.detach().clone())
        self.bias = layer.bias

    def forward(self, X: Tensor) -> Tensor:
        # a = mean|w|, W ~ a sign(W)
        shape = (-1, *[1] * (self.weight.dim() - 1))
        scale = self.weight.abs().flatten(1).mean(dim=1)
        weight = scale.view(shape) * sign_straight_through(self.weight)
        if not self.activations:
            return apply_layer(X, weight, self.bias, self.convolution)
        # y ~ K (sign(X) * a sign(W)), K the mean |x| of each window
        y = apply_layer(sign_straight_through(X), weight, None, self.convolution)
        y = y * self._means(X.abs())
        return y if self.bias is None else y + self.bias.view(-1, *[1] * (y.dim() - 2))

    def _means(self, magnitude: Tensor) -> Tensor:
        """Mean magnitude over the channels and the window of each output position."""
        A = magnitude.mean(dim=1, keepdim=True)
        if self.convolution is None:
            return A
        stride, padding, dilation, _ = self.convolution
        k = A.new_full((1, 1, *self.weight.shape[2:]), 1 / self.weight[0, 0].numel())
        return F.conv2d(A, k, None, stride, padding, dilation)

    def extra_repr(self) -> str:
        what = "weights and activations" if self.activations else "weights"
        return f"{what} of 1 bit, weight {list(self.weight.shape)}"


def binarize(
    model: nn.Module, *, activations: bool = False, skip: Collection[str] | None = None
) -> nn.Module:
    """A copy of `model` with weights of one bit, and with `activations` inputs of one bit too.

    It must be trained on, for longer than with more bits. skip: names of layers that stay; by
    default the first and the last.
    Raises ValueError naming a layer it cannot treat, or a name to skip that there is not.
    Source: Rastegari et al. 2016. Taught in chapter 09.
    """
    return replace_layers(model, lambda layer: BinaryLayer(layer, activations), skip)


def pack_signs(X: np.ndarray) -> np.ndarray:
    """The signs of the last dimension [..., n] as bits of uint64 words [..., n / 64, rounded up].

    A bit is 1 where X >= 0; the places that fill the last word are 1 too.
    """
    missing = -X.shape[-1] % 64
    bits = np.pad(X >= 0, [(0, 0)] * (X.ndim - 1) + [(0, missing)], constant_values=True)
    return np.packbits(bits, axis=-1, bitorder="little").view(np.uint64)


def xnor_dot(a: np.ndarray, b: np.ndarray, n: int) -> np.ndarray:
    """Dot products of n signs, from words [M, words] and [N, words]: int64 [M, N].

    64 multiplications and additions become one XOR and one count.
    Source: Rastegari et al. 2016, section 3.2 (binary dot product).
    """
    # sum of products = agreements - disagreements = n - 2 popcount(a xor b)
    differing = np.bitwise_count(a[:, None, :] ^ b[None, :, :]).sum(axis=-1, dtype=np.int64)
    return n - 2 * differing


@torch.no_grad()
def run_xnor(layer: BinaryLayer, X: Tensor) -> Tensor:
    """What a linear BinaryLayer with 1-bit activations gives for X [N, in], computed with XOR.

    Raises ValueError for a convolution, or a layer whose activations are not binary.
    """
    if layer.convolution is not None or not layer.activations:
        raise ValueError("run_xnor takes a linear BinaryLayer with activations=True")
    signs = pack_signs(X.numpy()), pack_signs(layer.weight.numpy())
    dots = torch.from_numpy(xnor_dot(*signs, X.shape[1])).float()
    y = dots * layer.weight.abs().mean(dim=1) * X.abs().mean(dim=1, keepdim=True)
    return y if layer.bias is None else y + layer.bias
