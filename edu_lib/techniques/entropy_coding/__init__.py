"""Writing symbols in as few bits as their frequencies allow. Taught in chapter 10.

Huffman's code gives each symbol a whole number of bits; a range coder spends fractions of bits,
with probabilities that it learns on the way. `to_gaps` says where nonzeros stand.
"""

from edu_lib.techniques.entropy_coding.adaptive import (
    AdaptiveBit,
    AdaptiveFloats,
    AdaptiveNumber,
    Coder,
    Mixture,
    code_bits,
)
from edu_lib.techniques.entropy_coding.huffman import (
    HuffmanCode,
    Positions,
    canonical_codes,
    code_lengths,
    entropy,
    entropy_bits,
    from_gaps,
    to_gaps,
)
from edu_lib.techniques.entropy_coding.levels import LevelModel, code_levels, levels_bits
from edu_lib.techniques.entropy_coding.range_coder import BitCounter, RangeDecoder, RangeEncoder

__all__ = [
    "AdaptiveBit",
    "AdaptiveFloats",
    "AdaptiveNumber",
    "BitCounter",
    "Coder",
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
    "to_gaps",
]
