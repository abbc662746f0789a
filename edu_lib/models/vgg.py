"""VGG-16 and VGG-19: nothing but 3x3 convolutions, in five blocks. Taught in chapter 03.

Source: Simonyan, Zisserman 2015, "Very deep convolutional networks for large-scale image
recognition", table 1, columns D and E.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

POOL = "pool"

# Output channels of each 3x3 convolution, and where the image is halved.
VGG16_LAYERS = (
    64, 64, POOL,
    128, 128, POOL,
    256, 256, 256, POOL,
    512, 512, 512, POOL,
    512, 512, 512, POOL,
)  # fmt: skip
VGG19_LAYERS = (
    64, 64, POOL,
    128, 128, POOL,
    256, 256, 256, 256, POOL,
    512, 512, 512, 512, POOL,
    512, 512, 512, 512, POOL,
)  # fmt: skip


class VGG(nn.Module):
    """A VGG built from a list of layers: `features` are convolutions, `classifier` is linear.

    layers: the output channels of a 3x3 convolution, or POOL for a 2x2 maximum.
    Input [N, 3, H, W], 224x224 as published; output logits [N, num_classes]. The parts carry the
    names of torchvision's vgg16 and vgg19, so that their state dicts fit.
    """

    def __init__(self, layers: Sequence[int | str], num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        self.features = nn.Sequential(*convolution_layers(layers))
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )

    def forward(self, X: Tensor) -> Tensor:
        X = self.avgpool(self.features(X))
        return self.classifier(torch.flatten(X, 1))


class VGG16(VGG):
    """VGG-16, column D: 13 convolutions and 3 linear layers.

    Input [N, 3, 224, 224], output logits [N, num_classes].
    138,357,544 parameters, 15,470,264,320 MACs an image (1000 classes).
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5):
        super().__init__(VGG16_LAYERS, num_classes, dropout)


class VGG19(VGG):
    """VGG-19, column E: 16 convolutions and 3 linear layers.

    Input [N, 3, 224, 224], output logits [N, num_classes].
    143,667,240 parameters, 19,632,062,464 MACs an image (1000 classes).
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5):
        super().__init__(VGG19_LAYERS, num_classes, dropout)


def convolution_layers(layers: Sequence[int | str]) -> list[nn.Module]:
    """The modules that a list of channels and POOLs stands for, the image's three colours first."""
    modules: list[nn.Module] = []
    in_channels = 3
    for layer in layers:
        if layer == POOL:
            modules.append(nn.MaxPool2d(2))
            continue
        modules += [nn.Conv2d(in_channels, layer, kernel_size=3, padding=1), nn.ReLU()]
        in_channels = layer
    return modules
