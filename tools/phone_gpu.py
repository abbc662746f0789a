"""What a phone's GPU needs beside an int8 file: the network in floats, and how exact floats are.

onnxruntime-web's WebGPU has no integer kernels: of an int8 file it computes a part in floats and
leaves the rest to the processor. So the page compares both on the float form. Before it shows a
millisecond of the GPU, the GPU's answers must be those of the processor, but for what float32
rounding can move. Taught in chapter 14.
"""

import base64
import io

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from PIL import Image

ALIGNED = 4  # channels that a GPU reads at once
UNIT = 2.0**-24  # the largest share by which rounding to float32 moves a number
FLOOR = 16  # units of the largest answer: what exp and division may lose on a GPU
TRIALS, NOISE_IMAGES, FRAMES, SEED = 4, 3, 3, 0
MOST = 0.5  # rounding activations to 8 bits never moves a network so far
MENDED = "_mended"  # behind the name of a convolution's output: its other weight
# how many products one answer of a layer adds up, from the shape of its weight
TERMS = {
    "Conv": lambda shape, node: np.prod(shape[1:]),
    "ConvTranspose": lambda shape, node: np.prod(shape) // shape[1],
    "Gemm": lambda shape, node: shape[_attribute(node, "transB", 0)],
    "MatMul": lambda shape, node: shape[-2],
}


def float_form(content: bytes, name: str) -> bytes:
    """The network of an ONNX file in floats, for one image at a time, as a GPU computes it rightly.

    Pairs of QuantizeLinear and DequantizeLinear are taken away: weights stay rounded, activations
    are not rounded any more. A file without such pairs stays as it is but for `mend_convolutions`.
    Raises ValueError, naming the file, for integers in any other form, or if the float form
    answers otherwise.
    """
    model = onnx.load_model_from_string(content)
    _without_grids(model.graph)
    if any("Linear" in node.op_type or "Integer" in node.op_type for node in model.graph.node):
        raise ValueError(f"{name} has integers in another form than export_int8 writes")
    mend_convolutions(model.graph)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    written = model.SerializeToString(deterministic=True)
    images = noise(_shape(model.graph), 1)
    whole, y = (
        np.concatenate([output.ravel() for output in answers(each, images)[0]])
        for each in (content, written)
    )
    off = np.linalg.norm(y - whole) / max(np.linalg.norm(whole), 1e-6)
    if not off <= MOST:
        raise ValueError(f"{name} answers otherwise in floats, by {100 * off:.0f} %")
    return written


def mend_convolutions(graph: onnx.GraphProto) -> None:
    """Rewrites in place the convolutions that onnxruntime-web 1.30.0 computes wrongly on WebGPU.

    Both faults read inputs from a wrong place (findings/onnxruntime_web_conv.sh). Channels whose
    number divides by 3 and not by 4 get zero channels up to a multiple of 4. Groups that its
    vectors of outputs cross become one group, with zero weights between them. Zeros add nothing to
    a sum: the answer stays the same.
    """
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Conv"]:
        if node.input[1] not in tensors:
            continue
        weight = numpy_helper.to_array(tensors[node.input[1]])
        groups = _attribute(node, "group", 1)
        if groups > 1 and not _crosses_groups(weight, groups):
            continue
        whole = _one_group(weight, groups)
        more = _missing_channels(whole.shape[1])
        if groups == 1 and not more:
            continue
        name = node.output[0] + MENDED
        widths = [(0, 0), (0, more)] + [(0, 0)] * (weight.ndim - 2)
        graph.initializer.append(numpy_helper.from_array(np.pad(whole, widths), name))
        if more:
            _add_zero_channels(graph, node, more, weight.ndim)
        node.input[1] = name
        for attribute in node.attribute:
            if attribute.name == "group":
                attribute.i = 1
    _drop_unused(graph)


def _missing_channels(channels: int) -> int:
    """How many zero channels a convolution needs. The first three are read rightly."""
    return 0 if channels == 3 or channels % 3 else -channels % ALIGNED


def _crosses_groups(weight: np.ndarray, groups: int) -> bool:
    """Whether a vector of outputs, of the largest size that fits, holds channels of two groups."""
    vector = next(size for size in (4, 2, 1) if len(weight) % size == 0)
    each = len(weight) // groups
    return groups > 1 and each >= ALIGNED and each % vector > 0


def _one_group(weight: np.ndarray, groups: int) -> np.ndarray:
    """[out, in / groups, ...] as [out, in, ...], zero between the groups."""
    each, ins = len(weight) // groups, weight.shape[1]
    whole = np.zeros((len(weight), groups * ins, *weight.shape[2:]), weight.dtype)
    for group in range(groups):
        rows = slice(group * each, (group + 1) * each)
        whole[rows, group * ins : (group + 1) * ins] = weight[rows]
    return whole


def _add_zero_channels(graph: onnx.GraphProto, node: onnx.NodeProto, more: int, axes: int) -> None:
    """Lets the node, in place, read its input with `more` channels of zeros behind."""
    pads = np.zeros(2 * axes, np.int64)
    pads[axes + 1] = more  # behind the second axis
    wide = node.output[0] + "_wide"
    graph.initializer.append(numpy_helper.from_array(pads, wide + "_pads"))
    pad = helper.make_node("Pad", [node.input[0], wide + "_pads"], [wide])
    node.input[0] = wide
    graph.node.insert(list(graph.node).index(node), pad)


