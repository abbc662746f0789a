"""What the two ways to take a convolution apart share. Chapter 07."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class ConvPair(nn.Module):
    """Two convolutions in a row that stand in for one, of the same input and output shapes.

    Between them stands nothing, or batch norm and an activation. `rank` says how much they can
    hold: from 1 to `full_rank(conv)`, at which they can be equal to the convolution.
    """

    first: str  # the names of the two convolutions
    second: str

    def __init__(
        self,
        conv: nn.Conv2d,
        rank: int,
        mid_channels: int,
        activation: Callable[[], nn.Module] | None,
    ):
        super().__init__()
        if not 1 <= rank <= self.full_rank(conv):
            raise ValueError(f"rank is from 1 to {self.full_rank(conv)} here, got {rank}")
        self.rank, self.groups = rank, conv.groups
        self.between = None
        if activation is not None:
            norm = nn.BatchNorm2d(mid_channels, **tensor_kind(conv))
            self.between = nn.Sequential(norm, activation())

    @staticmethod
    def full_rank(conv: nn.Conv2d) -> int:
        """The rank at which nothing of `conv` need be lost."""
        raise NotImplementedError

    @staticmethod
    def default_rank(conv: nn.Conv2d) -> int:
        """The rank that is taken where none is given."""
        raise NotImplementedError

    @staticmethod
    def num_weights(conv: nn.Conv2d, rank: int) -> int:
        """Weights of the two convolutions, biases aside."""
        raise NotImplementedError

    def factors(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The weights of both convolutions that come nearest to `weight`, by SVD."""
        raise NotImplementedError

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        """The one kernel that these weights of the two convolutions amount to."""
        raise NotImplementedError

    def convolutions(self) -> tuple[nn.Conv2d, nn.Conv2d]:
        """Both, in the order in which they run."""
        return getattr(self, self.first), getattr(self, self.second)

    def kernel(self) -> Tensor:
        """The kernel [out_channels, in_channels / groups, k_h, k_w] that the pair amounts to now.

        Raises ValueError if an activation stands between: then there is no such kernel.
        """
        if self.between is not None:
            raise ValueError("with an activation between them two convolutions have no one kernel")
        first, second = self.convolutions()
        return self.joined(first.weight, second.weight)

    @torch.no_grad()
    def approximate(self, conv: nn.Conv2d) -> None:
        """Set the weights so that `kernel()` comes as near to that of `conv` as it can."""
        convolutions = self.convolutions()
        wide = torch.promote_types(conv.weight.dtype, torch.float32)  # no SVD in 16 bits
        for own, weight in zip(convolutions, self.factors(conv.weight.to(wide)), strict=True):
            own.weight.copy_(weight)
        if conv.bias is not None:
            convolutions[1].bias.copy_(conv.bias)

    def forward(self, X: Tensor) -> Tensor:
        first, second = self.convolutions()
        X = first(X)
        return second(X if self.between is None else self.between(X))


def tensor_kind(conv: nn.Conv2d) -> dict:
    """The arguments that make new layers of the type and on the device of `conv`."""
    return {"device": conv.weight.device, "dtype": conv.weight.dtype}
