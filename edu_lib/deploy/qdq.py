"""Networks of integers as ONNX files that integer kernels run. Taught in chapter 09.

An int8 file holds pairs of QuantizeLinear and DequantizeLinear around each operation ("QDQ"). A
runtime fuses such a pattern into one integer operation if it is complete: unsigned activations,
int8 weights, int32 biases of scale s_in * s_w, and a QuantizeLinear behind. In an int4 file weights
stay in 4 bits in memory and are widened in registers, on their way to the multiplication. That
saves time where fetching weights is what takes it: large linear layers at batch 1.
"""

from pathlib import Path

import torch
from torch import Tensor, fx, nn

from edu_lib.copies import copied
from edu_lib.deploy.onnx import EXACT, OPSET, write_onnx
from edu_lib.graph import Inputs, as_inputs, layer_of, outputs_of, pooling_of, value_of
from edu_lib.techniques.quantization import FakeQuantize, QuantizedLayer, WeightOnlyLayer
from edu_lib.techniques.quantization.graph import aten
from edu_lib.techniques.quantization.weight_only import unpack_nibbles

ROUNDING = 0.1  # runtimes round a half either way, and a step early on grows behind it
NUDGE, SCATTERS = 1e-6, 2  # share that takes a half to one side; how much more is an error
MOST = 0.5  # a file that is further off is wrong, however far rounding moves the network
MIDDLE = 8  # the kernel's nibbles are unsigned: 8 stands for 0
BLOCK_SIZES = (16, 32, 64, 128, 256)
IN_FLOAT32, IN_INT8 = 1, 4  # accuracy levels of the operator


def export_int8(model: fx.GraphModule, example_input: Inputs, path: str | Path) -> Path:
    """Writes a network made by `quantize_static` (or trained for it) to one ONNX file.

    example_input: any batch, [N, C, H, W]; the file takes any N. The argument is not touched.
    Processors with AVX2 or AVX-512 and without VNNI add products of bytes two and two in 16 bits,
    where sums saturate. `edu_lib.deploy.session` asks ONNX Runtime for exact sums there; other
    programs, browsers and OpenVINO may not: quantize with weight_bits=7 for those, and every
    processor gives the same answer.
    Raises ValueError if the model is not quantized, has activations of other than 8 bits, or if the
    file answers the example otherwise, beyond what rounding does (see `rounding_scatter`).
    """
    written = copied(model)
    layers = dict(written.named_modules())
    if not any(isinstance(layer, QuantizedLayer) for layer in layers.values()):
        raise ValueError(
            f"{type(model).__name__} is not quantized: give what quantize_static returns"
        )
    for name, layer in layers.items():
        if isinstance(layer, FakeQuantize):
            if layer.qmax != 255:
                raise ValueError(f"{name!r} has {layer.qparams.bits} bits: integer kernels take 8")
            written.set_submodule(name, _OnGrid(layer))
        elif isinstance(layer, QuantizedLayer):
            written.set_submodule(name, _Layer(layer))
    _average_whole_maps(written)
    _pad_within_layers(written)
    try:
        return write_onnx(written, model, example_input, path, ROUNDING)
    except ValueError:
        judged = _several(example_input)
        tolerance = max(ROUNDING, min(SCATTERS * rounding_scatter(model, judged), MOST))
    return write_onnx(written, model, example_input, path, tolerance, judged)


def _several(example_input: Inputs) -> tuple[Tensor, ...]:
    """The first example in four positions: near zero, one step is a large share of an answer."""
    positions = []
    for each in as_inputs(example_input):
        X = each.detach().cpu()[:1]
        third = X.shape[-1] // 3
        turned = [X, X.flip(-1)]
        positions.append(torch.cat([*turned, *(each.roll(third, -1) for each in turned)]))
    return tuple(positions)


@torch.no_grad()
def rounding_scatter(model: fx.GraphModule, example_input: Inputs) -> float:
    """How far the answers move, as a share of them, if halves are rounded to the other side.

    model: of `quantize_static`. A runtime that computes in another order may round a half up where
    PyTorch rounds it down. Most networks forget that one step; an untrained or very deep one may
    make another answer of it, and then two right runtimes differ by so much.
    """
    inputs = as_inputs(example_input)
    wanted = outputs_of(copied(model).eval(), inputs)

    def moved(share: float) -> float:
        nudged = copied(model).eval()
        for layer in nudged.modules():
            if isinstance(layer, FakeQuantize):
                layer.register_forward_pre_hook(lambda _, args: args[0] * (1 + share))
        pairs = zip(outputs_of(nudged, inputs), wanted, strict=True)
        return max(float((got - y).norm() / y.norm().clamp(min=1e-6)) for got, y in pairs)

    return max(moved(NUDGE), moved(-NUDGE))


