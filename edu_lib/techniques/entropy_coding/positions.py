"""Where the weights that are left stand: the distance to the one before, in few bits.

Source: Han et al. 2016, "Deep Compression", section 2 and figure 2. Taught in chapter 10.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Positions(NamedTuple):
    """Nonzeros of a tensor, flattened. Entry i stands gaps[i] + 1 places after entry i - 1.

    gaps: int64 [n], each below 2^bits. values: [n], 0 where an entry only fills a gap too wide.
    """

    gaps: Tensor
    values: Tensor


def to_gaps(tensor: Tensor, bits: int) -> Positions:
    """The nonzeros of a tensor as gaps of `bits` bits and values; filler zeros span wider gaps.

    The paper takes 8 bits for convolutions and 5 for linear layers.
    Raises ValueError unless bits is from 1 to 16.
    """
    _check(bits)
    flat = tensor.flatten()
    places = flat.nonzero()[:, 0]
    before = torch.cat([places.new_full((1,), -1), places[:-1]])
    # zeros between two nonzeros; a filler ends every full span of 2^bits places
    zeros = places - before - 1
    span = 2**bits
    fillers = zeros // span
    ends = (fillers + 1).cumsum(0) - 1  # where the nonzero itself lands among the entries
    num_entries = int(ends[-1]) + 1 if len(ends) else 0
    gaps = torch.full((num_entries,), span - 1, dtype=torch.int64)
    gaps[ends] = zeros % span
    values = flat.new_zeros(num_entries)
    values[ends] = flat[places]
    return Positions(gaps, values)


def from_gaps(positions: Positions, shape: tuple[int, ...]) -> Tensor:
    """The tensor of this shape that `to_gaps` took apart.

    Raises ValueError if an entry lies beyond the end of the tensor.
    """
    flat = positions.values.new_zeros(torch.Size(shape).numel())
    places = (positions.gaps + 1).cumsum(0) - 1
    if len(places) and int(places[-1]) >= len(flat):
        raise ValueError(f"the gaps lead to place {int(places[-1])} of {len(flat)}")
    flat[places] = positions.values
    return flat.reshape(shape)


def _check(bits: int) -> None:
    if not 1 <= bits <= 16:
        raise ValueError(f"a gap takes from 1 to 16 bits, got {bits}")
