"""Quantization-aware training: the network learns with its rounding. Taught in chapter 09."""

import copy
import math

import torch
from torch import Tensor, fx, nn

from edu_lib.techniques.quantization.affine import SMALLEST_SCALE, Grid, weight_grid
from edu_lib.techniques.quantization.calibration import with_grids
from edu_lib.techniques.quantization.folding import fold_batch_norm
from edu_lib.techniques.quantization.graph import layer_of, tidy
from edu_lib.techniques.quantization.layers import (
    ActivationGrid,
    QuantizedLayer,
    apply_layer,
    geometry,
)
from edu_lib.techniques.quantization.static import check_calibration
from edu_lib.techniques.quantization.straight_through import (
    fake_quantize_trainable,
    scale_gradient,
)

METHODS = ("lsq", "ste")


class TrainableGrid(nn.Module):
    """The grid of an activation while training; the step is learned if `learns`."""

    def __init__(self, grid: Grid, learns: bool):
        super().__init__()
        self.qmax, self.learns = grid.qmax, learns
        self.step = nn.Parameter(grid.scale.clone(), requires_grad=learns)
        self.register_buffer("zero_point", grid.zero_point)

    @property
    def grid(self) -> Grid:
        """The grid as it now is."""
        return Grid(positive(self.step.detach()), self.zero_point, 0, self.qmax)

    def forward(self, X: Tensor) -> Tensor:
        # g = 1 / sqrt(N Q_P), with N the values of one input
        step = scale_gradient(self.step, 1 / math.sqrt(X[0].numel() * self.qmax))
        return fake_quantize_trainable(X, positive(step), self.zero_point, 0, self.qmax)


class TrainableLayer(nn.Module):
    """A Conv2d or Linear that computes with rounded weights and trains the float ones.

    method "ste": the grid spans the largest weight; "lsq": one step a channel (or one a layer) is
    learned, from 2 mean|w| / sqrt(Q_P) on.
    """

    def __init__(self, layer: nn.Conv2d | nn.Linear, bits: int, per_channel: bool, method: str):
        super().__init__()
        self.bits, self.per_channel = bits, per_channel
        self.convolution = geometry(layer)
        self.weight = nn.Parameter(layer.weight.detach().clone())
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().clone())
        self.step = None
        if method == "lsq":
            grid = weight_grid(self.weight, bits, per_channel)
            mean = self.weight.detach().abs().flatten(1).mean(dim=1)
            mean = mean if per_channel else mean.mean()
            # s = 2 <|w|> / sqrt(Q_P)
            start = (2 * mean / math.sqrt(grid.qmax)).clamp(min=SMALLEST_SCALE)
            # with many bits that is wider than the weights are
            self.step = nn.Parameter(torch.minimum(start, grid.scale))

    @property
    def grid(self) -> Grid:
        """The grid of the weights as they now are."""
        grid = weight_grid(self.weight, self.bits, self.per_channel)
        if self.step is None:
            return grid
        return Grid(positive(self.step.detach()), grid.zero_point, grid.qmin, grid.qmax, grid.axis)

    def forward(self, X: Tensor) -> Tensor:
        grid = self.grid
        step = grid.scale
        if self.step is not None:
            weights_a_step = self.weight.numel() / self.step.numel()
            step = scale_gradient(self.step, 1 / math.sqrt(weights_a_step * grid.qmax))
        step = positive(step).view(-1, *[1] * (self.weight.dim() - 1))
        weight = fake_quantize_trainable(
            self.weight, step, torch.zeros((), dtype=torch.int32), grid.qmin, grid.qmax
        )
        return apply_layer(X, weight, self.bias, self.convolution)


def prepare_training(
    model: nn.Module,
    calibration: Tensor,
    *,
    method: str = "lsq",
    weight_bits: int = 8,
    activation_bits: int = 8,
    per_channel: bool = True,
    observer: str = "minmax",
) -> fx.GraphModule:
    """`model` ready to be trained on with rounding in every forward pass; argument not touched.

    method: "lsq" learns the steps of all grids, "ste" keeps those of activations and lets those of
    weights follow the largest weight. The rest as in `quantize_static`. Batch norm is folded and
    dropout gone. Train it like any model, a few epochs with a small learning rate, then give it to
    `finish_training`. Raises ValueError as `quantize_static` does.
    Source: Jacob et al. 2018, section 3; Esser et al. 2020. Taught in chapter 09.
    """
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, got {method!r}")
    check_calibration(calibration)
    graph_module = with_grids(
        fold_batch_norm(model, calibration), calibration, observer, activation_bits
    )
    for name, module in list(graph_module.named_modules()):
        if isinstance(module, ActivationGrid):
            graph_module.set_submodule(name, TrainableGrid(module.grid, learns=method == "lsq"))
        elif isinstance(module, nn.Conv2d | nn.Linear):
            layer = TrainableLayer(module, weight_bits, per_channel, method)
            graph_module.set_submodule(name, layer)
    return tidy(graph_module)


def finish_training(model: fx.GraphModule) -> fx.GraphModule:
    """The trained network with integers, as `quantize_static` would make it; argument not touched.

    Raises ValueError if `model` does not come from `prepare_training`.
    """
    graph_module = copy.deepcopy(model)
    layers = dict(graph_module.named_modules())
    if not any(isinstance(layer, TrainableLayer) for layer in layers.values()):
        raise ValueError(f"{type(model).__name__} does not come from prepare_training")
    for node in graph_module.graph.nodes:
        layer = layer_of(graph_module, node)
        if isinstance(layer, TrainableLayer):
            s_in = layer_of(graph_module, node.args[0]).grid.scale
            graph_module.set_submodule(node.target, QuantizedLayer(layer, s_in, layer.grid))
    for name, grid in layers.items():
        if isinstance(grid, TrainableGrid):
            graph_module.set_submodule(name, ActivationGrid(grid.grid))
    return tidy(graph_module)


def positive(step: Tensor) -> Tensor:
    """A step that training has made negative or 0 counts as tiny."""
    return step.clamp(min=SMALLEST_SCALE)