def has_grids(content: bytes) -> bool:
    """Whether an ONNX file is one of int8."""
    nodes = onnx.load_model_from_string(content).graph.node
    return any(node.op_type == "QuantizeLinear" for node in nodes)


def _without_grids(graph: onnx.GraphProto) -> None:
    """Takes each pair of QuantizeLinear and DequantizeLinear away, in place."""
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    rounded = {node.output[0]: node for node in graph.node if node.op_type == "QuantizeLinear"}
    floats, kept = {}, []  # floats: the name of what stands for a tensor that was on a grid
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = floats.get(name, name)
        if node.op_type == "DequantizeLinear" and node.input[0] in tensors:
            whole = _dequantized(node, tensors)
            graph.initializer.append(numpy_helper.from_array(whole, node.output[0]))
        elif node.op_type == "DequantizeLinear" and node.input[0] in rounded:
            floats[node.output[0]] = rounded[node.input[0]].input[0]
        elif node.op_type != "QuantizeLinear":
            kept.append(node)
    for output in graph.output:
        if output.name in floats:
            kept.append(helper.make_node("Identity", [floats[output.name]], [output.name]))
    del graph.node[:]
    graph.node.extend(kept)
    _drop_unused(graph)


def _dequantized(node: onnx.NodeProto, tensors: dict[str, np.ndarray]) -> np.ndarray:
    """(q - zero_point) * scale in float32, a scale for each output channel or one for all."""
    q, scale, *zero_point = (tensors[name] for name in node.input)
    axis = _attribute(node, "axis", 1)
    along = [-1 if i == axis else 1 for i in range(q.ndim)] if scale.ndim else []
    centred = q.astype(np.int64) - (zero_point[0].reshape(along) if zero_point else 0)
    return centred.astype(np.float32) * scale.reshape(along)


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    del graph.value_info[:]  # some of its tensors are gone, and others have channels more


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    found = [each.i for each in node.attribute if each.name == name]
    return found[0] if found else default


def _shape(graph: onnx.GraphProto) -> list[int]:
    """[C, H, W] of the one input."""
    return [size.dim_value for size in graph.input[0].type.tensor_type.shape.dim[1:]]


def noise(shape: list[int], count: int) -> np.ndarray:
    """Images float32 [count, C, H, W] in [0, 1), each brighter than the last.

    The page makes the same ones: x <- 1664525 x + 1013904223 modulo 2 to the 32nd, from the start 0
    (Numerical Recipes, section 7.1), of which the upper 24 bits count.
    """
    values, x = np.empty(count * int(np.prod(shape)), np.float32), 0
    for i in range(len(values)):
        x = (1664525 * x + 1013904223) & 0xFFFFFFFF
        values[i] = (x >> 8) / 2**24
    brightness = np.arange(1, count + 1, dtype=np.float32) / np.float32(count)
    return values.reshape(count, *shape) * brightness[:, None, None, None]


def checked_images(shape: list[int], frames: list[str]) -> np.ndarray:
    """The images float32 [N, C, H, W] on which the page compares: noise, and the drive's first.

    frames: JPEGs as data URLs.
    """
    images = list(noise(shape, NOISE_IMAGES))
    for url in frames[:FRAMES]:
        picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
        images.append(np.asarray(picture, np.float32).transpose(2, 0, 1) / 255)
    return np.stack(images)


def answers(content: bytes, images: np.ndarray) -> list[list[np.ndarray]]:
    """The outputs of a file for each image."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    opened = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name = opened.get_inputs()[0].name
    return [opened.run(None, {name: image[None]}) for image in images]


def rounding_moves(content: bytes, images: np.ndarray) -> dict[str, float]:
    """{output: by how much float32 may move it}, at the most over the images [N, C, H, W].

    A sum of n products in floats is the exact sum of products that are each off by at most n units
    of rounding, in whatever order a processor adds. So each weight is moved by that share, up or
    down at random, TRIALS times; the largest move of an answer is what rounding can do.
    Source: Higham 2002, "Accuracy and Stability of Numerical Algorithms", section 3.1.
    """
    model = onnx.load_model_from_string(content)
    names = [output.name for output in model.graph.output]
    right = answers(content, images)
    most = {
        name: FLOOR * UNIT * max(float(np.abs(image[i]).max()) for image in right)
        for i, name in enumerate(names)
    }
    random = np.random.default_rng(SEED)
    for _ in range(TRIALS):
        moved = answers(_with_moved_weights(model, random), images)
        for image, expected in zip(moved, right, strict=True):
            for name, y_hat, y in zip(names, image, expected, strict=True):
                most[name] = max(most[name], float(np.abs(y_hat - y).max()))
    return most


def _with_moved_weights(model: onnx.ModelProto, random: np.random.Generator) -> bytes:
    moved = onnx.ModelProto()
    moved.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in moved.graph.initializer}
    for node in moved.graph.node:
        name = node.input[1] if len(node.input) > 1 else ""
        if node.op_type in TERMS and name in tensors:
            weight = numpy_helper.to_array(tensors[name])
            share = (TERMS[node.op_type](weight.shape, node) + 1) * UNIT  # 1: the bias
            signs = random.choice([-1.0, 1.0], weight.shape)
            moved_weight = (weight * (1 + share * signs)).astype(np.float32)
            tensors[name].CopyFrom(numpy_helper.from_array(moved_weight, name))
    return moved.SerializeToString()
