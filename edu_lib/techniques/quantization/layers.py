"""The two layers of an int8 network, computed in float32 so that PyTorch can run them. Chapter 09.

What they compute is what an integer runtime computes: `edu_lib.deploy.export_int8` hands their
integers on, and a test compares.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edu_lib.techniques.quantization.affine import (
    Grid,
    dequantize,
    fake_quantize,
    quantize,
)

LARGEST_BIAS = 2**30


class ActivationGrid(nn.Module):
    """Moves activations of any shape to the nearest points of an unsigned grid of `bits` bits."""

    def __init__(self, grid: Grid):
        super().__init__()
        self.qmax = grid.qmax
        self.register_buffer("scale", grid.scale)
        self.register_buffer("zero_point", grid.zero_point)

    @property
    def grid(self) -> Grid:
        """scale and zero_point with the range of the integers."""
        return Grid(self.scale, self.zero_point, 0, self.qmax)

    def forward(self, X: Tensor) -> Tensor:
        return fake_quantize(X, self.grid)

    def extra_repr(self) -> str:
        low, high = dequantize(torch.tensor([0, self.qmax]), self.grid).tolist()
        return (
            f"{self.grid.bits} bits from {low:.3g} to {high:.3g}, "
            f"scale={self.scale.item():.3g}, zero_point={self.zero_point.item()}"
        )


class QuantizedLayer(nn.Module):
    """A Conv2d or Linear with integer weights (int8) and integer biases (int32).

    Input and output as the layer it stands for. grid: of the weights, with zero_point 0 and one
    scale s_w for the layer or one an output channel; biases have the scale s_in * s_w of the
    accumulator they are added to. s_in: scale of the layer's input.
    Source: Jacob et al. 2018, section 2.4, equation 11.
    """

    def __init__(self, layer: nn.Module, s_in: Tensor, grid: Grid):
        super().__init__()
        self.bits = grid.bits
        self.convolution = geometry(layer)
        weight = layer.weight.detach()
        bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach()
        # a channel of tiny weights needs a larger scale, or its bias would not fit in 32 bits
        scale = torch.maximum(grid.scale.expand(len(weight)), bias.abs() / (LARGEST_BIAS * s_in))
        grid = Grid(scale, torch.zeros_like(scale, dtype=torch.int32), grid.qmin, grid.qmax, axis=0)
        self.register_buffer("weight", quantize(weight, grid).to(torch.int8))
        self.register_buffer("weight_scale", scale)
        # b = s_in * s_w * q_b
        self.register_buffer("bias_scale", s_in * scale)
        self.register_buffer("bias", torch.round(bias / self.bias_scale).to(torch.int32))

    def forward(self, X: Tensor) -> Tensor:
        scale = self.weight_scale.view(-1, *[1] * (self.weight.dim() - 1))
        return self.compute(X, self.weight * scale, self.bias * self.bias_scale)

    def compute(self, X: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """The layer with these weights instead of its own."""
        return apply_layer(X, weight, bias, self.convolution)

    def extra_repr(self) -> str:
        kind = "linear" if self.convolution is None else "conv2d"
        return f"{kind}, weight {list(self.weight.shape)} of {self.bits} bits"


def geometry(layer: nn.Module) -> tuple | None:
    """Stride, padding, dilation and groups of a convolution; None for a linear layer."""
    if isinstance(layer, nn.Linear):
        return None
    if not isinstance(layer, nn.Conv2d):  # a layer of this package
        return layer.convolution
    return layer.stride, layer.padding, layer.dilation, layer.groups


def apply_layer(
    X: Tensor, weight: Tensor, bias: Tensor | None, convolution: tuple | None
) -> Tensor:
    """The convolution, or the linear layer, with these weights."""
    if convolution is None:
        return F.linear(X, weight, bias)
    return F.conv2d(X, weight, bias, *convolution)
