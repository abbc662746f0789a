"""A convolution taken apart into a k x 1 and a 1 x k one. Taught in chapter 07."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from edu_lib.techniques.separable.pair import ConvPair, tensor_kind


class SpatialPair(ConvPair):
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
        # W = sum_r s_r u_r v_r^T, of which the R largest s_r stay (Eckart, Young 1936)
        U, s, Vt = torch.linalg.svd(W, full_matrices=False)
        root = s[:, : self.rank].sqrt()  # each factor takes half of s
        columns = (U[..., : self.rank] * root[:, None, :]).transpose(1, 2)  # [G, R, C/G k_h]
        rows = root[..., None] * Vt[:, : self.rank]  # [G, R, D/G k_w]
        vertical = columns.reshape(self.groups * self.rank, -1, k_h, 1)
        horizontal = rows.unflatten(2, (-1, k_w)).transpose(1, 2)
        return vertical, horizontal.reshape(len(weight), self.rank, 1, k_w)

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        columns = first[..., 0].unflatten(0, (self.groups, self.rank))  # [G, R, C/G, k_h]
        rows = second[:, :, 0].unflatten(0, (self.groups, -1))  # [G, D/G, R, k_w]
        # W[d, c, i, j] = sum_r vertical[r, c, i] * horizontal[d, r, j]
        return torch.einsum("grci,gdrj->gdcij", columns, rows).flatten(0, 1)


def only(pair: tuple[int, int] | str, axis: int, other: int) -> tuple[int, int] | str:
    """The setting `pair` for one axis, `other` for the other one; a word ("same") stays."""
    if isinstance(pair, str):
        return pair
    return (pair[0], other) if axis == 0 else (other, pair[1])
