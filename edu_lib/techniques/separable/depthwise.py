"""A convolution taken apart into a depthwise and a pointwise one. Taught in chapter 07."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from edu_lib.techniques.separable.pair import ConvPair, tensor_kind


class DepthwisePair(ConvPair):
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
        # W_c = sum_r s_r u_r v_r^T, of which the R largest s_r stay (Eckart, Young 1936)
        U, s, Vt = torch.linalg.svd(W, full_matrices=False)
        root = s[..., : self.rank].sqrt()  # each factor takes half of s
        kernels = root[..., None] * Vt[..., : self.rank, :]  # [G, C / G, R, k_h k_w]
        mixing = U[..., : self.rank] * root[..., None, :]  # [G, C / G, D / G, R]
        depthwise = kernels.reshape(-1, 1, k_h, k_w)
        pointwise = mixing.transpose(1, 2).reshape(len(weight), -1, 1, 1)
        return depthwise, pointwise

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        per_channel = first.reshape(self.groups, -1, self.rank, *first.shape[2:])
        mixing = second.reshape(self.groups, len(second) // self.groups, -1, self.rank)
        # W[d, c] = sum_r pointwise[d, c, r] * depthwise[c, r]
        return torch.einsum("gdcr,gcrij->gdcij", mixing, per_channel).flatten(0, 1)