class _OnGrid(nn.Module):
    """QuantizeLinear to uint8 and DequantizeLinear back."""

    def __init__(self, fake_quantize: FakeQuantize):
        super().__init__()
        self.register_buffer("scale", fake_quantize.scale)
        self.register_buffer("zero_point", fake_quantize.zero_point.to(torch.uint8))

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
        self.compute = layer.compute
        for name in ("weight", "weight_scale", "bias", "bias_scale"):
            self.register_buffer(name, getattr(layer, name))
        for name in ("weight", "bias"):
            zero_point = torch.zeros(len(layer.weight), dtype=getattr(layer, name).dtype)
            self.register_buffer(f"{name}_zero_point", zero_point)

    def forward(self, X: Tensor) -> Tensor:
        weight = _dequantize(self.weight, self.weight_scale, self.weight_zero_point, axis=0)
        bias = _dequantize(self.bias, self.bias_scale, self.bias_zero_point, axis=0)
        return self.compute(X, weight, bias)


def _dequantize(q: Tensor, scale: Tensor, zero_point: Tensor, axis: int | None = None) -> Tensor:
    return torch.onnx.ops.symbolic(
        "DequantizeLinear",
        (q, scale, zero_point),
        {} if axis is None else {"axis": axis},
        dtype=torch.float32,
        shape=q.shape,
        version=OPSET,
    )


class _GlobalAverage(nn.Module):
    """The mean of each map [N, C, 1, 1], by the operation whose integer kernel adds integers."""

    def forward(self, X: Tensor) -> Tensor:
        shape = (*X.shape[:2], 1, 1)
        return torch.onnx.ops.symbolic(
            "GlobalAveragePool", (X,), dtype=torch.float32, shape=shape, version=OPSET
        )


def _average_whole_maps(model: fx.GraphModule) -> None:
    """Puts _GlobalAverage in the place of average pooling whose window is the whole map."""
    for node in list(model.graph.nodes):
        if node.target != aten.avg_pool2d.default:
            continue
        window, _, padding, *_ = pooling_of(node)
        if window == list(value_of(node.args[0]).shape[-2:]) and not any(padding):
            model.add_submodule(f"mean_{node.name}", _GlobalAverage())
            with model.graph.inserting_after(node):
                mean = model.graph.call_module(f"mean_{node.name}", (node.args[0],))
            node.replace_all_uses_with(mean)
            model.graph.erase_node(node)
    model.recompile()


def _pad_within_layers(model: fx.GraphModule) -> None:
    """Takes the grid between a border of zeros and a convolution away: runtimes make them one."""
    for node in list(model.graph.nodes):
        if node.target != aten.constant_pad_nd.default:
            continue
        for user in list(node.users):
            readers = [layer_of(model, reader) for reader in user.users]
            on_grid = isinstance(layer_of(model, user), _OnGrid)
            if on_grid and readers and all(isinstance(reader, _Layer) for reader in readers):
                user.replace_all_uses_with(node)
                model.graph.erase_node(user)
    model.recompile()


def export_int4(
    model: nn.Module, example_input: Inputs, path: str | Path, *, int8_activations: bool = False
) -> Path:
    """Writes a network whose linear layers `quantize_weights` gave 4 bits to one ONNX file.

    example_input: any batch; the file takes any N. The argument is not touched. Convolutions of 4
    bits are written in float32: there is no kernel for them. int8_activations: the kernel rounds
    each block of the input to 8 bits on its way and multiplies integers, faster and less exact.
    Raises ValueError if no linear layer has 4 bits, or naming one that has other bits or blocks.
    Source: the operator MatMulNBits of ONNX Runtime.
    """
    written, found = copied(model), False
    accuracy_level = IN_INT8 if int8_activations else IN_FLOAT32
    for name, layer in list(written.named_modules()):
        if not isinstance(layer, WeightOnlyLayer):
            continue
        if layer.convolution is not None:
            written.set_submodule(name, layer.plain_layer())
        else:
            if layer.bits != 4 or layer.block_size not in BLOCK_SIZES:
                raise ValueError(
                    f"{name!r} has {layer.bits} bits in blocks of {layer.block_size}: "
                    "quantize_weights with bits=4 and a block_size of 16, 32, 64, 128 or 256"
                )
            written.set_submodule(name, _Int4Linear(layer, accuracy_level))
            found = True
    if not found:
        raise ValueError(
            f"{type(model).__name__} has no linear layer of 4 bits: quantize_weights it"
        )
    tolerance = ROUNDING if int8_activations else EXACT
    return write_onnx(written, model, example_input, path, tolerance)


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
