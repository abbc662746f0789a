"""Linear layers with 4-bit weights as an ONNX file that an int4 kernel runs. Taught in chapter 09.

Weights stay in 4 bits in memory and are widened in registers, on their way to the multiplication.
That saves time where fetching weights is what takes it: large linear layers at batch 1.
"""

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from edu_lib.deploy.onnx import export_onnx
from edu_lib.techniques.quantization import WeightOnlyLayer
from edu_lib.techniques.quantization.weight_only import unpack_nibbles

MIDDLE = 8  # the kernel's nibbles are unsigned: 8 stands for 0
BLOCK_SIZES = (16, 32, 64, 128, 256)
IN_FLOAT32, IN_INT8 = 1, 4  # accuracy levels of the operator


def export_int4(
    model: nn.Module, example_input: Tensor, path: str | Path, *, int8_activations: bool = False
) -> Path:
    """Writes a network whose linear layers `quantize_weights` gave 4 bits to one ONNX file.

    example_input: any batch; the file takes any N. The argument is not touched. Convolutions of 4
    bits are written in float32: there is no kernel for them. int8_activations: the kernel rounds
    each block of the input to 8 bits on its way and multiplies integers, faster and less exact.
    Raises ValueError if no linear layer has 4 bits, or naming one that has other bits or blocks.
    Source: the operator MatMulNBits of ONNX Runtime.
    """
    model, found = copy.deepcopy(model), False
    accuracy_level = IN_INT8 if int8_activations else IN_FLOAT32
    for name, layer in list(model.named_modules()):
        if not isinstance(layer, WeightOnlyLayer):
            continue
        if layer.convolution is None:
            if layer.bits != 4 or layer.block_size not in BLOCK_SIZES:
                raise ValueError(
                    f"{name!r} has {layer.bits} bits in blocks of {layer.block_size}: "
                    "quantize_weights with bits=4 and a block_size of 16, 32, 64, 128 or 256"
                )
            model.set_submodule(name, _Int4Linear(layer, accuracy_level))
            found = True
        else:
            model.set_submodule(name, _Widened(layer))
    if not found:
        raise ValueError(
            f"{type(model).__name__} has no linear layer of 4 bits: quantize_weights it"
        )
    return export_onnx(model, example_input, path)


class _Int4Linear(nn.Module):
    """MatMulNBits with the layer's nibbles, then its bias."""

    def __init__(self, layer: WeightOnlyLayer, accuracy_level: int):
        super().__init__()
        self.accuracy_level = accuracy_level
        self.outputs, self.inputs = layer.shape
        self.block_size, self.bias = layer.block_size, layer.bias
        blocks = -(-self.inputs // self.block_size)
        q = unpack_nibbles(layer.packed)[: self.outputs * blocks * self.block_size]
        pairs = (q.int() + MIDDLE).reshape(self.outputs, blocks, self.block_size // 2, 2)
        # the first of two weights in the low half of a byte
        self.register_buffer("weight", (pairs[..., 0] | pairs[..., 1] << 4).to(torch.uint8))
        self.register_buffer("scale", layer.scale.detach().flatten())

    def forward(self, X: Tensor) -> Tensor:
        y = torch.onnx.ops.symbolic(
            "com.microsoft::MatMulNBits",
            (X, self.weight, self.scale),
            {
                "K": self.inputs,
                "N": self.outputs,
                "bits": 4,
                "block_size": self.block_size,
                "accuracy_level": self.accuracy_level,
            },
            dtype=torch.float32,
            shape=(*X.shape[:-1], self.outputs),
            version=1,
        )
        return y if self.bias is None else y + self.bias


class _Widened(nn.Module):
    """The layer with its weights in float32 again."""

    def __init__(self, layer: WeightOnlyLayer):
        super().__init__()
        self.layer = layer
        self.register_buffer("weight", layer.weight.detach().clone())

    def forward(self, X: Tensor) -> Tensor:
        return nn.functional.conv2d(X, self.weight, self.layer.bias, *self.layer.convolution)
