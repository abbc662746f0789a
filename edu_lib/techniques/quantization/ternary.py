"""Weights that are -a, 0 or +a. Taught in chapter 09."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from edu_lib.techniques.quantization.layers import apply_layer, geometry
from edu_lib.techniques.quantization.replacing import Layer, replace_layers
from edu_lib.techniques.quantization.straight_through import straight_through

THRESHOLD = 0.7


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


class TernaryLayer(nn.Module):
    """A Conv2d or Linear that computes with ternary weights and trains the float ones behind them.

    Input and output as the layer it stands for. The gradient goes straight through the rounding.
    """

    def __init__(self, layer: Layer):
        super().__init__()
        self.convolution = geometry(layer)
        self.weight = nn.Parameter(layer.weight.detach().clone())
        self.bias = layer.bias

    def forward(self, X: Tensor) -> Tensor:
        codes, scale = ternary_weight(self.weight)
        ternary = codes * scale.view(-1, *[1] * (codes.dim() - 1))
        weight = straight_through(ternary, self.weight)
        return apply_layer(X, weight, self.bias, self.convolution)

    def extra_repr(self) -> str:
        zeros = (ternary_weight(self.weight)[0] == 0).float().mean().item()
        return f"weight {list(self.weight.shape)} in {{-a, 0, a}}, {100 * zeros:.0f} % zeros"


def ternarize(model: nn.Module, *, skip: Collection[str] | None = None) -> nn.Module:
    """A copy of `model` with ternary weights, 2 bits each or fewer; train it some epochs more.

    skip: names of layers that stay; by default the first and the last.
    Raises ValueError naming a layer it cannot treat, or a name to skip that there is not.
    Source: Li, Liu 2016, section 3. Taught in chapter 09.
    """
    return replace_layers(model, TernaryLayer, skip)


@torch.no_grad()
def ternary_zeros(model: nn.Module) -> float:
    """The share of ternary weights that are 0, from 0 to 1."""
    codes = [ternary_weight(m.weight)[0] for m in model.modules() if isinstance(m, TernaryLayer)]
    return sum((c == 0).sum().item() for c in codes) / sum(c.numel() for c in codes)
