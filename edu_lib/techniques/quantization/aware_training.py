"""Quantization-aware training: the network learns with its rounding. Taught in chapter 09.

Rounding is flat almost everywhere, so that its gradient is 0 and nothing would be learned. The
straight-through estimator treats it as if it were the identity; clamping keeps its gradient, 1
inside and 0 outside.
Sources: Bengio, Leonard, Courville 2013, "Estimating or Propagating Gradients Through Stochastic
Neurons", section 4 (straight through); Esser et al. 2020, "Learned Step Size Quantization".
"""

import math
from collections.abc import Collection

import torch
from torch import Tensor, fx, nn

from edu_lib.copies import copied
from edu_lib.graph import Inputs, layer_of, tidy
from edu_lib.techniques.quantization.modules import (
    FakeQuantize,
    FewBitLayer,
    OnGrid,
    QuantizedLayer,
)
from edu_lib.techniques.quantization.qparams import SMALLEST_SCALE, QParams, weight_qparams
from edu_lib.techniques.quantization.static import calibrate, input_qparams, is_treated

METHODS = ("lsq", "ste")


class TrainableFakeQuantize(OnGrid):
    """FakeQuantize while training; the step is learned if `learns`."""

    def __init__(self, qparams: QParams, learns: bool):
        super().__init__()
        self.qmax, self.learns = qparams.qmax, learns
        self.step = nn.Parameter(qparams.scale.clone(), requires_grad=learns)
        self.register_buffer("zero_point", qparams.zero_point)

    @property
    def qparams(self) -> QParams:
        """The grid as it now is."""
        return QParams(positive(self.step.detach()), self.zero_point, 0, self.qmax)

    def forward(self, X: Tensor) -> Tensor:
        # g = 1 / sqrt(N Q_P), with N the values of one input
        step = scale_gradient(self.step, 1 / math.sqrt(X[0].numel() * self.qmax))
        return fake_quantize_trainable(X, positive(step), self.zero_point, 0, self.qmax)


class TrainableLayer(FewBitLayer):
    """A Conv2d or Linear that computes with rounded weights and trains the float ones.

    method "ste": the grid spans the largest weight; "lsq": one step a channel (or one a layer) is
    learned, from 2 mean|w| / sqrt(Q_P) on.
    """

    def __init__(self, layer: nn.Conv2d | nn.Linear, bits: int, per_channel: bool, method: str):
        super().__init__(layer)
        self.bits, self.per_channel = bits, per_channel
        self.weight = nn.Parameter(layer.weight.detach().clone())
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().clone())
        self.step = None
        if method == "lsq":
            qparams = weight_qparams(self.weight, bits, per_channel)
            mean = self.weight.detach().abs().flatten(1).mean(dim=1)
            mean = mean if per_channel else mean.mean()
            # s = 2 <|w|> / sqrt(Q_P)
            start = (2 * mean / math.sqrt(qparams.qmax)).clamp(min=SMALLEST_SCALE)
            # with many bits that is wider than the weights are
            self.step = nn.Parameter(torch.minimum(start, qparams.scale))

    @property
    def qparams(self) -> QParams:
        """The grid of the weights as they now are."""
        now = weight_qparams(self.weight, self.bits, self.per_channel)
        if self.step is None:
            return now
        return QParams(positive(self.step.detach()), now.zero_point, now.qmin, now.qmax, now.axis)

    def used(self) -> tuple[Tensor, Tensor | None]:
        qparams = self.qparams
        step = qparams.scale
        if self.step is not None:
            weights_a_step = self.weight.numel() / self.step.numel()
            step = scale_gradient(self.step, 1 / math.sqrt(weights_a_step * qparams.qmax))
        step = positive(step).view(-1, *[1] * (self.weight.dim() - 1))
        zero_point = torch.zeros((), dtype=torch.int32)
        weight = fake_quantize_trainable(self.weight, step, zero_point, qparams.qmin, qparams.qmax)
        return weight, self.bias

    def forward(self, X: Tensor) -> Tensor:
        return self.compute(X, *self.used())

    def share(self, other: "TrainableLayer") -> None:
        """Takes the weight and its step from `other`, if the weights are equal."""
        if torch.equal(self.weight, other.weight):
            self.weight, self.step = other.weight, other.step


