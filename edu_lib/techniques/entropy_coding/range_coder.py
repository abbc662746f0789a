"""A range coder: arithmetic coding with whole numbers, bit by bit.

A message is one number in an interval. Each bit cuts the interval in two, as wide as its bits are
probable, and keeps one part: a bit of probability p costs -log2(p) bits, fractions included.
Source: Martin 1979, "Range encoding: an algorithm for removing redundancy from a digitised
message"; Rissanen and Langdon 1979, "Arithmetic Coding". Taught in chapter 10.

All coders have `code(p1, bit)`: an encoder writes the bit, the decoder ignores the argument, and
each returns the bit. One function written with it runs both ways, so that they cannot differ.
p1: probability that the bit is 1, in units of 1 / 65,536, from 1 to 65,535.
"""

import math

PROBABILITY_BITS = 16
ONE = 1 << PROBABILITY_BITS
MASK = (1 << 32) - 1
SMALL = 1 << 24  # a range below this has lost 8 bits of its 32


class RangeEncoder:
    """Writes bits of known probability to bytes."""

    def __init__(self) -> None:
        self.low, self.range = 0, MASK
        self.out = bytearray()

    def code(self, p1: int, bit: int) -> int:
        """Write one bit; see the module."""
        # the interval [low, low + range) is cut: 1 takes the lower part
        part = (self.range >> PROBABILITY_BITS) * p1
        if bit:
            self.range = part
        else:
            self.low += part
            self.range -= part
        while self.range < SMALL:
            self._write_byte()
        return bit

    def finish(self) -> bytes:
        """The message, in as few bytes as name a number in the interval; zeros follow unwritten."""
        for num_bytes in range(5):
            rest = MASK >> (8 * num_bytes)
            value = (self.low + rest) & ~rest
            if value < self.low + self.range:
                break
        self._carry(value)
        return bytes(self.out) + (value & MASK).to_bytes(4, "big")[:num_bytes]

    def _write_byte(self) -> None:
        self._carry(self.low)
        self.low &= MASK
        self.out.append(self.low >> 24)
        self.low = (self.low << 8) & MASK
        self.range <<= 8

    def _carry(self, value: int) -> None:
        """Where a sum ran over 32 bits, add 1 to the bytes already written."""
        if value <= MASK:
            return
        at = len(self.out) - 1
        while self.out[at] == 255:
            self.out[at] = 0
            at -= 1
        self.out[at] += 1


class RangeDecoder:
    """Reads the bits that a RangeEncoder wrote, given the same probabilities."""

    def __init__(self, data: bytes):
        self.data, self.position = data, 4
        self.range = MASK
        self.value = int.from_bytes(data[:4].ljust(4, b"\0"), "big")

    def code(self, p1: int, bit: int | None = None) -> int:
        """Read one bit; see the module. Raises ValueError if the message ended before."""
        part = (self.range >> PROBABILITY_BITS) * p1
        if self.value < part:
            bit = 1
            self.range = part
        else:
            bit = 0
            self.value -= part
            self.range -= part
        while self.range < SMALL:
            self._read_byte()
        return bit

    @property
    def bits(self) -> float:
        """Bits of the message that were spent on what has been read."""
        # the range started at 2^32; what was taken from it, and 8 for each byte put under it
        return 8 * (self.position - 4) + 32 - math.log2(self.range)

    def finish(self) -> None:
        """Raises ValueError if bytes are left over."""
        if self.position < len(self.data):
            raise ValueError(f"{len(self.data) - self.position} bytes follow the message")

    def _read_byte(self) -> None:
        byte = self.data[self.position] if self.position < len(self.data) else 0
        self.position += 1
        # the encoder leaves out at most the 4 bytes that do not matter
        if self.position > len(self.data) + 4:
            raise ValueError("the message ends early")
        self.value = ((self.value << 8) | byte) & MASK
        self.range <<= 8


class BitCounter:
    """Writes nothing and adds up what an ideal coder would: `bits`, a float."""

    def __init__(self) -> None:
        self.bits = 0.0

    def code(self, p1: int, bit: int) -> int:
        """Count one bit; see the module."""
        # cost = -log2 p(bit)
        self.bits -= math.log2((p1 if bit else ONE - p1) / ONE)
        return bit
