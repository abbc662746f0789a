"""Blocks of convolutions that do with few multiplications what a standard k x k does. Chapter 07.

All take [N, in_channels, H, W] and return [N, out_channels, H / stride, W / stride]. In the MAC
formulas H and W are the output's, C the input channels and D the output channels; a standard
convolution does H W C D k^2.
"""

from collections.abc import Callable

from torch import Tensor, nn


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int] = 3,
    stride: int | tuple[int, int] = 1,
    groups: int = 1,
    activation: Callable[[], nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """Convolution with padding that keeps the size, batch norm and an activation.

    activation: what makes the activation; None (or False) leaves it out. With `groups` each output
    channel reads C / groups input channels. MACs: H W C D k^2 / groups.
    """
    height, width = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    layers = [
        nn.Conv2d(
            in_channels,
            out_channels,
            (height, width),
            stride,
            padding=(height // 2, width // 2),
            groups=groups,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
    ]
    if activation:
        layers.append(activation())
    return nn.Sequential(*layers)


class DepthwiseSeparable(nn.Module):
    """A k x k convolution in each channel, then a 1x1 convolution across channels.

    MACs: H W C (k^2 + D), a share of 1 / D + 1 / k^2 of the standard convolution's.
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


class SpatiallySeparable(nn.Module):
    """A k x 1 convolution down the columns, then a 1 x k convolution along the rows.

    mid_channels: the channels M between the two, by default out_channels.
    MACs: H W M k (C stride + D); with C = D = M and stride 1 a share of 2 / k.
    Source: Szegedy et al. 2016, "Rethinking the Inception Architecture", section 3.2.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        mid_channels: int | None = None,
    ):
        super().__init__()
        mid_channels = mid_channels or out_channels
        self.vertical = conv_norm(in_channels, mid_channels, (kernel_size, 1), (stride, 1))
        self.horizontal = conv_norm(mid_channels, out_channels, (1, kernel_size), (1, stride))

    def forward(self, X: Tensor) -> Tensor:
        return self.horizontal(self.vertical(X))


class ShuffledGroups(nn.Module):
    """A k x k convolution in `groups` parts that do not see each other, then a channel shuffle.

    The shuffle deals the channels out like cards, so that the next grouped layer mixes the parts.
    MACs: H W C D k^2 / groups. Raises ValueError if groups does not divide both channel counts.
    Source: Zhang et al. 2018, "ShuffleNet", section 3.1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 2,
    ):
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"groups must divide in_channels and out_channels, got {groups} for "
                f"{in_channels} and {out_channels}"
            )
        self.conv = conv_norm(in_channels, out_channels, kernel_size, stride, groups)
        self.groups = groups

    def forward(self, X: Tensor) -> Tensor:
        parts = self.conv(X).unflatten(1, (self.groups, -1))
        # channel i of part g moves from place g * (D / groups) + i to place i * groups + g
        return parts.transpose(1, 2).flatten(1, 2)


class SqueezeExcite(nn.Module):
    """Multiplies each channel by a number in [0, 1] that the means of all channels decide.

    Input [N, C, H, W], output the same. It squeezes to S = C / 4 channels, rounded to a multiple
    of 8. MACs: 2 C S, whatever the size of the maps.
    Source: Howard et al. 2019, "Searching for MobileNetV3", section 5.3.
    """

    def __init__(self, channels: int):
        super().__init__()
        squeezed = multiple_of_8(channels // 4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Conv2d(channels, squeezed, kernel_size=1)
        self.act = nn.ReLU()
        self.excite = nn.Conv2d(squeezed, channels, kernel_size=1)
        self.gate = nn.Hardsigmoid()

    def forward(self, X: Tensor) -> Tensor:
        # scale = hardsigmoid(W_2 relu(W_1 mean(X)))
        scale = self.gate(self.excite(self.act(self.squeeze(self.pool(X)))))
        return scale * X


class InvertedResidual(nn.Module):
    """Widen by 1x1, depthwise k x k, narrow by 1x1 without activation; add the input if it fits.

    Input [N, in_channels, H, W], output [N, out_channels, H / stride, W / stride]. expansion: how
    many times wider the middle is; at 1 nothing is widened. squeeze_excite: the form of
    MobileNetV3, whose later layers take nn.Hardswish as activation.
    MACs at stride 1, with C input, D output and E = expansion * C channels: H W E (C + k^2 + D).
    Source: Sandler et al. 2018, "MobileNetV2", section 3.3; Howard et al. 2019, section 5.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        expansion: float = 3,
        activation: Callable[[], nn.Module] = nn.ReLU,
        squeeze_excite: bool = False,
    ):
        super().__init__()
        hidden = round(in_channels * expansion)
        self.expand = None
        if hidden != in_channels:
            self.expand = conv_norm(in_channels, hidden, kernel_size=1, activation=activation)
        self.depthwise = conv_norm(hidden, hidden, kernel_size, stride, hidden, activation)
        self.squeeze_excite = SqueezeExcite(hidden) if squeeze_excite else None
        self.project = conv_norm(hidden, out_channels, kernel_size=1, activation=None)
        self.has_skip = stride == 1 and in_channels == out_channels

    def forward(self, X: Tensor) -> Tensor:
        wide = X if self.expand is None else self.expand(X)
        wide = self.depthwise(wide)
        if self.squeeze_excite is not None:
            wide = self.squeeze_excite(wide)
        output = self.project(wide)
        return X + output if self.has_skip else output


def multiple_of_8(channels: int) -> int:
    """The nearest multiple of 8, at least 8, that takes away at most a tenth."""
    rounded = max(8, (channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
