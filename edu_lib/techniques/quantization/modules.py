"""The layers of a network of few bits, computed in float32 so that PyTorch can run them.

What they compute is what an integer runtime computes: `edu_lib.deploy.export_int8` hands their
integers on, and a test compares. Taught in chapter 09.
"""

import warnings
from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edu_lib.graph import Inputs, as_inputs
from edu_lib.layers import CONVOLUTIONS, OTHERS, TRANSPOSED, check_unwrapped, is_within
from edu_lib.techniques.quantization.qparams import QParams, dequantize, fake_quantize, quantize

LARGEST_BIAS, SAMPLES = 2**30, 16_384
TREATED = (*CONVOLUTIONS, nn.Linear)  # the layers that few-bit layers can stand for
LEFT_FLOAT = (*TRANSPOSED, *OTHERS)
Layer = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
CONVOLVE = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}  # by the dimensions of the weight
BUILD = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}


class OnGrid(nn.Module):
    """Moves activations to a grid, `qparams`."""

    def plain_layer(self) -> nn.Module:
        """Activations go on as they are."""
        return nn.Identity()

    def extra_repr(self) -> str:
        low, high = dequantize(torch.tensor([0, self.qmax]), self.qparams).tolist()
        return (
            f"{self.qparams.bits} bits from {low:.3g} to {high:.3g}, "
            f"scale={self.qparams.scale.item():.3g}, zero_point={self.zero_point.item()}"
        )


class FakeQuantize(OnGrid):
    """Moves activations of any shape to the nearest points of an unsigned grid of `bits` bits."""

    def __init__(self, qparams: QParams):
        super().__init__()
        self.qmax = qparams.qmax
        self.register_buffer("scale", qparams.scale)
        self.register_buffer("zero_point", qparams.zero_point)

    @property
    def qparams(self) -> QParams:
        """scale and zero_point with the range of the integers."""
        return QParams(self.scale, self.zero_point, 0, self.qmax)

    def forward(self, X: Tensor) -> Tensor:
        return fake_quantize(X, self.qparams)


class Observer(nn.Module):
    """Hands its input on and keeps what the range is chosen from: the extremes and a sample.

    Of a large batch it draws 16,384 values and adds the two extremes, for the smallest and largest
    are what a range must not miss; among the samples they weigh a little more than their share.
    """

    def __init__(self, seed: int = 0):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)
        self.seen: list[Tensor] = []

    def forward(self, X: Tensor) -> Tensor:
        values = X.detach().flatten()
        self.seen.append(torch.stack(values.aminmax()))
        if len(values) > SAMPLES:
            values = values[torch.randint(len(values), (SAMPLES,), generator=self.generator)]
        self.seen.append(values)
        return X


