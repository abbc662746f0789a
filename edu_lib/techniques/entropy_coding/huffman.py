"""Huffman's code on weights, and how few bits any code can take. Taught in chapter 10.

Huffman gives each symbol a whole number of bits, and no such code is shorter. The code is
canonical: words follow from their lengths, so that a file stores lengths alone. `to_gaps` says
where the weights that are left stand. Sources: Huffman 1952, "A Method for the Construction of
Minimum-Redundancy Codes"; Han et al. 2016, "Deep Compression", sections 2 and 4.
"""

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

LONGEST = 32  # bits of a code word; more would need about 2^22 symbols of Fibonacci-like counts


def entropy(counts: Sequence[int] | Tensor) -> float:
    """Bits a symbol that no code can beat if symbols are drawn with these frequencies.

    counts: how often each symbol occurs, at least one of them above 0.
    Raises ValueError on a negative count or none above 0.
    Source: Shannon 1948, "A Mathematical Theory of Communication", section 6. Chapter 10.
    """
    counts = [float(count) for count in counts]
    total = sum(counts)
    if total <= 0 or min(counts) < 0:
        raise ValueError("entropy needs counts of 0 and more, and one symbol that occurs")
    # H = -sum_i p_i log2 p_i
    return -sum(n / total * math.log2(n / total) for n in counts if n > 0)


def entropy_bits(symbols: Tensor) -> float:
    """Bits of a whole message by `entropy`, with the frequencies of its own symbols.

    A lower bound for codes with one fixed table; the table itself is not counted.
    """
    if symbols.numel() == 0:
        return 0.0
    counts = torch.unique(symbols, return_counts=True)[1]
    return symbols.numel() * entropy(counts)


def code_lengths(counts: Sequence[int]) -> list[int]:
    """Bits of the code word of each symbol, 0 for a symbol that does not occur.

    counts: how often symbol 0, 1, 2, ... occurs. A message of one symbol over and over takes 1 bit
    a symbol. Raises ValueError on a negative count, or if no symbol occurs.
    """
    if min(counts, default=0) < 0 or not any(counts):
        raise ValueError("Huffman needs counts of 0 and more, and one symbol that occurs")
    # each entry: total count, order (so that ties are settled), the symbols below this node
    heap = [(count, symbol, [symbol]) for symbol, count in enumerate(counts) if count]
    lengths = [0] * len(counts)
    if len(heap) == 1:
        lengths[heap[0][1]] = 1
        return lengths
    heapq.heapify(heap)
    order = len(counts)
    while len(heap) > 1:
        # the two rarest nodes become one, and all symbols below it get one bit longer
        (a, _, left), (b, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in left + right:
            lengths[symbol] += 1
        heapq.heappush(heap, (a + b, order, left + right))
        order += 1
    return lengths


def canonical_codes(lengths: Sequence[int]) -> dict[int, str]:
    """{symbol: its code word as a text of 0 and 1}: short ones first, then by symbol.

    Raises ValueError if no prefix code has these lengths (Kraft's sum is above 1), if there are
    none, or one is beyond 32 bits.
    """
    used = sorted((length, symbol) for symbol, length in enumerate(lengths) if length)
    if not used or used[0][0] < 0 or used[-1][0] > LONGEST:
        raise ValueError(f"code lengths run from 1 to {LONGEST} bits, and one symbol needs one")
    # Kraft: sum_i 2^-l_i <= 1
    if sum(2 ** (LONGEST - length) for length, _ in used) > 2**LONGEST:
        raise ValueError(f"no prefix code has the lengths {list(lengths)}")
    codes, code, before = {}, 0, used[0][0]
    for length, symbol in used:
        code <<= length - before
        codes[symbol] = format(code, f"0{length}b")
        code, before = code + 1, length
    return codes


class HuffmanCode:
    """A canonical Huffman code of the symbols 0, 1, 2, ..., made of its code lengths."""

    def __init__(self, lengths: Sequence[int]):
        self.lengths = list(lengths)
        self.codes = canonical_codes(lengths)
        self._symbols = {code: symbol for symbol, code in self.codes.items()}
        self._longest = max(self.lengths)

    @classmethod
    def of(cls, counts: Sequence[int]) -> "HuffmanCode":
        """The shortest code of a message in which symbol i occurs counts[i] times."""
        return cls(code_lengths(counts))

    def num_bits(self, counts: Sequence[int]) -> int:
        """Bits of a message with these counts, the table of lengths not included."""
        return sum(n * length for n, length in zip(counts, self.lengths, strict=True))

    def encode(self, symbols: Iterable[int] | Tensor) -> str:
        """The message as a text of 0 and 1. Raises ValueError for a symbol without a code word."""
        if isinstance(symbols, Tensor):
            symbols = symbols.flatten().tolist()
        try:
            return "".join(self.codes[symbol] for symbol in symbols)
        except KeyError as error:
            raise ValueError(f"symbol {error.args[0]} did not occur in the counts") from None

    def decode(self, bits: Iterator[str], num_symbols: int) -> list[int]:
        """So many symbols, read from an iterator over "0" and "1" that is left after the last.

        Raises ValueError if the bits end early or fit no code word.
        """
        symbols = []
        for _ in range(num_symbols):
            word = ""
            while word not in self._symbols:
                if len(word) == self._longest:
                    raise ValueError(f"the bits {word} are no code word")
                bit = next(bits, None)
                if bit is None:
                    raise ValueError("the bits end in the middle of the message")
                word += bit
            symbols.append(self._symbols[word])
        return symbols

    def __repr__(self) -> str:
        words = ", ".join(f"{symbol}: {code}" for symbol, code in list(self.codes.items())[:8])
        return f"HuffmanCode({words}{', ...' if len(self.codes) > 8 else ''})"


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
    gaps = torch.full((num_entries,), span - 1, dtype=torch.int64, device=flat.device)
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