def prepare_qat(
    model: nn.Module,
    calibration: Inputs,
    *,
    method: str = "lsq",
    weight_bits: int = 8,
    activation_bits: int = 8,
    per_channel: bool = True,
    observer: str = "minmax",
    skip: Collection[str] = (),
) -> fx.GraphModule:
    """`model` ready to be trained on with rounding in every forward pass; argument not touched.

    method: "lsq" learns the steps of all grids, "ste" keeps those of activations and lets those of
    weights follow the largest weight. The rest as in `quantize_static`. Batch norm is folded and
    dropout gone. Layers that share one weight, or one that is called twice, train one, unless the
    batch norms folded into them make them differ. Train it like any model, a few epochs with a
    small learning rate, then give it to `convert`. Raises ValueError as `quantize_static` does.
    Source: Jacob et al. 2018, section 3; Esser et al. 2020. Taught in chapter 09.
    """
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, got {method!r}")
    graph_module = calibrate(model, calibration, observer, activation_bits, skip)
    graph_module.requires_grad_(False)
    first: dict[object, TrainableLayer] = {}  # by what its weight, or all of it, is made of
    for node in list(graph_module.graph.nodes):
        if is_treated(graph_module, node, skip):
            input_qparams(graph_module, node)
            layer = layer_of(graph_module, node)
            layer = TrainableLayer(layer, weight_bits, per_channel, method)
            made_of = (*node.meta["made_of"], *node.meta.get("folded", ()))
            layer.share(first.setdefault(made_of[0], layer))
            layer.bias = first.setdefault(made_of, layer).bias
            graph_module.set_submodule(node.target, layer)
    for name, module in list(graph_module.named_modules()):
        if isinstance(module, FakeQuantize):
            trainable = TrainableFakeQuantize(module.qparams, learns=method == "lsq")
            graph_module.set_submodule(name, trainable)
    return tidy(graph_module)


def convert(model: fx.GraphModule) -> fx.GraphModule:
    """The trained network with integers, as `quantize_static` would make it; argument not touched.

    Raises ValueError if `model` does not come from `prepare_qat`.
    """
    graph_module = copied(model)
    layers = dict(graph_module.named_modules())
    if not any(isinstance(layer, TrainableLayer) for layer in layers.values()):
        raise ValueError(f"{type(model).__name__} does not come from prepare_qat")
    for node in graph_module.graph.nodes:
        layer = layer_of(graph_module, node)
        if isinstance(layer, TrainableLayer):
            s_in = layer_of(graph_module, node.args[0]).qparams.scale
            graph_module.set_submodule(node.target, QuantizedLayer(layer, s_in, layer.qparams))
    for name, layer in layers.items():
        if isinstance(layer, TrainableFakeQuantize):
            graph_module.set_submodule(name, FakeQuantize(layer.qparams))
    return tidy(graph_module)


def positive(step: Tensor) -> Tensor:
    """|step|, never 0: one that training drives below 0 comes out above it and goes on learning."""
    return torch.where(step < 0, -step, step) + SMALLEST_SCALE


# Gradients through rounding


class _StraightThrough(torch.autograd.Function):
    """Hands `value` on; the gradient goes to `like` as it is."""

    @staticmethod
    def forward(ctx: object, value: Tensor, like: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[None, Tensor]:
        return None, gradient


def straight_through(value: Tensor, like: Tensor) -> Tensor:
    """`value`, exactly, with the gradient of `like`; both of one shape."""
    return _StraightThrough.apply(value.detach(), like)


def clamp_inclusive(X: Tensor, low: float, high: float) -> Tensor:
    """clamp(X), with gradient 1 at the ends too, where torch.clamp gives 0.

    The ends are points of the grid like the others: values that round to them must go on learning.
    """
    X = torch.where(low > X, low, X)
    return torch.where(high < X, high, X)


def round_straight_through(X: Tensor) -> Tensor:
    """round(X), whose gradient is taken to be 1."""
    return straight_through(X.round(), X)


def sign_straight_through(X: Tensor) -> Tensor:
    """+1 where X >= 0 and -1 elsewhere; its gradient is taken to be 1 where |X| <= 1, else 0.

    Source: Hubara et al. 2016, "Binarized Neural Networks", section 2.3, equation 4.
    """
    return straight_through(torch.where(X >= 0, 1.0, -1.0), clamp_inclusive(X, -1, 1))


def fake_quantize_trainable(
    X: Tensor, step: Tensor, zero_point: Tensor, qmin: int, qmax: int
) -> Tensor:
    """X on the grid of width `step`, with gradients for X and for the step.

    step and zero_point broadcast over X. The gradient of X is 1 inside the grid and 0 outside; that
    of the step is round(x / s) - x / s inside, and qmin - z or qmax - z outside.
    Source: Esser et al. 2020, equations 1 to 5.
    """
    # v = clamp(round(x / s) + z, qmin, qmax),  v_hat = (v - z) s
    q = clamp_inclusive(round_straight_through(X / step) + zero_point, qmin, qmax)
    return (q - zero_point) * step


def scale_gradient(parameter: Tensor, factor: float) -> Tensor:
    """The parameter itself, whose gradient is multiplied by `factor`.

    Source: Esser et al. 2020, appendix A.
    """
    return (parameter - parameter * factor).detach() + parameter * factor
