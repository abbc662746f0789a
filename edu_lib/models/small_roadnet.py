"""SmallRoadNet: three road tasks in a few milliseconds. Taught in chapter 14.

After Howard et al. 2017, "MobileNets", section 3.1 (separable convolutions) and Lin et al. 2017,
"Feature Pyramid Networks", section 3 (the decoder adds instead of joining).
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from edu_lib.models.roadnet import NUM_CLASSES
from edu_lib.techniques.factorization import DepthwiseSeparable, conv_norm

STEM, STAGES, BLOCKS_A_STAGE = 16, (32, 64, 96, 96), (1, 2, 2, 1)
DECODED = 48
HEADS = ("segmentation", "depth")
EGO_CHANNELS, EGO_GRID, EGO_HIDDEN = 8, (4, 16), 32


class SeparableResidual(nn.Module):
    """A depthwise separable convolution and the input added to its result.

    Input and output [N, channels, H, W].
    """

    def __init__(self, channels: int):
        super().__init__()
        self.depthwise = conv_norm(channels, channels, groups=channels)
        self.pointwise = conv_norm(channels, channels, kernel_size=1, activation=None)
        self.act = nn.ReLU()

    def forward(self, X: Tensor) -> Tensor:
        return self.act(X + self.pointwise(self.depthwise(X)))


class SmallRoadNet(nn.Module):
    """One encoder, one light decoder and three heads: what a RoadNet answers, far cheaper.

    Input: images [N, 3, H, W] in [0, 1], H and W divisible by 32. Output: a dict, "segmentation"
    logits [N, 9, H/2, W/2], "depth" [N, 1, H/2, W/2] and "ego" [N, 1], which mean what those of
    `RoadNet` mean; `WholeSize` brings them to H x W. Raises ValueError for another size.
    width 1: 109,227 parameters and 43 MMACs at 128x256.
    """

    def __init__(self, width: float = 1.0):
        super().__init__()
        stem, *stages, decoded = (_rounded(width * c) for c in (STEM, *STAGES, DECODED))
        self.stem = conv_norm(3, stem, stride=2)
        self.stages = nn.ModuleList(_stage((stem, *stages), at) for at in range(len(stages)))
        self.laterals = nn.ModuleList(
            conv_norm(channels, decoded, kernel_size=1, activation=None) for channels in stages
        )
        self.levels = nn.ModuleList(SeparableResidual(decoded) for _ in stages[1:])
        self.narrow = conv_norm(decoded, stem, kernel_size=1, activation=None)
        self.act = nn.ReLU()
        self.fine = conv_norm(stem, stem, groups=stem)
        self.segmentation = nn.Conv2d(stem, NUM_CLASSES, kernel_size=1)
        self.depth = nn.Conv2d(stem, 1, kernel_size=1)
        self.ego = SmallEgoHead(stages[2])

    def forward(self, X: Tensor) -> dict[str, Tensor]:
        if X.shape[-2] % 32 or X.shape[-1] % 32:
            height, width = X.shape[-2:]
            raise ValueError(f"height and width must be divisible by 32, got {height} x {width}")
        features = [self.stem(X)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        Y = self.laterals[-1](features[-1])
        for at in range(len(self.levels) - 1, -1, -1):
            Y = self.levels[at](doubled(Y) + self.laterals[at](features[at + 1]))
        Y = self.fine(self.act(doubled(self.narrow(Y)) + features[0]))
        return {
            "segmentation": self.segmentation(Y),
            "depth": self.depth(Y),
            "ego": self.ego(features[3]),
        }


class SmallEgoHead(nn.Module):
    """Features [N, in_channels, H/16, W/16] to [N, 1]: where to steer."""

    def __init__(self, in_channels: int):
        super().__init__()
        self.reduce = conv_norm(in_channels, EGO_CHANNELS, kernel_size=1)
        self.pool = nn.AdaptiveAvgPool2d(EGO_GRID)
        self.hidden = nn.Linear(EGO_CHANNELS * EGO_GRID[0] * EGO_GRID[1], EGO_HIDDEN)
        self.act = nn.ReLU()
        self.output = nn.Linear(EGO_HIDDEN, 1)

    def forward(self, X: Tensor) -> Tensor:
        X = self.pool(self.reduce(X)).flatten(1)
        return self.output(self.act(self.hidden(X)))


class WholeSize(nn.Module):
    """A network that answers at half the size, with its dense answers enlarged.

    Input and output as those of a `RoadNet`, to be judged beside one. smooth: values between the
    pixels, bilinear as a RoadNet has them; otherwise each pixel becomes four.
    """

    def __init__(self, network: nn.Module, smooth: bool = False):
        super().__init__()
        self.network, self.smooth = network, smooth

    def forward(self, X: Tensor) -> dict[str, Tensor]:
        enlarge = smoothly_doubled if self.smooth else doubled
        outputs = self.network(X)
        return {name: enlarge(Y) if Y.dim() == 4 else Y for name, Y in outputs.items()}


class HalfSize(nn.Module):
    """A RoadNet without its last enlargement: dense answers at half the size of the image."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, X: Tensor) -> dict[str, Tensor]:
        return self.network.answers(X)


def doubled(X: Tensor) -> Tensor:
    """[N, C, H, W] as [N, C, 2 H, 2 W]: each pixel becomes four."""
    return F.interpolate(X, scale_factor=2.0)


def smoothly_doubled(X: Tensor) -> Tensor:
    """[N, C, H, W] as [N, C, 2 H, 2 W], with values between the pixels."""
    return F.interpolate(X, scale_factor=2.0, mode="bilinear")


def _stage(channels: Sequence[int], at: int) -> nn.Sequential:
    """Halves the map, from channels[at] to channels[at + 1], then blocks that add.

    The first one is a convolution of the usual kind: with so few channels it costs little.
    """
    before, after = channels[at : at + 2]
    first = conv_norm if at == 0 else DepthwiseSeparable
    more = (SeparableResidual(after) for _ in range(BLOCKS_A_STAGE[at]))
    return nn.Sequential(first(before, after, stride=2), *more)


def _rounded(channels: float) -> int:
    """A multiple of 8, at least 8."""
    return max(8, 8 * round(channels / 8))
