"""Post-training quantization: a trained network made int8 with some images and no training.

Taught in chapter 09.
"""

from torch import Tensor, fx, nn

from edu_lib.techniques.quantization.affine import weight_grid
from edu_lib.techniques.quantization.calibration import with_grids
from edu_lib.techniques.quantization.folding import fold_batch_norm
from edu_lib.techniques.quantization.graph import layer_of, tidy
from edu_lib.techniques.quantization.layers import ActivationGrid, QuantizedLayer


def quantize_static(
    model: nn.Module,
    calibration: Tensor,
    *,
    observer: str = "minmax",
    weight_bits: int = 8,
    activation_bits: int = 8,
    per_channel: bool = True,
) -> fx.GraphModule:
    """`model` with integer weights, biases and activations, as a graph; argument not touched.

    calibration: inputs [N, C, H, W] like those it will see, some dozens. observer: how ranges are
    chosen, "minmax", "percentile", "mse" or "entropy". weight_bits: 2 to 8; on a machine whose
    int8 multiplications add up in 16 bits (x86 without VNNI) ask for 7, or sums overflow.
    per_channel: one weight scale an output channel instead of one a layer.
    Batch norm is folded. Activations are unsigned with a zero_point, so that a ReLU costs nothing:
    what is below 0 is below the grid. It computes in float32 what an integer runtime computes, and
    is slower than the model: `edu_lib.deploy.export_int8` writes the file that is faster.
    Raises ValueError for bad arguments, and naming a layer that it cannot treat.
    Source: Krishnamoorthi 2018, section 3; Jacob et al. 2018, section 2. Taught in chapter 09.
    """
    check_calibration(calibration)
    graph_module = fold_batch_norm(model, calibration)
    graph_module = with_grids(graph_module, calibration, observer, activation_bits)
    return quantize_layers(graph_module, weight_bits, per_channel)


def quantize_layers(
    graph_module: fx.GraphModule, bits: int = 8, per_channel: bool = True
) -> fx.GraphModule:
    """Integers instead of the weights of each Conv2d and Linear of a graph with grids."""
    for node in list(graph_module.graph.nodes):
        layer = layer_of(graph_module, node)
        if isinstance(layer, nn.Conv2d | nn.Linear):
            s_in = input_grid(graph_module, node).scale
            grid = weight_grid(layer.weight, bits, per_channel)
            graph_module.set_submodule(node.target, QuantizedLayer(layer, s_in, grid))
    return tidy(graph_module)


def input_grid(graph_module: fx.GraphModule, node: fx.Node) -> ActivationGrid:
    """The grid that the input of a layer lies on."""
    grid = layer_of(graph_module, node.args[0])
    if not isinstance(grid, ActivationGrid):
        raise ValueError(f"layer {node.target!r} has an input that is not on a grid")
    return grid


def check_calibration(calibration: Tensor) -> None:
    """Raises ValueError if there is nothing to calibrate with."""
    if not isinstance(calibration, Tensor) or not calibration.is_floating_point():
        raise ValueError("calibration must be a float tensor of inputs [N, C, H, W]")
    if len(calibration) == 0:
        raise ValueError("calibration is empty: give some dozens of inputs")
    if not calibration.isfinite().all():
        raise ValueError("calibration has NaN or infinity in it")
