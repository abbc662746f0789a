"""What each form of a network must compute, made a second way, for studies.report_networks.

The techniques put other layers in, take channels out and pack integers. Here every layer stays what
it was, and its weights alone change: rounded or of low rank by NumPy, or zero where a channel goes.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edu_lib.deploy import export_onnx
from edu_lib.layers import copied
from edu_lib.reporting.forms import BLOCK_SIZE, ENERGY, PRUNED, OnnxModule
from edu_lib.techniques.pruning import layers_to_skip, plan_channels, zero_channels
from studies.int8 import quantize_with_onnxruntime

LARGEST_LEVEL = 7  # of weights of 4 bits: integers from -7 to 7


def references(model: nn.Module, X: Tensor) -> dict[str, nn.Module]:
    """{form: a network that must answer as the form does}; a form that is refused has none."""
    found = {
        "weights of 4 bits": with_weights(model, rounded),
        "separable": with_weights(model, one_kernel_a_channel),
        "low rank": with_weights(model, low_rank),
    }
    try:
        skip = layers_to_skip(model, X[:1])
        plans = {share: plan_channels(model, X[:1], ratio=share, skip=skip) for share in PRUNED}
    except ValueError:
        return found
    for share, plan in plans.items():
        found[f"channels x {1 - share:g}"] = zero_channels(model, plan)
    return found


def with_weights(
    model: nn.Module, change: Callable[[nn.Module, np.ndarray], np.ndarray]
) -> nn.Module:
    """A copy whose convolutions and linear layers have the weights that `change` gives.

    change: from (layer, its weight in float64) to another weight of the same shape.
    """
    changed = copied(model)
    read = [part.out_proj for part in changed.modules() if isinstance(part, nn.MultiheadAttention)]
    with torch.no_grad():
        for layer in changed.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer not in read:
                weight = change(layer, layer.weight.double().numpy())
                layer.weight.copy_(torch.from_numpy(weight))
    return changed


def onnxruntime_int8(model: nn.Module, X: Tensor) -> Tensor:
    """The answers of ONNX Runtime's own int8 form, its ranges taken from the same pictures X."""
    with tempfile.TemporaryDirectory() as folder:
        whole, theirs = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        quantize_with_onnxruntime(export_onnx(model, X[:1], whole), X, theirs)
        return OnnxModule(theirs)(X)


def rounded(layer: nn.Module, weight: np.ndarray) -> np.ndarray:
    """Blocks of the inputs of each output on a grid of 15 points from -max |w| to max |w|."""
    rows = weight.reshape(len(weight), -1)
    blocks = np.pad(rows, ((0, 0), (0, -rows.shape[1] % BLOCK_SIZE))).reshape(-1, BLOCK_SIZE)
    step = abs(blocks).max(1, keepdims=True).astype(np.float32) / np.float32(LARGEST_LEVEL)
    step[step == 0] = 1
    near = (np.rint(blocks / step) * step).reshape(len(rows), -1)
    return near[:, : rows.shape[1]].reshape(weight.shape)


def one_kernel_a_channel(layer: nn.Module, weight: np.ndarray) -> np.ndarray:
    """The nearest weight in which all outputs read an input channel with multiples of one kernel.

    Where its two factors hold fewer numbers than the layer.
    """
    if not isinstance(layer, nn.Conv2d) or max(layer.kernel_size) == 1:
        return weight
    window, outputs = weight.shape[2] * weight.shape[3], layer.out_channels // layer.groups
    if layer.in_channels * (window + outputs) >= weight.size:
        return weight
    for group in np.split(weight, layer.groups):  # views: what they get, weight gets
        for channel in range(group.shape[1]):
            matrix = group[:, channel].reshape(outputs, window)
            group[:, channel] = truncated(matrix, 1).reshape(group[:, channel].shape)
    return weight


def low_rank(layer: nn.Module, weight: np.ndarray) -> np.ndarray:
    """The weight of the smallest rank that keeps ENERGY of its squares, where that saves numbers.

    The matrix of a convolution has a row for each input channel and line of the window, and a
    column for each output and column of the window.
    """
    if getattr(layer, "groups", 1) > 1:
        return weight
    matrix = weight
    if weight.ndim == 4:
        matrix = weight.transpose(1, 2, 0, 3)
        turned = matrix.shape
        matrix = matrix.reshape(turned[0] * turned[1], -1)
    squares = np.linalg.svd(matrix, compute_uv=False) ** 2
    rank = 1 + int((squares.cumsum() < ENERGY * squares.sum()).sum())
    if rank * sum(matrix.shape) >= weight.size:
        return weight
    near = truncated(matrix, rank)
    return near if weight.ndim == 2 else near.reshape(turned).transpose(2, 0, 1, 3)


def truncated(matrix: np.ndarray, rank: int) -> np.ndarray:
    """The nearest matrix of that rank."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return (left[:, :rank] * values[:rank]) @ right[:rank]
