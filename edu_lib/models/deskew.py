"""A slanted digit stood upright: knowledge that costs a file no byte. Taught in chapter 10."""

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

SMALLEST_MOMENT = 1e-6  # an empty image has none, and stays as it is


def deskew(X: Tensor) -> Tensor:
    """Images [N, C, H, W], bright on black, each sheared until its strokes stand upright.

    Every line moves sideways, in proportion to its distance from the centre of the brightness.
    Black comes in from the sides. Differentiable; the shape stays.
    Source: LeCun, Bottou, Bengio, Haffner 1998, "Gradient-Based Learning Applied to Document
    Recognition", section III.A ("deslanted" images). Taught in chapter 10.
    """
    height, width = X.shape[-2:]
    brightness = X.sum(dim=1)
    y = torch.arange(height, device=X.device, dtype=X.dtype).view(1, -1, 1)
    x = torch.arange(width, device=X.device, dtype=X.dtype).view(1, 1, -1)
    total = brightness.sum(dim=(1, 2), keepdim=True).clamp(min=SMALLEST_MOMENT)
    y = y - (brightness * y).sum(dim=(1, 2), keepdim=True) / total
    x_centred = x - (brightness * x).sum(dim=(1, 2), keepdim=True) / total
    # slant = mu_11 / mu_02: how far the brightness moves sideways from one line to the next
    mu_11 = (brightness * x_centred * y).sum(dim=(1, 2), keepdim=True)
    mu_02 = (brightness * y * y).sum(dim=(1, 2), keepdim=True).clamp(min=SMALLEST_MOMENT)
    source = x + mu_11 / mu_02 * y
    lines = torch.linspace(-1, 1, height, device=X.device, dtype=X.dtype).view(1, -1, 1)
    grid = torch.stack((2 * source / (width - 1) - 1, lines.expand_as(source)), dim=-1)
    return F.grid_sample(X, grid, align_corners=True)


fx.wrap("deskew")  # one step of a traced network


class Deskew(nn.Module):
    """`deskew` as the first layer of a network, which then takes plain pixels."""

    def forward(self, X: Tensor) -> Tensor:
        return deskew(X)
