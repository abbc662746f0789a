"""Four ways to take a convolution apart: in space, by channels, by filters, by depth."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from edu_lib.techniques.factorization.pair import LayerPair, nearest_factors, tensor_kind


class DepthwisePair(LayerPair):
    """`rank` k x k kernels in each input channel, then a 1x1 convolution across channels.

    Stands in for `conv`, bias included. MACs, with C input and D output channels in G groups:
    H W C R (k^2 + D / G) for rank R instead of H W C D k^2 / G. At rank k^2, or D / G, it can be
    equal to any convolution. activation: put after batch norm between the two, as MobileNet does.
    Its weights are new; `separable_from` takes them from `conv`.
    Source: Guo et al. 2018, "Network Decoupling: From Regular to Depthwise Separable Convolutions".
    """

    first, second = "depthwise", "pointwise"

    def __init__(
        self,
        conv: nn.Conv2d,
        rank: int = 1,
        activation: Callable[[], nn.Module] | None = None,
    ):
        mid_channels = rank * conv.in_channels
        super().__init__(conv, rank, mid_channels, activation)
        self.depthwise = nn.Conv2d(
            conv.in_channels,
            mid_channels,
            conv.kernel_size,
            conv.stride,
            conv.padding,
            conv.dilation,
            groups=conv.in_channels,
            bias=False,
            padding_mode=conv.padding_mode,
            **tensor_kind(conv),
        )
        self.pointwise = nn.Conv2d(
            mid_channels,
            conv.out_channels,
            kernel_size=1,
            groups=conv.groups,
            bias=conv.bias is not None,
            **tensor_kind(conv),
        )

    @staticmethod
    def full_rank(conv: nn.Conv2d) -> int:
        k_h, k_w = conv.kernel_size
        return min(conv.out_channels // conv.groups, k_h * k_w)

    @staticmethod
    def default_rank(conv: nn.Conv2d) -> int:
        return 1

    @staticmethod
    def num_weights(conv: nn.Conv2d, rank: int) -> int:
        k_h, k_w = conv.kernel_size
        # C R (k^2 + D / G)
        return conv.in_channels * rank * (k_h * k_w + conv.out_channels // conv.groups)

    def factors(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        k_h, k_w = weight.shape[2:]
        # for each group and each input channel c a matrix W_c [D / G, k_h k_w]
        W = weight.unflatten(0, (self.groups, -1)).flatten(3).transpose(1, 2)
        # [G, C / G, D / G, R] and [G, C / G, R, k_h k_w]
        mixing, kernels = nearest_factors(W, self.rank)
        depthwise = kernels.reshape(-1, 1, k_h, k_w)
        pointwise = mixing.transpose(1, 2).reshape(len(weight), -1, 1, 1)
        return depthwise, pointwise

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        per_channel = first.reshape(self.groups, -1, self.rank, *first.shape[2:])
        mixing = second.reshape(self.groups, len(second) // self.groups, -1, self.rank)
        # W[d, c] = sum_r pointwise[d, c, r] * depthwise[c, r]
        return torch.einsum("gdcr,gcrij->gdcij", mixing, per_channel).flatten(0, 1)


class SpatialPair(LayerPair):
    """A k x 1 convolution to `rank` channels (in each group), then a 1 x k convolution.

    Stands in for `conv`, bias included. MACs at stride 1, with C input and D output channels in G
    groups: H W k R (C + D) for rank R instead of H W C D k^2 / G; a stride of s makes the first
    of the two s times dearer. Without a rank it takes C D / (C + D) / G, which saves a factor k.
    activation: put after batch norm between the two.
    Its weights are new; `separable_from` takes them from `conv`.
    Source: Jaderberg, Vedaldi, Zisserman 2014, "Speeding up Convolutional Neural Networks with Low
    Rank Expansions".
    """

    first, second = "vertical", "horizontal"

    def __init__(
        self,
        conv: nn.Conv2d,
        rank: int | None = None,
        activation: Callable[[], nn.Module] | None = None,
    ):
        rank = self.default_rank(conv) if rank is None else rank
        mid_channels = rank * conv.groups
        super().__init__(conv, rank, mid_channels, activation)
        of_axis = [
            {
                "kernel_size": only(conv.kernel_size, axis, other=1),
                "stride": only(conv.stride, axis, other=1),
                "padding": only(conv.padding, axis, other=0),
                "dilation": only(conv.dilation, axis, other=1),
                "groups": conv.groups,
                "padding_mode": conv.padding_mode,
                **tensor_kind(conv),
            }
            for axis in (0, 1)
        ]
        has_bias = conv.bias is not None
        self.vertical = nn.Conv2d(conv.in_channels, mid_channels, bias=False, **of_axis[0])
        self.horizontal = nn.Conv2d(mid_channels, conv.out_channels, bias=has_bias, **of_axis[1])

    @staticmethod
    def full_rank(conv: nn.Conv2d) -> int:
        k_h, k_w = conv.kernel_size
        return min(conv.in_channels * k_h, conv.out_channels * k_w) // conv.groups

    @staticmethod
    def default_rank(conv: nn.Conv2d) -> int:
        C, D = conv.in_channels, conv.out_channels
        return max(1, round(C * D / (C + D) / conv.groups))

    @staticmethod
    def num_weights(conv: nn.Conv2d, rank: int) -> int:
        k_h, k_w = conv.kernel_size
        # R (C k_h + D k_w)
        return rank * (conv.in_channels * k_h + conv.out_channels * k_w)

    def factors(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        k_h, k_w = weight.shape[2:]
        # in each group one matrix: rows (c, i) as the vertical kernels, columns (d, j)
        W = weight.unflatten(0, (self.groups, -1)).permute(0, 2, 3, 1, 4)
        W = W.flatten(3).flatten(1, 2)
        columns, rows = nearest_factors(W, self.rank)  # [G, C/G k_h, R] and [G, R, D/G k_w]
        columns = columns.transpose(1, 2)
        vertical = columns.reshape(self.groups * self.rank, -1, k_h, 1)
        horizontal = rows.unflatten(2, (-1, k_w)).transpose(1, 2)
        return vertical, horizontal.reshape(len(weight), self.rank, 1, k_w)

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        columns = first[..., 0].unflatten(0, (self.groups, self.rank))  # [G, R, C/G, k_h]
        rows = second[:, :, 0].unflatten(0, (self.groups, -1))  # [G, D/G, R, k_w]
        # W[d, c, i, j] = sum_r vertical[r, c, i] * horizontal[d, r, j]
        return torch.einsum("grci,gdrj->gdcij", columns, rows).flatten(0, 1)


class ChannelPair(LayerPair):
    """A 1x1 convolution to `rank` channels, then the k x k convolution on those alone.

    MACs at stride 1: H W R (C + k^2 D) in place of H W C D k^2.
    Source: Denton et al. 2014, section 3.2, with one group of inputs. Taught in chapter 10.
    """

    first, second = "reduce", "convolve"

    def __init__(self, conv: nn.Conv2d, rank: int):
        super().__init__(conv, rank)
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


class FilterPair(LayerPair):
    """The k x k convolution to `rank` channels, then a 1x1 convolution to all.

    MACs at stride 1: H W R (C k^2 + D) in place of H W C D k^2.
    Source: Zhang et al. 2015, "Efficient and Accurate Approximations of Nonlinear Convolutional
    Networks", section 2.1, without its nonlinear part. Taught in chapter 10.
    """

    first, second = "convolve", "expand"

    def __init__(self, conv: nn.Conv2d, rank: int):
        super().__init__(conv, rank)
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


def only(pair: tuple[int, int] | str, axis: int, other: int) -> tuple[int, int] | str:
    """The setting `pair` for one axis, `other` for the other one; a word ("same") stays."""
    if isinstance(pair, str):
        return pair
    return (pair[0], other) if axis == 0 else (other, pair[1])


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
