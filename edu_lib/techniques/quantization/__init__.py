"""Networks of few bits: grids of integers, their ranges, and ways to move a network onto them.

Functions take a model and return a new one. Taught in chapter 09.
"""

from edu_lib.techniques.quantization.aware_training import (
    convert,
    fake_quantize_trainable,
    prepare_qat,
    round_straight_through,
    sign_straight_through,
)
from edu_lib.techniques.quantization.equalization import correct_biases, equalize
from edu_lib.techniques.quantization.graph import fold_batch_norm
from edu_lib.techniques.quantization.low_bit import (
    BinaryLayer,
    TernaryLayer,
    binarize,
    pack_signs,
    ternarize,
    ternary_weight,
    xnor_dot,
)
from edu_lib.techniques.quantization.modules import FakeQuantize, QuantizedLayer
from edu_lib.techniques.quantization.qparams import (
    QParams,
    affine_qparams,
    dequantize,
    entropy_range,
    fake_quantize,
    minmax_range,
    mse_range,
    percentile_range,
    quantize,
    symmetric_qparams,
    weight_qparams,
)
from edu_lib.techniques.quantization.static import quantize_static
from edu_lib.techniques.quantization.weight_only import WeightOnlyLayer, quantize_weights

__all__ = [
    "BinaryLayer",
    "FakeQuantize",
    "QParams",
    "QuantizedLayer",
    "TernaryLayer",
    "WeightOnlyLayer",
    "affine_qparams",
    "binarize",
    "convert",
    "correct_biases",
    "dequantize",
    "entropy_range",
    "equalize",
    "fake_quantize",
    "fake_quantize_trainable",
    "fold_batch_norm",
    "minmax_range",
    "mse_range",
    "pack_signs",
    "percentile_range",
    "prepare_qat",
    "quantize",
    "quantize_static",
    "quantize_weights",
    "round_straight_through",
    "sign_straight_through",
    "symmetric_qparams",
    "ternarize",
    "ternary_weight",
    "weight_qparams",
    "xnor_dot",
]