class FewBitLayer(nn.Module):
    """Stands for a convolution or a linear layer and computes it with weights of few bits.

    convolution: stride, padding, dilation and groups; None for a linear layer. multiplier: output
    channels an input channel, of a depthwise convolution alone. Weights that are no parameters
    here keep in mind whether they were trained.
    """

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.convolution, self.border, self.multiplier = None, None, None
        self._was_trained = layer.weight.requires_grad
        if isinstance(layer, FewBitLayer):
            self.convolution = None if layer.convolution is None else dict(layer.convolution)
            self.border, self.multiplier = layer.border, layer.multiplier
        elif not isinstance(layer, nn.Linear):
            names = ("stride", "padding", "dilation", "groups")
            self.convolution = {name: getattr(layer, name) for name in names}
            if layer.groups > 1 and layer.groups == layer.in_channels:
                self.multiplier = layer.out_channels // layer.groups
            if layer.padding_mode != "zeros":
                # what PyTorch's own layer hands to F.pad, and what its constructor takes
                pads, padding = layer._reversed_padding_repeated_twice, layer.padding
                self.border = (pads, layer.padding_mode, padding)
                self.convolution["padding"] = 0

    def update_sizes(self) -> None:
        """After the weight got another size: a depthwise convolution has one group an input."""
        if self.multiplier is not None:
            self.convolution["groups"] = len(self.weight) // self.multiplier

    def compute(self, X: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer with these weights."""
        if self.convolution is None:
            return F.linear(X, weight, bias)
        if self.border is not None:
            pads, mode, _ = self.border
            X = F.pad(X, pads, mode=mode)
        return CONVOLVE[weight.dim()](X, weight, bias, **self.convolution)

    def used(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias, float32, as the layer computes with them."""
        return self.weight, self.bias

    @torch.no_grad()
    def plain_layer(self) -> Layer:
        """The ordinary layer with the weights that this one computes with."""
        weight, bias = self.used()
        outputs, inputs, *kernel_size = weight.shape
        if self.convolution is None:
            layer = nn.Linear(inputs, outputs, device="meta")
        else:
            options = dict(self.convolution)
            inputs *= options["groups"]
            if self.border is not None:
                _, options["padding_mode"], options["padding"] = self.border
            layer = BUILD[weight.dim()](inputs, outputs, kernel_size, **options, device="meta")
        layer.weight = nn.Parameter(weight.detach().clone(), self._is_trained("weight"))
        layer.bias = None
        if bias is not None:
            layer.bias = nn.Parameter(bias.detach().clone(), self._is_trained("bias"))
        return layer.train(self.training)

    def _is_trained(self, name: str) -> bool:
        parameter = self._parameters.get(name)
        return self._was_trained if parameter is None else parameter.requires_grad


class QuantizedLayer(FewBitLayer):
    """A convolution or linear layer with integer weights (int8) and integer biases (int32).

    Input and output as the layer it stands for. qparams: of the weights, with zero_point 0 and one
    scale s_w for the layer or one an output channel; biases have the scale s_in * s_w of the
    accumulator they are added to. s_in: scale of the layer's input.
    Source: Jacob et al. 2018, section 2.4, equation 11.
    """

    def __init__(self, layer: nn.Module, s_in: Tensor, qparams: QParams):
        super().__init__(layer)
        self.bits = qparams.bits
        weight = layer.weight.detach()
        bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach()
        # a channel of tiny weights needs a larger scale, or its bias would not fit in 32 bits
        scale = torch.maximum(qparams.scale.expand(len(weight)), bias.abs() / (LARGEST_BIAS * s_in))
        zero_point = torch.zeros_like(scale, dtype=torch.int32)
        qparams = QParams(scale, zero_point, qparams.qmin, qparams.qmax, axis=0)
        self.register_buffer("weight", quantize(weight, qparams).to(torch.int8))
        self.register_buffer("weight_scale", scale)
        # b = s_in * s_w * q_b
        self.register_buffer("bias_scale", s_in * scale)
        self.register_buffer("bias", torch.round(bias / self.bias_scale).to(torch.int32))

    def used(self) -> tuple[Tensor, Tensor]:
        scale = self.weight_scale.view(-1, *[1] * (self.weight.dim() - 1))
        return self.weight * scale, self.bias * self.bias_scale

    def forward(self, X: Tensor) -> Tensor:
        return self.compute(X, *self.used())

    def extra_repr(self) -> str:
        kind = "linear" if self.convolution is None else f"conv{self.weight.dim() - 2}d"
        return f"{kind}, weight {list(self.weight.shape)} of {self.bits} bits"


def refuse_quantized(model: nn.Module) -> None:
    """Raises ValueError if activations of `model` move to integers, or it holds other wrappers.

    Layers of few bits that compute in float may stay beside those that a technique treats.
    """
    if any(isinstance(part, OnGrid | QuantizedLayer) for part in model.modules()):
        raise ValueError(
            f"{type(model).__name__} is quantized already: edu_lib.to_plain(model) first"
        )
    few_bits = [name for name, part in model.named_modules() if isinstance(part, FewBitLayer)]
    check_unwrapped(model, few_bits)


def check_float32(model: nn.Module) -> None:
    """Raises ValueError naming a parameter of another type: scales and sums are float32."""
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point() and parameter.dtype != torch.float32:
            kind = str(parameter.dtype).removeprefix("torch.")
            raise ValueError(
                f"{name!r} is {kind}, and networks of few bits compute in float32: "
                "model.float() first, and float32 inputs"
            )


def check_layers(model: nn.Module, skip: Collection[str]) -> None:
    """Warns of layers whose weights stay float.

    Raises ValueError if activations are integers, or numbers of another type than float32.
    """
    refuse_quantized(model)
    check_float32(model)
    left = {
        name: type(part).__name__
        for name, part in model.named_modules()
        if isinstance(part, LEFT_FLOAT) and not is_within(name, skip)
    }
    if left:
        named = ", ".join(f"{name!r} ({kind})" for name, kind in left.items())
        warnings.warn(
            f"only convolutions and linear layers get few bits; in float stay {named}", stacklevel=3
        )


def check_calibration(calibration: Inputs) -> tuple[Tensor, ...]:
    """The inputs as a tuple. Raises ValueError if there is nothing to calibrate with."""
    inputs = as_inputs(calibration, "calibration")
    for X in inputs:
        if X.dtype == torch.uint8:
            raise ValueError("calibration must be a float tensor of inputs [N, C, H, W], not bytes")
        if not X.isfinite().all():
            raise ValueError("calibration has NaN or infinity in it")
    return tuple(X.detach().cpu() for X in inputs)
