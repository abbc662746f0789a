"""Writing symbols in as few bits as their frequencies allow. Taught in chapter 10.

Huffman's code gives each symbol a whole number of bits; a range coder spends fractions of bits,
with probabilities that it learns on the way. `to_gaps` says where nonzeros stand.
"""

from edu_lib.techniques.entropy_coding.adaptive import AdaptiveBit, Mixture
from edu_lib.techniques.entropy_coding.entropy import entropy, entropy_bits
from edu_lib.techniques.entropy_coding.huffman import (
    HuffmanCode,
    canonical_codes,
    code_lengths,
    pack_bits,
    unpack_bits,
)
from edu_lib.techniques.entropy_coding.levels import LevelModel, code_levels, levels_bits
from edu_lib.techniques.entropy_coding.numbers import AdaptiveFloats, AdaptiveNumber, code_bits
from edu_lib.techniques.entropy_coding.positions import Positions, from_gaps, to_gaps
from edu_lib.techniques.entropy_coding.range_coder import BitCounter, RangeDecoder, RangeEncoder

__all__ = [
    "AdaptiveBit",
    "AdaptiveFloats",
    "AdaptiveNumber",
    "BitCounter",
    "HuffmanCode",
    "LevelModel",
    "Mixture",
    "Positions",
    "RangeDecoder",
    "RangeEncoder",
    "canonical_codes",
    "code_bits",
    "code_lengths",
    "code_levels",
    "entropy",
    "entropy_bits",
    "from_gaps",
    "levels_bits",
    "pack_bits",
    "to_gaps",
    "unpack_bits",
]
