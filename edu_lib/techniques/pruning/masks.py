"""Masks that hold in every forward, and what is stored of a masked weight."""

import warnings
from collections.abc import Collection, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from edu_lib.layers import WEIGHTED, copied, is_within, known_parts


class Mask(nn.Module):
    """weight * mask. As a parametrization it stands between the stored and the used weight.

    The optimiser trains the stored weight; a masked entry gets gradient 0 and is used as 0.
    """

    def __init__(self, mask: Tensor):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask.to(weight.dtype)  # a product with a bool is slower

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What to store when someone assigns `layer.weight`: the value itself."""
        return weight

    def extra_repr(self) -> str:
        return f"sparsity={1 - self.mask.float().mean().item():.3f}"


def prunable_layers(model: nn.Module, skip: Collection[str] = ()) -> dict[str, nn.Module]:
    """{name: layer} of all convolutions, transposed ones too, and linear layers.

    Biases and normalisation are no candidates: they are few, and a unit needs them. Layers that
    share one weight count once, under the name of the first. skip: names of layers or parts to
    leave out. Raises ValueError for a name that there is not, or if nothing is left to prune.
    """
    skipped = known_parts(model, skip)
    layers, out = {}, set()
    for name, part in model.named_modules(remove_duplicate=False):
        if isinstance(part, WEIGHTED):
            layers.setdefault(id(stored_weight(part)), (name, part))
            if is_within(name, skipped):
                out.add(id(stored_weight(part)))
    left = dict(layers[key] for key in layers if key not in out)
    if not left:
        raise ValueError(f"{type(model).__name__} has no convolution or linear layer left to prune")
    return left


def prunable_weights(model: nn.Module, skip: Collection[str] = ()) -> dict[str, Tensor]:
    """{layer name: its weight, detached}; a masked layer gives its masked weight."""
    return {name: layer.weight.detach() for name, layer in prunable_layers(model, skip).items()}


def stored_weight(layer: nn.Module) -> Tensor:
    """The parameter that the optimiser changes: under a mask it still holds every value."""
    if not parametrize.is_parametrized(layer, "weight"):
        return layer.weight
    chain = layer.parametrizations.weight
    return chain.original if hasattr(chain, "original") else chain.original0


def tied_layers(model: nn.Module, layer: nn.Module) -> list[nn.Module]:
    """All layers of the model that share the weight of this one, itself included."""
    stored = stored_weight(layer)
    return [
        part
        for part in model.modules()
        if isinstance(part, WEIGHTED) and stored_weight(part) is stored
    ]


def masks_of(model: nn.Module) -> dict[str, Tensor]:
    """{layer name: bool mask of its weight}; all True where a layer has no mask."""
    masks = {}
    for name, layer in prunable_layers(model).items():
        found = mask_of(layer)
        masks[name] = (
            torch.ones_like(layer.weight, dtype=torch.bool) if found is None else found.mask
        )
    return masks


def with_masks(model: nn.Module, masks: Mapping[str, Tensor]) -> nn.Module:
    """A copy of the model that wears these masks, in place of those it had on the same layers.

    masks: {layer name: bool tensor of its weight's shape, True where a weight stays}.
    Raises ValueError for an unknown layer or a mask of another shape. Taught in chapter 08.
    """
    masked = copied(model)
    layers = prunable_layers(masked)
    for name, mask in masks.items():
        if name not in layers:
            raise ValueError(f"no layer {name!r} to mask, the layers are {', '.join(layers)}")
        if mask.shape != layers[name].weight.shape:
            raise ValueError(
                f"the mask of {name} is {tuple(mask.shape)}, "
                f"its weight {tuple(layers[name].weight.shape)}"
            )
        for layer in tied_layers(masked, layers[name]):
            worn = mask_of(layer)
            if worn is not None:
                worn.mask = mask.clone()
            else:
                parametrize.register_parametrization(layer, "weight", Mask(mask.clone()))
    return masked


def sparsity_of(model: nn.Module) -> float:
    """Share of zeros, 0 to 1, in the weights of all convolutions and linear layers."""
    weights = prunable_weights(model).values()
    num_zeros = sum(int((weight == 0).sum()) for weight in weights)
    return num_zeros / sum(weight.numel() for weight in weights)


def mask_of(layer: nn.Module) -> Mask | None:
    """The mask that a layer wears, if it does."""
    if not parametrize.is_parametrized(layer, "weight"):
        return None
    return next((part for part in layer.parametrizations.weight if isinstance(part, Mask)), None)


class CSR(NamedTuple):
    """A matrix without its zeros. Row i holds values[row_starts[i]:row_starts[i + 1]].

    values: [nonzeros]. columns: int32 [nonzeros], the column of each value. row_starts: int32
    [rows + 1]. shape: (rows, columns) of the matrix.
    """

    values: Tensor
    columns: Tensor
    row_starts: Tensor
    shape: tuple[int, int]

    def num_bytes(self) -> int:
        """Bytes of the three arrays: 8 a nonzero in float32, where the dense matrix takes 4."""
        parts = (self.values, self.columns, self.row_starts)
        return sum(part.numel() * part.element_size() for part in parts)


def to_csr(matrix: Tensor) -> CSR:
    """The nonzeros of a matrix [rows, columns], row after row. Taught in chapter 08."""
    if matrix.dim() != 2:
        raise ValueError(f"CSR holds a matrix, got {tuple(matrix.shape)}")
    rows, columns = matrix.nonzero(as_tuple=True)
    counts = torch.bincount(rows, minlength=len(matrix))
    row_starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return CSR(matrix[rows, columns], columns.int(), row_starts.int(), tuple(matrix.shape))


def csr_matmul(csr: CSR, X: Tensor) -> Tensor:
    """CSR matrix [rows, columns] times X [columns, N]: [rows, N]. To read, not for speed.

    One multiplication for each nonzero and column of X: zeros cost nothing, but every nonzero
    fetches a row of X from somewhere else in memory. Taught in chapter 08.
    """
    if X.dim() != 2 or len(X) != csr.shape[1]:
        raise ValueError(f"the matrix takes X of [{csr.shape[1]}, N], got {list(X.shape)}")
    Y = X.new_zeros(csr.shape[0], X.shape[1])
    for i in range(csr.shape[0]):
        # y_i = sum over the nonzeros w_ij of row i of w_ij x_j
        for k in range(csr.row_starts[i], csr.row_starts[i + 1]):
            Y[i] += csr.values[k] * X[csr.columns[k]]
    return Y


class CSRLinear(nn.Module):
    """A linear layer or a 1x1 convolution that multiplies with nonzeros alone. For inference.

    Input [N, in_features], or [N, in_channels, H, W]; the output has out_features in their place.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        csr = to_csr(weight.detach())
        self.out_features, self.in_features = csr.shape
        self.register_buffer("values", csr.values)
        self.register_buffer("columns", csr.columns)
        self.register_buffer("row_starts", csr.row_starts)
        self.register_buffer("bias", None if bias is None else bias.detach()[:, None].clone())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch says once that its CSR tensors are in beta
            self.weight()

    def weight(self) -> Tensor:
        """The matrix [out_features, in_features] as PyTorch's CSR tensor; nothing is copied."""
        shape = (self.out_features, self.in_features)
        return torch.sparse_csr_tensor(
            self.row_starts, self.columns, self.values, shape, check_invariants=False
        )

    def forward(self, X: Tensor) -> Tensor:
        # one column for each image or pixel: Y = W X + b, W [out, in], X [in, columns]
        Y = self.weight() @ X.transpose(0, 1).flatten(1)
        if self.bias is not None:
            Y = Y + self.bias
        return Y.unflatten(1, (len(X), *X.shape[2:])).transpose(0, 1)

    def count_macs(self, input: Tensor, output: Tensor) -> int:
        """One multiplication for each nonzero and each image or pixel."""
        return len(self.values) * (output.numel() // self.out_features)

    def extra_repr(self) -> str:
        size = self.out_features * self.in_features
        return (
            f"{self.in_features} -> {self.out_features}, "
            f"{len(self.values):,} of {size:,} weights stored"
        )


def to_csr_linear(layer: nn.Module) -> CSRLinear:
    """The CSR form of an nn.Linear or of a 1x1 nn.Conv2d; the layer is not touched.

    int32 positions, since PyTorch's products are fastest with them. A masked layer gives its masked
    weight. Raises ValueError for another layer, or a convolution with stride, padding or groups.
    Taught in chapter 08.
    """
    if isinstance(layer, nn.Linear):
        return CSRLinear(layer.weight, layer.bias)
    if not isinstance(layer, nn.Conv2d):
        raise ValueError(f"CSR takes a Linear layer or a 1x1 Conv2d, got {type(layer).__name__}")
    plain = layer.kernel_size == layer.stride == (1, 1) and layer.groups == 1
    if not plain or layer.padding not in ((0, 0), 0, "valid", "same"):
        raise ValueError(f"CSR takes a 1x1 convolution without stride or padding, got {layer}")
    return CSRLinear(layer.weight.flatten(1), layer.bias)
