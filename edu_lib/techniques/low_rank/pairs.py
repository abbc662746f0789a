"""Two thin layers that stand in for one: linear layers, and convolutions in three ways."""

import torch
from torch import Tensor, nn

from edu_lib.techniques.separable.pair import ConvPair, tensor_kind
from edu_lib.techniques.separable.spatial import SpatialPair


def nearest_factors(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """(left [m, rank], right [rank, n]) whose product is the nearest of its rank to [m, n].

    The squared distance is the sum of the squared singular values that are left out.
    Source: Eckart, Young 1936, "The approximation of one matrix by another of lower rank".
    """
    U, s, Vt = torch.linalg.svd(matrix, full_matrices=False)
    root = s[:rank].sqrt()  # each factor takes half of s
    return U[:, :rank] * root, root[:, None] * Vt[:rank]


class LowRankLinear(nn.Module):
    """in_features -> rank -> out_features, nothing between: W = B A, bias at the end.

    Input [N, ..., in_features], output [N, ..., out_features]; rank (in + out) weights and MACs in
    place of in * out. Its weights are new; `low_rank_from` takes them from a layer.
    Source: Denton et al. 2014, "Exploiting Linear Structure Within Convolutional Networks for
    Efficient Evaluation". Taught in chapter 10.
    """

    first, second = "reduce", "expand"

    def __init__(self, layer: nn.Linear, rank: int):
        super().__init__()
        check_rank(rank, self.full_rank(layer))
        kind = tensor_kind(layer)
        self.rank = rank
        self.reduce = nn.Linear(layer.in_features, rank, bias=False, **kind)
        has_bias = layer.bias is not None
        self.expand = nn.Linear(rank, layer.out_features, bias=has_bias, **kind)

    @staticmethod
    def full_rank(layer: nn.Linear) -> int:
        """The rank at which nothing need be lost."""
        return min(layer.weight.shape)

    @staticmethod
    def num_weights(layer: nn.Linear, rank: int) -> int:
        """Weights of both layers, the bias aside."""
        return rank * (layer.in_features + layer.out_features)

    def kernel(self) -> Tensor:
        """The weight [out_features, in_features] that the pair amounts to."""
        return self.expand.weight @ self.reduce.weight

    @torch.no_grad()
    def approximate(self, layer: nn.Linear) -> None:
        """Set the weights so that `kernel()` comes as near to that of `layer` as it can."""
        wide = torch.promote_types(layer.weight.dtype, torch.float32)  # no SVD in 16 bits
        B, A = nearest_factors(layer.weight.to(wide), self.rank)
        self.expand.weight.copy_(B)
        self.reduce.weight.copy_(A)
        if layer.bias is not None:
            self.expand.bias.copy_(layer.bias)

    def forward(self, X: Tensor) -> Tensor:
        return self.expand(self.reduce(X))


class ChannelPair(ConvPair):
    """A 1x1 convolution to `rank` channels, then the k x k convolution on those alone.

    MACs at stride 1: H W R (C + k^2 D) in place of H W C D k^2.
    Source: Denton et al. 2014, section 3.2, with one group of inputs. Taught in chapter 10.
    """

    first, second = "reduce", "convolve"

    def __init__(self, conv: nn.Conv2d, rank: int):
        check_rank(rank, self.full_rank(conv))
        super().__init__(conv, rank, rank, None)
        kind, has_bias = tensor_kind(conv), conv.bias is not None
        self.reduce = nn.Conv2d(conv.in_channels, rank, 1, bias=False, **kind)
        self.convolve = nn.Conv2d(rank, conv.out_channels, bias=has_bias, **places(conv), **kind)

    @staticmethod
    def full_rank(conv: nn.Conv2d) -> int:
        return min(unfold(conv.weight, "channel").shape)

    @staticmethod
    def num_weights(conv: nn.Conv2d, rank: int) -> int:
        # R (C + D k^2)
        return rank * sum(unfold(conv.weight, "channel").shape)

    def factors(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        left, right = nearest_factors(unfold(weight, "channel"), self.rank)
        D, _, k_h, k_w = weight.shape
        kernels = right.reshape(self.rank, D, k_h, k_w).transpose(0, 1)
        return left.t()[..., None, None], kernels

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        # W[d, c, i, j] = sum_r convolve[d, r, i, j] * reduce[r, c]
        return torch.einsum("drij,rc->dcij", second, first[..., 0, 0])


class FilterPair(ConvPair):
    """The k x k convolution to `rank` channels, then a 1x1 convolution to all.

    MACs at stride 1: H W R (C k^2 + D) in place of H W C D k^2.
    Source: Zhang et al. 2015, "Efficient and Accurate Approximations of Nonlinear Convolutional
    Networks", section 2.1, without its nonlinear part. Taught in chapter 10.
    """

    first, second = "convolve", "expand"

    def __init__(self, conv: nn.Conv2d, rank: int):
        check_rank(rank, self.full_rank(conv))
        super().__init__(conv, rank, rank, None)
        kind, has_bias = tensor_kind(conv), conv.bias is not None
        self.convolve = nn.Conv2d(conv.in_channels, rank, bias=False, **places(conv), **kind)
        self.expand = nn.Conv2d(rank, conv.out_channels, 1, bias=has_bias, **kind)

    @staticmethod
    def full_rank(conv: nn.Conv2d) -> int:
        return min(unfold(conv.weight, "filter").shape)

    @staticmethod
    def num_weights(conv: nn.Conv2d, rank: int) -> int:
        # R (C k^2 + D)
        return rank * sum(unfold(conv.weight, "filter").shape)

    def factors(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        left, right = nearest_factors(unfold(weight, "filter"), self.rank)
        return right.reshape(self.rank, *weight.shape[1:]), left[..., None, None]

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        # W[d, c, i, j] = sum_r expand[d, r] * convolve[r, c, i, j]
        return torch.einsum("dr,rcij->dcij", second[..., 0, 0], first)


KINDS: dict[str, type[ConvPair]] = {
    "spatial": SpatialPair,
    "channel": ChannelPair,
    "filter": FilterPair,
}


def low_rank_from(layer: nn.Module, rank: int, kind: str = "spatial") -> LowRankLinear | ConvPair:
    """Two layers that come as near to the trained one as any of their rank can, bias included.

    layer: a plain nn.Linear, or nn.Conv2d without groups, taken apart by `kind`: "spatial" (k x 1,
    then 1 x k), "channel" (1x1, then k x k) or "filter" (k x k, then 1x1). It stays as it is.
    Raises ValueError for another kind or layer, or a rank the layer cannot have.
    Sources: Denton et al. 2014 (linear, channel), Jaderberg et al. 2014 (spatial), Zhang et al.
    2015 (filter). Taught in chapter 10.
    """
    reason = why_not(layer)
    if reason is not None:
        raise ValueError(f"this layer {reason}")
    pair = pair_of(layer, kind)(layer, rank)
    pair.approximate(layer)
    return pair.train(layer.training).requires_grad_(layer.weight.requires_grad)


def pair_of(layer: nn.Module, kind: str) -> type[LowRankLinear] | type[ConvPair]:
    """What takes this layer apart. Raises ValueError for a kind that there is not."""
    if kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}, got {kind!r}")
    return LowRankLinear if isinstance(layer, nn.Linear) else KINDS[kind]


def why_not(layer: nn.Module) -> str | None:
    """Why this layer cannot be factored, or None if it can."""
    if type(layer) not in (nn.Linear, nn.Conv2d):
        return f"is a {type(layer).__name__}, no plain nn.Linear or nn.Conv2d"
    if isinstance(layer, nn.Conv2d) and layer.groups > 1:
        return f"has {layer.groups} groups, small ones already"
    if layer.weight.is_meta:
        return "has no values to start from (it is on the meta device)"
    if not layer.weight.isfinite().all():
        return "has weights that are not finite"
    return None


def unfold(weight: Tensor, kind: str) -> Tensor:
    """The weight of a layer as the matrix whose singular values count; a linear one as it is."""
    if weight.dim() == 2:
        return weight
    if kind == "channel":
        return weight.transpose(0, 1).flatten(1)  # [C, D k k]
    if kind == "filter":
        return weight.flatten(1)  # [D, C k k]
    return weight.permute(1, 2, 0, 3).flatten(2).flatten(0, 1)  # [C k, D k]


def places(conv: nn.Conv2d) -> dict:
    """The arguments that say where the kernel is laid."""
    names = ("kernel_size", "stride", "padding", "dilation", "padding_mode")
    return {name: getattr(conv, name) for name in names}


def check_rank(rank: int, full_rank: int) -> None:
    """Raises ValueError for a rank the layer cannot have."""
    if not 1 <= rank <= full_rank:
        raise ValueError(f"rank is from 1 to {full_rank} here, got {rank}")
