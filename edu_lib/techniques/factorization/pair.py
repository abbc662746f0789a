"""Two thin layers that stand in for one, and how they come as near to it as they can."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


def nearest_factors(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """(left [..., m, rank], right [..., rank, n]) whose product is the nearest to [..., m, n].

    The squared distance is the sum of the squared singular values that are left out.
    Source: Eckart, Young 1936, "The approximation of one matrix by another of lower rank".
    """
    # W = sum_r s_r u_r v_r^T, of which the largest s_r stay
    U, s, Vt = torch.linalg.svd(matrix, full_matrices=False)
    root = s[..., :rank].sqrt()  # each factor takes half of s
    return U[..., :rank] * root[..., None, :], root[..., None] * Vt[..., :rank, :]


class LayerPair(nn.Module):
    """Two layers in a row that stand in for one, of the same input and output shapes.

    Between them stands nothing, or batch norm and an activation. `rank` says how much they can
    hold: from 1 to `full_rank(layer)`, at which they can be equal to the layer.
    """

    first: str  # the names of the two layers
    second: str

    def __init__(
        self,
        layer: nn.Module,
        rank: int,
        mid_channels: int = 0,
        activation: Callable[[], nn.Module] | None = None,
    ):
        super().__init__()
        full_rank = self.full_rank(layer)
        if not 1 <= rank <= full_rank:
            raise ValueError(f"rank is from 1 to {full_rank} here, got {rank}")
        self.rank, self.groups = rank, getattr(layer, "groups", 1)
        self.between = None
        if activation is not None:
            norm = nn.BatchNorm2d(mid_channels, **tensor_kind(layer))
            self.between = nn.Sequential(norm, activation())

    @staticmethod
    def full_rank(layer: nn.Module) -> int:
        """The rank at which nothing of `layer` need be lost."""
        raise NotImplementedError

    @staticmethod
    def default_rank(layer: nn.Module) -> int:
        """The rank that is taken where none is given."""
        raise NotImplementedError

    @staticmethod
    def num_weights(layer: nn.Module, rank: int) -> int:
        """Weights of the two layers, biases aside."""
        raise NotImplementedError

    def factors(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The weights of both layers that come nearest to `weight`, by SVD."""
        raise NotImplementedError

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        """The one weight that these weights of the two layers amount to."""
        raise NotImplementedError

    def layers(self) -> tuple[nn.Module, nn.Module]:
        """Both, in the order in which they run."""
        return getattr(self, self.first), getattr(self, self.second)

    def kernel(self) -> Tensor:
        """The weight, of the shape of the replaced layer's, that the pair amounts to now.

        Raises ValueError if an activation stands between: then there is no such weight.
        """
        if self.between is not None:
            raise ValueError("with an activation between them two convolutions have no one kernel")
        first, second = self.layers()
        return self.joined(first.weight, second.weight)

    @torch.no_grad()
    def approximate(self, layer: nn.Module) -> None:
        """Set the weights so that `kernel()` comes as near to that of `layer` as it can."""
        wide = torch.promote_types(layer.weight.dtype, torch.float32)  # no SVD in 16 bits
        for own, weight in zip(self.layers(), self.factors(layer.weight.to(wide)), strict=True):
            own.weight.copy_(weight)
        if layer.bias is not None:
            self.layers()[1].bias.copy_(layer.bias)

    def share_with(self, other: "LayerPair") -> None:
        """Take the weights of another pair of the same shapes, so that both train as one."""
        for own, shared in zip(self.layers(), other.layers(), strict=True):
            own.weight = shared.weight

    def forward(self, X: Tensor) -> Tensor:
        first, second = self.layers()
        X = first(X)
        return second(X if self.between is None else self.between(X))


class LowRankLinear(LayerPair):
    """in_features -> rank -> out_features, nothing between: W = B A, bias at the end.

    Input [N, ..., in_features], output [N, ..., out_features]; rank (in + out) weights and MACs in
    place of in * out. Its weights are new; `low_rank_from` takes them from a layer.
    Source: Denton et al. 2014, "Exploiting Linear Structure Within Convolutional Networks for
    Efficient Evaluation". Taught in chapter 10.
    """

    first, second = "reduce", "expand"

    def __init__(self, layer: nn.Linear, rank: int):
        super().__init__(layer, rank)
        kind, has_bias = tensor_kind(layer), layer.bias is not None
        self.reduce = nn.Linear(layer.in_features, rank, bias=False, **kind)
        self.expand = nn.Linear(rank, layer.out_features, bias=has_bias, **kind)

    @staticmethod
    def full_rank(layer: nn.Linear) -> int:
        return min(layer.weight.shape)

    @staticmethod
    def num_weights(layer: nn.Linear, rank: int) -> int:
        return rank * (layer.in_features + layer.out_features)

    def factors(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        B, A = nearest_factors(weight, self.rank)
        return A, B

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        return second @ first


def tensor_kind(layer: nn.Module) -> dict:
    """The arguments that make new layers of the type and on the device of `layer`."""
    return {"device": layer.weight.device, "dtype": layer.weight.dtype}


def why_no_start(layer: nn.Module) -> str | None:
    """Why the weights of this layer can be no start, or None if they can."""
    if parametrize.is_parametrized(layer, "weight"):
        return "has a computed weight (edu_lib.to_plain(model) makes it ordinary)"
    if layer.weight.is_meta:
        return "has no values to start from (it is on the meta device)"
    if not layer.weight.isfinite().all():
        return "has weights that are not finite"
    return None
