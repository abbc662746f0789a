"""Pictures side by side: data samples and the feature maps of a layer."""

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import torch
from torch import Tensor

from classroom.plots.figure import Figure
from classroom.plots.style import HOUSE_STYLE, MUTED, SIGNED, new_figure, picture_axes


@mpl.rc_context(HOUSE_STYLE)
def image_grid(
    images: Tensor,
    titles: Sequence[str] | None = None,
    columns: int = 8,
    alt: str | None = None,
    cell_inches: float = 1.05,
) -> Figure:
    """Images in rows, each under its title.

    images: [N, H, W], [N, 1, H, W] or [N, 3, H, W], values in [0, 1]. titles: N short texts, or
    None. alt: what the pictures show; without it the titles are listed.
    Raises ValueError on another shape or if the number of titles is not N.
    """
    pictures = _as_pictures(images)
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"{len(pictures)} images need as many titles, got {len(titles)}.")
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    ratio = pictures.shape[1] / pictures.shape[2]
    title_inches = 0.0 if titles is None else 0.24
    height = rows * (cell_inches * ratio + title_inches) + 0.1
    figure = new_figure(columns * cell_inches, height)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        picture_axes(axes)
    for index, (axes, picture) in enumerate(zip(grid, pictures, strict=False)):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
        if titles is not None:
            axes.set_title(str(titles[index]), fontsize=9, fontweight="normal", loc="center")
    if alt is None:
        listed = "" if titles is None else ": " + ", ".join(str(title) for title in titles)
        alt = f"{len(pictures)} images{listed}."
    return Figure(figure, alt)


def _as_pictures(images: Tensor) -> np.ndarray:
    images = torch.as_tensor(images).detach().cpu().float()
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    elif images.ndim == 4 and images.shape[1] == 3:
        images = images.permute(0, 2, 3, 1)
    elif images.ndim != 3:
        raise ValueError(
            f"images must be [N, H, W], [N, 1, H, W] or [N, 3, H, W], got {list(images.shape)}."
        )
    if len(images) == 0:
        raise ValueError("There is no image to draw.")
    return images.clamp(0, 1).numpy()


@mpl.rc_context(HOUSE_STYLE)
def feature_maps(activation: Tensor, name: str = "", columns: int = 8) -> Figure:
    """Every feature map of one layer for one image; blue is positive, orange negative.

    activation: [C, H, W] or [1, C, H, W]. name: the layer's name, for the title.
    Raises ValueError on another shape. Taught in chapter 02.
    """
    maps = activation.detach().cpu().float()
    if maps.ndim == 4 and maps.shape[0] == 1:
        maps = maps[0]
    if maps.ndim != 3:
        raise ValueError(
            f"activation must be [C, H, W] or [1, C, H, W] of one image, got {list(maps.shape)}."
        )
    channels, height, width = maps.shape
    columns = min(columns, channels)
    rows = math.ceil(channels / columns)
    figure = new_figure(max(columns * 1.05, 3.2), rows * 1.22 + 0.5)
    limit = max(float(maps.abs().max()), 1e-12)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        picture_axes(axes)
    for index in range(channels):
        grid[index].imshow(maps[index].numpy(), cmap=SIGNED, vmin=-limit, vmax=limit)
        grid[index].set_title(f"{index}", fontsize=8, color=MUTED, pad=2, fontweight="normal")
    label = f"{name}: " if name else ""
    figure.suptitle(f"{label}{channels} maps of {height} x {width}", fontsize=11)
    return Figure(
        figure,
        f"{label}{channels} feature maps of {height} x {width} pixels; blue positive, orange"
        " negative.",
    )
