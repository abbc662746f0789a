"""An int8 network as an ONNX file that integer kernels run. Taught in chapter 09.

The file holds pairs of QuantizeLinear and DequantizeLinear around each operation ("QDQ"). A runtime
fuses such a pattern into one integer operation if it is complete: unsigned activations, int8
weights, int32 biases of scale s_in * s_w, and a QuantizeLinear behind.
"""

import copy
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from edu_lib.deploy.onnx import OPSET, export_onnx
from edu_lib.techniques.quantization import ActivationGrid, QuantizedLayer


def export_int8(model: fx.GraphModule, example_input: Tensor, path: str | Path) -> Path:
    """Writes a network made by `quantize_static` (or trained for it) to one ONNX file.

    example_input: any batch, [N, C, H, W]; the file takes any N. The argument is not touched.
    Raises ValueError if the model is not quantized, or has activations of other than 8 bits.
    """
    model = copy.deepcopy(model)
    layers = dict(model.named_modules())
    if not any(isinstance(layer, QuantizedLayer) for layer in layers.values()):
        raise ValueError(
            f"{type(model).__name__} is not quantized: give what quantize_static returns"
        )
    for name, layer in layers.items():
        if isinstance(layer, ActivationGrid):
            if layer.qmax != 255:
                raise ValueError(f"{name!r} has {layer.grid.bits} bits: integer kernels take 8")
            model.set_submodule(name, _Grid(layer))
        elif isinstance(layer, QuantizedLayer):
            model.set_submodule(name, _Layer(layer))
    return export_onnx(model, example_input, path)


class _Grid(nn.Module):
    """QuantizeLinear to uint8 and DequantizeLinear back."""

    def __init__(self, grid: ActivationGrid):
        super().__init__()
        self.register_buffer("scale", grid.scale)
        self.register_buffer("zero_point", grid.zero_point.to(torch.uint8))

    def forward(self, X: Tensor) -> Tensor:
        q = torch.onnx.ops.symbolic(
            "QuantizeLinear",
            (X, self.scale, self.zero_point),
            dtype=torch.uint8,
            shape=X.shape,
            version=OPSET,
        )
        return _dequantize(q, self.scale, self.zero_point)


class _Layer(nn.Module):
    """The layer on DequantizeLinear of its int8 weight and its int32 bias."""

    def __init__(self, layer: QuantizedLayer):
        super().__init__()
        self.layer = layer
        for name in ("weight", "bias"):
            zero_point = torch.zeros(len(layer.weight), dtype=getattr(layer, name).dtype)
            self.register_buffer(f"{name}_zero_point", zero_point)

    def forward(self, X: Tensor) -> Tensor:
        layer = self.layer
        weight = _dequantize(layer.weight, layer.weight_scale, self.weight_zero_point, axis=0)
        bias = _dequantize(layer.bias, layer.bias_scale, self.bias_zero_point, axis=0)
        return layer.compute(X, weight, bias)


def _dequantize(q: Tensor, scale: Tensor, zero_point: Tensor, axis: int | None = None) -> Tensor:
    return torch.onnx.ops.symbolic(
        "DequantizeLinear",
        (q, scale, zero_point),
        {} if axis is None else {"axis": axis},
        dtype=torch.float32,
        shape=q.shape,
        version=OPSET,
    )
