"""Networks of few bits: grids, ranges, and ways to move a network onto them.

Functions take a model and return a new one. Taught in chapter 09.
"""

from edu_lib.techniques.quantization.affine import (
    Grid,
    affine_grid,
    dequantize,
    fake_quantize,
    quantize,
    symmetric_grid,
    weight_grid,
)
from edu_lib.techniques.quantization.aware_training import finish_training, prepare_training
from edu_lib.techniques.quantization.bias_correction import correct_biases
from edu_lib.techniques.quantization.binary import (
    BinaryLayer,
    binarize,
    pack_signs,
    run_xnor,
    xnor_dot,
)
from edu_lib.techniques.quantization.equalization import equalize
from edu_lib.techniques.quantization.folding import fold_batch_norm
from edu_lib.techniques.quantization.layers import ActivationGrid, QuantizedLayer
from edu_lib.techniques.quantization.observers import (
    entropy_range,
    minmax_range,
    mse_range,
    percentile_range,
)
from edu_lib.techniques.quantization.static import quantize_static
from edu_lib.techniques.quantization.straight_through import (
    fake_quantize_trainable,
    round_straight_through,
    sign_straight_through,
)
from edu_lib.techniques.quantization.ternary import (
    TernaryLayer,
    ternarize,
    ternary_weight,
    ternary_zeros,
)
from edu_lib.techniques.quantization.weight_only import WeightOnlyLayer, quantize_weights

__all__ = [
    "ActivationGrid",
    "BinaryLayer",
    "Grid",
    "QuantizedLayer",
    "TernaryLayer",
    "WeightOnlyLayer",
    "affine_grid",
    "binarize",
    "correct_biases",
    "dequantize",
    "entropy_range",
    "equalize",
    "fake_quantize",
    "fake_quantize_trainable",
    "finish_training",
    "fold_batch_norm",
    "minmax_range",
    "mse_range",
    "pack_signs",
    "percentile_range",
    "prepare_training",
    "quantize",
    "quantize_static",
    "quantize_weights",
    "round_straight_through",
    "run_xnor",
    "sign_straight_through",
    "symmetric_grid",
    "ternarize",
    "ternary_weight",
    "ternary_zeros",
    "weight_grid",
    "xnor_dot",
]
