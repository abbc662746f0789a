"""Weights that are -a or +a, or -a, 0 or +a: trained as floats, computed with one or two bits.

With activations of one bit too, a multiplication becomes a comparison. Taught in chapter 09.
"""

from collections.abc import Collection

import numpy as np
from torch import Tensor, nn

from edu_lib.layers import replace_layers
from edu_lib.techniques.quantization.aware_training import (
    sign_straight_through,
    straight_through,
)
from edu_lib.techniques.quantization.modules import TREATED, FewBitLayer, Layer, check_layers

THRESHOLD = 0.7


class BinaryLayer(FewBitLayer):
    """A convolution or linear layer whose weights are -a or +a, one a for each output channel.

    Input and output as the layer it stands for. With `activations` the input too becomes -1 or +1,
    and the output is multiplied by the mean |input| under each window.
    Source: Rastegari et al. 2016, "XNOR-Net", sections 3.1 (weights) and 3.2 (activations).
    """

    def __init__(self, layer: Layer, activations: bool = False):
        super().__init__(layer)
        self.activations = activations
        weight = layer.weight
        self.weight = nn.Parameter(weight.detach().clone(), weight.requires_grad)
        self.bias = layer.bias

    def used(self) -> tuple[Tensor, Tensor | None]:
        # a = mean|w|, W ~ a sign(W)
        scale = self.weight.abs().flatten(1).mean(dim=1)
        scale = scale.view(-1, *[1] * (self.weight.dim() - 1))
        return scale * sign_straight_through(self.weight), self.bias

    def forward(self, X: Tensor) -> Tensor:
        weight, bias = self.used()
        if not self.activations:
            return self.compute(X, weight, bias)
        # y ~ K (sign(X) * a sign(W)), K the mean |x| of each window
        y = self.compute(sign_straight_through(X), weight, None)
        y = y * self._means(X.abs())
        return y if bias is None else y + bias.view(-1, *[1] * (self.weight.dim() - 2))

    def _means(self, magnitude: Tensor) -> Tensor:
        """Mean magnitude over the channels and the window of each output position."""
        if self.convolution is None:
            return magnitude.mean(dim=-1, keepdim=True)
        groups = self.convolution["groups"]  # an output reads the channels of its group alone
        A = magnitude.unflatten(1, (groups, -1)).mean(dim=2)
        k = A.new_full((groups, 1, *self.weight.shape[2:]), 1 / self.weight[0, 0].numel())
        return self.compute(A, k, None).repeat_interleave(len(self.weight) // groups, dim=1)

    def plain_layer(self) -> Layer:
        """Raises ValueError where inputs have one bit: no ordinary layer computes that."""
        if self.activations:
            raise ValueError("a BinaryLayer with activations=True has no ordinary layer like it")
        return super().plain_layer()

    def extra_repr(self) -> str:
        what = "weights and activations" if self.activations else "weights"
        return f"{what} of 1 bit, weight {list(self.weight.shape)}"


def binarize(
    model: nn.Module, *, activations: bool = False, skip: Collection[str] = ()
) -> nn.Module:
    """A copy of `model` with weights of one bit, and with `activations` inputs of one bit too.

    It must be trained on, for longer than with more bits. skip: names of layers or parts that
    stay; `edu_lib.layers.first_and_last(model)` are those that lose most.
    Raises ValueError naming a layer it cannot treat, or a name to skip that there is not.
    Source: Rastegari et al. 2016. Taught in chapter 09.
    """
    check_layers(model, skip)
    return replace_layers(model, lambda layer: BinaryLayer(layer, activations), TREATED, skip)


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


# Ternary


def ternary_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(codes in {-1, 0, 1} of weight's shape, scale of each output channel [C]).

    scale * codes is close to the nearest ternary weight there is in the sense of least squares.
    Source: Li, Liu 2016, "Ternary Weight Networks", equations 3, 5 and 6.
    """
    magnitude = weight.detach().abs().flatten(1)
    # delta = 0.7 mean|w|: what is smaller becomes 0
    delta = THRESHOLD * magnitude.mean(dim=1)
    kept = magnitude > delta[:, None]
    # a = mean of the |w| that are kept
    scale = (magnitude * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)
    codes = weight.detach().sign() * kept.view(weight.shape)
    return codes, scale


class TernaryLayer(FewBitLayer):
    """A convolution or linear layer with ternary weights, which trains the float ones behind them.

    Input and output as the layer it stands for. The gradient goes straight through the rounding.
    """

    def __init__(self, layer: Layer):
        super().__init__(layer)
        weight = layer.weight
        self.weight = nn.Parameter(weight.detach().clone(), weight.requires_grad)
        self.bias = layer.bias

    def used(self) -> tuple[Tensor, Tensor | None]:
        codes, scale = ternary_weight(self.weight)
        ternary = codes * scale.view(-1, *[1] * (codes.dim() - 1))
        return straight_through(ternary, self.weight), self.bias

    def forward(self, X: Tensor) -> Tensor:
        return self.compute(X, *self.used())

    def extra_repr(self) -> str:
        zeros = (ternary_weight(self.weight)[0] == 0).float().mean().item()
        return f"weight {list(self.weight.shape)} in {{-a, 0, a}}, {100 * zeros:.0f} % zeros"


def ternarize(model: nn.Module, *, skip: Collection[str] = ()) -> nn.Module:
    """A copy of `model` with ternary weights, 2 bits each or fewer; train it some epochs more.

    skip: names of layers or parts that stay, as in `binarize`.
    Raises ValueError naming a layer it cannot treat, or a name to skip that there is not.
    Source: Li, Liu 2016, section 3. Taught in chapter 09.
    """
    check_layers(model, skip)
    return replace_layers(model, TernaryLayer, TREATED, skip)
