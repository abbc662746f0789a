"""Convolution blocks that do with few multiplications what a standard 3x3 does. Chapter 07.

All take [N, in_channels, H, W] and return [N, out_channels, H / stride, W / stride].
"""

from torch import Tensor, nn


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 3,
    stride: int = 1,
    groups: int = 1,
    activation: bool = True,
) -> nn.Sequential:
    """Convolution with padding that keeps the size, batch norm and, unless told not to, ReLU."""
    layers = [
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding=kernel_size // 2,
            groups=groups,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
    ]
    if activation:
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class DepthwiseSeparable(nn.Module):
    """A k x k convolution in each channel, then a 1x1 convolution across channels.

    MACs: H W C (k^2 + D) instead of H W C D k^2, a share of 1 / D + 1 / k^2.
    Source: Howard et al. 2017, "MobileNets", section 3.1.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1):
        super().__init__()
        self.depthwise = conv_norm(
            in_channels, in_channels, kernel_size, stride, groups=in_channels
        )
        self.pointwise = conv_norm(in_channels, out_channels, kernel_size=1)

    def forward(self, X: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(X))


class InvertedResidual(nn.Module):
    """Widen by 1x1, depthwise k x k, narrow by 1x1 without activation; add the input if it fits.

    Source: Sandler et al. 2018, "MobileNetV2", section 3.3.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        expansion: int = 3,
    ):
        super().__init__()
        hidden = in_channels * expansion
        self.expand = conv_norm(in_channels, hidden, kernel_size=1)
        self.depthwise = conv_norm(hidden, hidden, kernel_size, stride, groups=hidden)
        self.project = conv_norm(hidden, out_channels, kernel_size=1, activation=False)
        self.has_skip = stride == 1 and in_channels == out_channels

    def forward(self, X: Tensor) -> Tensor:
        output = self.project(self.depthwise(self.expand(X)))
        return X + output if self.has_skip else output
