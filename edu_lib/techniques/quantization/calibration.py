"""Watching a network at work to see which range each activation needs. Taught in chapter 09."""

import torch
from torch import Tensor, fx, nn

from edu_lib.techniques.quantization.affine import affine_grid
from edu_lib.techniques.quantization.layers import ActivationGrid
from edu_lib.techniques.quantization.observers import RANGES
from edu_lib.techniques.quantization.points import insert_points, repeat_points

SAMPLES = 16_384
BATCH_SIZE = 16


class Observer(nn.Module):
    """Hands its input on and keeps what the range is chosen from: the extremes and a sample."""

    def __init__(self, seed: int = 0):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)
        self.seen: list[Tensor] = []

    def forward(self, X: Tensor) -> Tensor:
        values = X.detach().flatten()
        self.seen.append(torch.stack(values.aminmax()))
        if len(values) > SAMPLES:
            values = values[torch.randint(len(values), (SAMPLES,), generator=self.generator)]
        self.seen.append(values)
        return X


@torch.no_grad()
def with_grids(
    graph_module: fx.GraphModule, calibration: Tensor, observer: str = "minmax", bits: int = 8
) -> fx.GraphModule:
    """A traced network whose activations move to grids that fit the calibration inputs.

    calibration: inputs [N, C, H, W], some dozens. observer: "minmax", "percentile", "mse" or
    "entropy", see `observers`. bits: of each activation.
    Raises ValueError for another observer, or calibration inputs that are not finite.
    """
    if observer not in RANGES:
        raise ValueError(f"observer is one of {', '.join(RANGES)}, got {observer!r}")
    watched = insert_points(graph_module, lambda name: Observer())
    for X in calibration.split(BATCH_SIZE):
        watched(X)
    for name, module in list(watched.named_modules()):
        if isinstance(module, Observer):
            low, high = RANGES[observer](torch.cat(module.seen), bits)
            watched.set_submodule(name, ActivationGrid(affine_grid(low, high, bits)))
    return repeat_points(watched, ActivationGrid)
