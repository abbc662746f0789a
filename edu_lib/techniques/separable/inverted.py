"""The inverted residual of MobileNetV2, and the squeeze and excitation MobileNetV3 adds to it.

Taught in chapter 07.
"""

from collections.abc import Callable

from torch import Tensor, nn

from edu_lib.techniques.separable.blocks import conv_norm


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
