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
from edu_lib.techniques.quantization.folding import fold_batch_norm
from edu_lib.techniques.quantization.layers import ActivationGrid, QuantizedLayer
from edu_lib.techniques.quantization.observers import (
    entropy_range,
    minmax_range,
    mse_range,
    percentile_range,
)
from edu_lib.techniques.quantization.static import quantize_static

__all__ = [
    "ActivationGrid",
    "Grid",
    "QuantizedLayer",
    "affine_grid",
    "dequantize",
    "entropy_range",
    "fake_quantize",
    "fold_batch_norm",
    "minmax_range",
    "mse_range",
    "percentile_range",
    "quantize",
    "quantize_static",
    "symmetric_grid",
    "weight_grid",
]
