"""A small AlexNet whose parts can be switched on and off one by one. Taught in chapter 03.

It keeps the plan of Krizhevsky, Sutskever, Hinton 2012, section 3, and none of its sizes. Below it
stand the weights that a network starts with, so that signals keep their size.
"""

import math
from collections import OrderedDict

from torch import Tensor, nn

from edu_lib.models.alexnet import LocalResponseNorm
from edu_lib.models.lenet import Normalize

FASHION_MEAN, FASHION_STD = 0.2860, 0.3530
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}

# The paper's pixels run from 0 to 255, ours have a standard deviation of 1, about 60 times less.
# alpha multiplies squares.
LRN_ALPHA = 1e-4 * 60**2

# How much larger the weights must be because the activation makes its inputs smaller:
# ReLU drops half of the squares, tanh nothing near 0, and sigmoid has a slope of 1/4 at 0.
GAINS = {"relu": math.sqrt(2), "tanh": 1.0, "sigmoid": 4.0}


class SmallAlexNet(nn.Module):
    """AlexNet's plan for small images: convolutions, then three linear layers.

    Input [N, in_channels, image_size, image_size] in [0, 1], output logits [N, num_classes].
    As it stands: 108,362 parameters, 3,642,112 MACs an image of 28x28.

    depth: convolutions, 5 in AlexNet; pooling follows the first, the second, and from depth 3 on
    the last. activation: "relu", "tanh" or "sigmoid". overlap: pooling looks at 3x3 pixels, else
    at 2x2; the maps shrink to the same size. dropout: share of each hidden linear layer that is
    dropped. lrn: normalise the first two layers. towers: groups of all convolutions but the first
    and the third. width: maps of the first layer. mean, std: of the pixels.
    Raises ValueError for another activation, a depth below 1 or images of less than 14 pixels.
    """

    def __init__(
        self,
        image_size: int = 28,
        in_channels: int = 1,
        num_classes: int = 10,
        *,
        depth: int = 5,
        activation: str = "relu",
        overlap: bool = True,
        dropout: float = 0.5,
        lrn: bool = False,
        towers: int = 1,
        width: int = 16,
        mean: float = FASHION_MEAN,
        std: float = FASHION_STD,
    ):
        super().__init__()
        _check(image_size, depth, activation)
        act = ACTIVATIONS[activation]
        layers: list[tuple[str, nn.Module]] = [("normalize", Normalize(mean, std))]
        channels, size = in_channels, image_size
        for i in range(1, depth + 1):
            conv = _convolution(i, depth, channels, width, towers, image_size)
            layers += [(f"conv{i}", conv), (f"act{i}", act())]
            channels, size = conv.out_channels, size // conv.stride[0]
            if lrn and i <= 2:
                layers.append((f"norm{i}", LocalResponseNorm(alpha=LRN_ALPHA, towers=towers)))
            if i <= 2 or i == depth:
                layers.append((f"pool{i}", _pool(overlap)))
                size //= 2
        self.features = nn.Sequential(OrderedDict(layers))
        self.flatten = nn.Flatten()
        self.classifier = _classifier(channels * size * size, 8 * width, num_classes, act, dropout)

    def forward(self, X: Tensor) -> Tensor:
        return self.classifier(self.flatten(self.features(X)))


def _convolution(
    i: int, depth: int, in_channels: int, width: int, towers: int, image_size: int
) -> nn.Conv2d:
    """Convolution i: 1, 2, 3, ... 3, 2 times the width, as AlexNet's 96, 256, 384, 384, 256."""
    if i == 1 and image_size > 32:  # large kernels and a stride for large images, as in the paper
        return nn.Conv2d(in_channels, width, kernel_size=7, stride=2, padding=3)
    if i == 1:
        return nn.Conv2d(in_channels, width, kernel_size=5, padding=2)
    channels = 2 * width if i in (2, depth) else 3 * width
    groups = 1 if i == 3 else towers
    return nn.Conv2d(in_channels, channels, kernel_size=3, padding=1, groups=groups)


def _pool(overlap: bool) -> nn.MaxPool2d:
    # 3x3 with rounding up and 2x2 with rounding down both leave half the pixels, rounded down
    return nn.MaxPool2d(3, stride=2, ceil_mode=True) if overlap else nn.MaxPool2d(2)


def _classifier(
    in_features: int, hidden: int, num_classes: int, act: type[nn.Module], dropout: float
) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            fc1=nn.Linear(in_features, hidden),
            act1=act(),
            drop1=nn.Dropout(dropout),
            fc2=nn.Linear(hidden, hidden),
            act2=act(),
            drop2=nn.Dropout(dropout),
            fc3=nn.Linear(hidden, num_classes),
        )
    )


def _check(image_size: int, depth: int, activation: str) -> None:
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation is one of {', '.join(ACTIVATIONS)}, got {activation!r}")
    if depth < 1:
        raise ValueError(f"depth counts convolutions: give at least 1, got {depth}")
    if image_size < 14:
        raise ValueError(f"pooling needs images of 14 pixels or more, got {image_size}")


def init_scaled_(model: nn.Module, activation: str) -> nn.Module:
    """Draw the weights of all Conv2d and Linear layers anew, scaled to their number of inputs.

    activation: "relu", "tanh" or "sigmoid", between all layers; the last layer has none after it.
    Biases become 0. Draws from torch's global generator; returns the model.
    Raises ValueError for another activation or a model without such layers.
    Source: LeCun et al. 1998, "Efficient BackProp", section 4.6, for tanh; He et al. 2015,
    "Delving Deep into Rectifiers", section 2.2, for ReLU.
    """
    if activation not in GAINS:
        raise ValueError(f"activation is one of {', '.join(GAINS)}, got {activation!r}")
    layers = _layers_of(model)
    for layer in layers:
        gain = 1.0 if layer is layers[-1] else GAINS[activation]
        # standard deviation = gain / sqrt(inputs of a unit)
        nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return model


def init_small_(model: nn.Module) -> nn.Module:
    """Draw the weights of all Conv2d and Linear layers anew, alike for every activation.

    Uniform between -1 / sqrt(inputs of a unit) and its opposite; biases become 0. Draws from
    torch's global generator; returns the model. Raises ValueError for a model without such layers.
    Source: the width is that of PyTorch's own layers, torch.nn.Linear.reset_parameters.
    """
    for layer in _layers_of(model):
        bound = 1 / math.sqrt(layer.weight[0].numel())
        nn.init.uniform_(layer.weight, -bound, bound)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return model


def _layers_of(model: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    layers = [part for part in model.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    if not layers:
        raise ValueError(f"{type(model).__name__} has no Conv2d and no Linear layer to start")
    return layers
