"""RoadNet: one family of networks that read a road, from heavy to light. Taught in chapter 12.

After He et al. 2016, "Deep Residual Learning", section 3.3 (the encoder) and Ronneberger et al.
2015, "U-Net", section 2 (the decoder with its skip connections).
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edu_lib.techniques.factorization import DepthwiseSeparable, InvertedResidual, conv_norm

NUM_CLASSES = 9
TASKS = ("segmentation", "depth", "ego")
STAGES = (64, 128, 256, 256)
IMAGE_MEAN, IMAGE_STD = 0.43, 0.24
EGO_STAGES, EGO_GRID = 3, (8, 16)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and the input added to their result.

    Input [N, in_channels, H, W], output [N, out_channels, H / stride, W / stride].
    Source: He et al. 2016, section 3.1, figure 2.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1):
        super().__init__()
        self.conv1 = conv_norm(in_channels, out_channels, kernel_size, stride)
        self.conv2 = conv_norm(out_channels, out_channels, kernel_size, activation=False)
        fits = stride == 1 and in_channels == out_channels
        self.skip = (
            nn.Identity()
            if fits
            else conv_norm(in_channels, out_channels, 1, stride, activation=False)
        )
        self.act = nn.ReLU()

    def forward(self, X: Tensor) -> Tensor:
        return self.act(self.conv2(self.conv1(X)) + self.skip(X))


# name of a kind: (block of the encoder, block of the decoder)
BLOCKS: dict[str, tuple[Callable[..., nn.Module], Callable[..., nn.Module]]] = {
    "standard": (ResidualBlock, conv_norm),
    "separable": (DepthwiseSeparable, DepthwiseSeparable),
    "inverted": (InvertedResidual, DepthwiseSeparable),
}


class Encoder(nn.Module):
    """Image [N, 3, H, W] to five feature maps, from [N, c0, H/2, W/2] to [N, c3, H/32, W/32]."""

    def __init__(self, channels: Sequence[int], block: Callable[..., nn.Module]):
        super().__init__()
        self.stem = conv_norm(3, channels[0], kernel_size=7, stride=2)
        before = (channels[0], *channels)
        self.stages = nn.ModuleList(
            nn.Sequential(block(before[i], channels[i], stride=2), block(channels[i], channels[i]))
            for i in range(len(channels))
        )

    def forward(self, X: Tensor) -> list[Tensor]:
        features = [self.stem(X)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features


class Decoder(nn.Module):
    """The five feature maps to one of [N, c0, H/2, W/2]: up, join what the encoder saw, convolve.

    Source: Ronneberger et al. 2015, section 2.
    """

    def __init__(self, channels: Sequence[int], block: Callable[..., nn.Module]):
        super().__init__()
        # from the deepest map up: the channels joined at each level, and the channels left after it
        skips = (channels[2], channels[1], channels[0], channels[0])
        outputs = (channels[1], channels[1], channels[0], channels[0])
        inputs = (channels[3], *outputs[:-1])
        self.levels = nn.ModuleList(
            nn.Sequential(block(below + skip, out), block(out, out))
            for below, skip, out in zip(inputs, skips, outputs, strict=True)
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        X = features[-1]
        for level, skip in zip(self.levels, reversed(features[:-1]), strict=True):
            X = level(torch.cat([F.interpolate(X, scale_factor=2.0), skip], dim=1))
        return X


class EgoHead(nn.Module):
    """Features [N, in_channels, H/16, W/16] to [N, 1]: where to steer."""

    def __init__(self, in_channels: int):
        super().__init__()
        self.reduce = conv_norm(in_channels, 32, kernel_size=1)
        self.pool = nn.AdaptiveAvgPool2d(EGO_GRID)
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(32 * EGO_GRID[0] * EGO_GRID[1], 64)
        self.act = nn.ReLU()
        self.output = nn.Linear(64, 1)

    def forward(self, X: Tensor) -> Tensor:
        X = self.flatten(self.pool(self.reduce(X)))
        return self.output(self.act(self.hidden(X)))


def dense_head(in_channels: int, out_channels: int, alone: bool) -> nn.Module:
    """Features [N, in_channels, H, W] to answers [N, out_channels, H, W]: a 1x1 convolution.

    Where several dense tasks share a decoder each first gets a 1x1 layer of its own: what one task
    needs of the last features is not what the other needs.
    """
    answer = nn.Conv2d(in_channels, out_channels, kernel_size=1)
    if alone:
        return answer
    return nn.Sequential(conv_norm(in_channels, in_channels, kernel_size=1), answer)


class RoadNet(nn.Module):
    """An encoder, a decoder where a task needs one, and a head for each task.

    Input: images [N, 3, H, W] in [0, 1], H and W divisible by 32. Output: a dict with one entry a
    task: "segmentation" logits [N, 9, H, W], "depth" [N, 1, H, W] and "ego" [N, 1]; `road_tasks`
    says what they mean. Tasks share the encoder and the decoder; where there are two dense tasks,
    each has one cheap layer of its own. Raises ValueError on an unknown task or kind, or an image
    of another size.
    width 1, "standard": the heavy network, 6.7 M parameters and 2.5 GMACs for segmentation at
    128x256. `kind` "separable" or "inverted" and a smaller `width` give its light relatives.
    """

    def __init__(self, tasks: Sequence[str] = TASKS, width: float = 1.0, kind: str = "standard"):
        super().__init__()
        unknown = [task for task in tasks if task not in TASKS]
        if unknown or not tasks:
            raise ValueError(f"tasks are some of {', '.join(TASKS)}, got {list(tasks)}")
        if kind not in BLOCKS:
            raise ValueError(f"kind is one of {', '.join(BLOCKS)}, got {kind!r}")
        channels = [max(8, 8 * round(width * stage / 8)) for stage in STAGES]
        encoder_block, decoder_block = BLOCKS[kind]
        self.tasks = tuple(tasks)
        dense = [task for task in self.tasks if task != "ego"]
        self.encoder = Encoder(channels if dense else channels[:EGO_STAGES], encoder_block)
        self.decoder = Decoder(channels, decoder_block) if dense else None
        outputs = {"segmentation": NUM_CLASSES, "depth": 1}
        self.heads = nn.ModuleDict(
            {task: dense_head(channels[0], outputs[task], len(dense) == 1) for task in dense}
        )
        self.ego = EgoHead(channels[EGO_STAGES - 1]) if "ego" in self.tasks else None

    def forward(self, X: Tensor) -> dict[str, Tensor]:
        outputs = self.answers(X)
        for task in self.heads:
            outputs[task] = F.interpolate(outputs[task], scale_factor=2.0, mode="bilinear")
        return outputs

    def answers(self, X: Tensor) -> dict[str, Tensor]:
        """What `forward` returns, dense answers at half the height and width of the image."""
        if X.shape[-2] % 32 or X.shape[-1] % 32:
            height, width = X.shape[-2:]
            raise ValueError(f"height and width must be divisible by 32, got {height} x {width}")
        features = self.encoder((X - IMAGE_MEAN) / IMAGE_STD)
        outputs = {}
        if self.decoder is not None:
            decoded = self.decoder(features)
            outputs = {task: head(decoded) for task, head in self.heads.items()}
        if self.ego is not None:
            outputs["ego"] = self.ego(features[EGO_STAGES])
        return outputs
