"""New training images out of old ones, a whole batch at a time. Taught in chapters 02 and 04.

Both functions draw from torch's global generator, which `fit` seeds.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def random_shift(X: Tensor, max_shift: int = 2) -> Tensor:
    """Shift each image of X [N, C, H, W] by up to `max_shift` pixels each way, filling with 0.

    Raises ValueError if max_shift is negative.
    """
    if max_shift < 0:
        raise ValueError(f"max_shift must be 0 or more pixels, got {max_shift}")
    num_images, _, height, width = X.shape
    padded = F.pad(X, (max_shift,) * 4)
    top, left = torch.randint(0, 2 * max_shift + 1, (2, num_images, 1), device=X.device)
    rows = top + torch.arange(height, device=X.device)
    columns = left + torch.arange(width, device=X.device)
    image = torch.arange(num_images, device=X.device)[:, None, None]
    # advanced indices around a slice put the channels last: [N, H, W, C]
    shifted = padded[image, :, rows[:, :, None], columns[:, None, :]]
    return shifted.permute(0, 3, 1, 2)


def random_affine(
    X: Tensor,
    degrees: float = 10.0,
    translate: float = 0.07,
    scale: float = 0.1,
    shear: float = 5.0,
) -> Tensor:
    """Rotate, scale, shear and shift each image of X [N, C, H, W] at random, filling with 0.

    degrees, shear: the largest angle each way. translate: the largest shift, as a share of the
    image's size. scale: the largest change of size, as a share.
    After the affine distortions of Simard, Steinkraus, Platt 2003, section 2.
    """
    angle = _symmetric(X, math.radians(degrees))
    slant = _symmetric(X, math.radians(shear))
    zoom = 1 + _symmetric(X, scale)
    # grid coordinates run from -1 to 1: an image is two units wide
    shift_x, shift_y = _symmetric(X, 2 * translate), _symmetric(X, 2 * translate)
    # [x'; y'] = zoom * rotation * shear * [x; y] + shift
    # in pixels; the grid is two units high and two units wide, whatever the shape of the image
    tall = X.shape[-2] / X.shape[-1]
    top = torch.stack([zoom * angle.cos(), -tall * zoom * (angle + slant).sin(), shift_x], dim=1)
    bottom = torch.stack([zoom * angle.sin() / tall, zoom * (angle + slant).cos(), shift_y], dim=1)
    theta = torch.stack([top, bottom], dim=1)
    grid = F.affine_grid(theta, X.shape, align_corners=False)
    return F.grid_sample(X, grid.to(X.dtype), align_corners=False)


def _symmetric(X: Tensor, limit: float) -> Tensor:
    """One number an image, uniform in [-limit, limit]."""
    return (torch.rand(len(X), device=X.device) * 2 - 1) * limit
