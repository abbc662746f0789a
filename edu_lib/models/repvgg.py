"""RepVGG-A0: trained with three branches in each block, used as one 3x3 convolution each.

Taught in chapter 13. Source: Ding et al. 2021, "RepVGG: Making VGG-style ConvNets Great Again",
section 3 and tables 2 and 3.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edu_lib.copies import copied
from edu_lib.techniques.factorization.blocks import conv_norm

# blocks and output channels of each stage; the first block of each halves the image
STAGES = ((2, 48), (4, 96), (14, 192), (1, 1280))
STEM = 48


class RepVGGBlock(nn.Module):
    """ReLU of three branches: 3x3 convolution, 1x1 convolution, and the input where it fits.

    [N, in_channels, H, W] to [N, out_channels, H / stride, W / stride]; batch norm in each branch.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        self.wide = conv_norm(in_channels, out_channels, 3, stride, activation=None)
        self.pointwise = conv_norm(in_channels, out_channels, 1, stride, activation=None)
        fits = stride == 1 and in_channels == out_channels
        self.identity = nn.BatchNorm2d(in_channels) if fits else None

    def forward(self, X: Tensor) -> Tensor:
        y = self.wide(X) + self.pointwise(X)
        if self.identity is not None:
            y = y + self.identity(X)
        return F.relu(y)

    @torch.no_grad()
    def reparameterized(self) -> nn.Sequential:
        """One 3x3 convolution and ReLU that compute the same in evaluation mode."""
        conv, _ = self.wide
        weight, bias = _folded(conv.weight, self.wide[1])
        # a 1x1 window is a 3x3 window with zeros around it
        W1, b1 = _folded(F.pad(self.pointwise[0].weight, (1, 1, 1, 1)), self.pointwise[1])
        weight, bias = weight + W1, bias + b1
        if self.identity is not None:
            # the identity is a 1x1 convolution whose matrix has ones on its diagonal
            ones = torch.eye(conv.out_channels)[:, :, None, None].to(weight)
            W0, b0 = _folded(F.pad(ones, (1, 1, 1, 1)), self.identity)
            weight, bias = weight + W0, bias + b0
        one = nn.Conv2d(conv.in_channels, conv.out_channels, 3, conv.stride, padding=1)
        one = one.to(weight)
        one.weight.copy_(weight)
        one.bias.copy_(bias)
        return nn.Sequential(one, nn.ReLU())


class RepVGGA0(nn.Module):
    """RepVGG-A0: 22 blocks, the mean over the map and a linear layer.

    Input [N, 3, H, W], 224x224 as published; output logits [N, num_classes]. 9,108,968 parameters,
    1,512,581,120 MACs an image with branches; 8,309,384 and 1,361,451,008 after `reparameterize`.
    """

    def __init__(self, num_classes: int = 1000):
        super().__init__()
        blocks, in_channels = [RepVGGBlock(3, STEM, stride=2)], STEM
        for repeats, out_channels in STAGES:
            for i in range(repeats):
                blocks.append(RepVGGBlock(in_channels, out_channels, stride=2 if i == 0 else 1))
                in_channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(in_channels, num_classes)

    def forward(self, X: Tensor) -> Tensor:
        return self.classifier(self.blocks(X).mean(dim=(2, 3)))


def reparameterize(model: nn.Module) -> nn.Module:
    """A copy of `model` in which each RepVGGBlock is one 3x3 convolution; it computes the same.

    In evaluation mode: a batch norm that still trains has no fixed factor to fold. Raises
    ValueError if the model has no such block.
    Source: Ding et al. 2021, section 3.3. Taught in chapter 13.
    """
    model = copied(model).eval()
    names = [name for name, part in model.named_modules() if isinstance(part, RepVGGBlock)]
    if not names:
        raise ValueError(f"{type(model).__name__} has no RepVGGBlock to make one convolution of")
    if names == [""]:
        return model.reparameterized()
    for name in names:
        model.set_submodule(name, model.get_submodule(name).reparameterized())
    return model


def _folded(weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution with the batch norm behind it."""
    # W' = gain * W,  b' = beta - gain * mean,  gain = gamma / sqrt(variance + eps)
    gain = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return gain[:, None, None, None] * weight, norm.bias - gain * norm.running_mean
