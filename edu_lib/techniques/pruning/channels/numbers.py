"""Channel numbers: every channel gets a number, and channels that must go together share one."""

import torch
from torch import Tensor

# The number of all channels that must stay: those of the input and of the output.
KEPT = 0


class ChannelNumbers:
    """Hands out numbers and ties them: a union-find, in which each tied set has one leader."""

    def __init__(self) -> None:
        self.leader = [KEPT]

    def new(self, count: int) -> Tensor:
        """`count` numbers that no channel has yet."""
        first = len(self.leader)
        self.leader.extend(range(first, first + count))
        return torch.arange(first, first + count)

    def find(self, number: int) -> int:
        """The leader of a number's set; the smallest number leads, so that KEPT always does."""
        while self.leader[number] != number:
            self.leader[number] = self.leader[self.leader[number]]  # halve the path
            number = self.leader[number]
        return number

    def tie(self, a: Tensor, b: Tensor) -> None:
        """Whatever stands at the same place in a and b stays or goes together."""
        a, b = (compact(each) for each in torch.broadcast_tensors(a, b))
        a, b = (each.flatten() for each in torch.broadcast_tensors(a, b))
        for pair in torch.unique(a * len(self.leader) + b).tolist():
            one, other = map(self.find, divmod(pair, len(self.leader)))
            self.leader[max(one, other)] = min(one, other)

    def leaders(self, numbers: Tensor) -> Tensor:
        """The leader of each number, the same shape."""
        table = torch.tensor([self.find(number) for number in range(len(self.leader))])
        return table[numbers]


def compact(numbers: Tensor) -> Tensor:
    """The same numbers without the dimensions along which an expanded tensor repeats itself."""
    for dim, stride in enumerate(numbers.stride()):
        if stride == 0:
            numbers = numbers.narrow(dim, 0, 1)
    return numbers


def along(numbers: Tensor, dim: int) -> Tensor | None:
    """The number at each index of one dimension; None if another dimension matters as well."""
    size = numbers.shape[dim]
    numbers = compact(numbers).movedim(dim, 0).flatten(1)
    first = numbers[:, :1]
    return first[:, 0].expand(size) if torch.equal(numbers, first.expand_as(numbers)) else None
