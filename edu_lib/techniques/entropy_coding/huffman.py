"""Huffman's code: a whole number of bits for each symbol, and no such code is shorter.

Canonical: the code words follow from their lengths, so that a file stores lengths alone.
Source: Huffman 1952, "A Method for the Construction of Minimum-Redundancy Codes"; used on weights
by Han et al. 2016, "Deep Compression", section 4. Taught in chapter 10.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence

LONGEST = 32  # bits of a code word; more would need about 2^22 symbols of Fibonacci-like counts


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

    def encode(self, symbols: Iterable[int]) -> str:
        """The message as a text of 0 and 1; `pack_bits` makes bytes of it.

        Raises ValueError for a symbol that has no code word.
        """
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


def pack_bits(bits: str) -> bytes:
    """A text of 0 and 1 as bytes, filled up with zeros at the end."""
    padded = bits + "0" * (-len(bits) % 8)
    return bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8))


def unpack_bits(data: bytes) -> Iterator[str]:
    """The bits of bytes, one "0" or "1" after the other."""
    return (bit for byte in data for bit in format(byte, "08b"))
