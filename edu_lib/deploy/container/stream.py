"""What a container says, in order: network, arguments, sizes, then tensor after tensor.

Every function runs both ways: see techniques.entropy_coding.range_coder.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edu_lib.deploy.container.methods import (
    Tail,
    deflated_floats,
    deflated_levels,
    huffman_levels,
)
from edu_lib.deploy.container.registry import NETWORKS, Argument, Choice, Whole, complete
from edu_lib.deploy.container.tensors import Codebook, Levels, Stored
from edu_lib.techniques.entropy_coding import (
    AdaptiveBit,
    AdaptiveFloats,
    AdaptiveNumber,
    LevelModel,
    code_bits,
    code_levels,
)
from edu_lib.techniques.entropy_coding.adaptive import Coder

FACTORED = 254  # stands before the number of a network whose layers were factored
METHODS = ("context", "huffman", "deflate")
KINDS = (Levels, Codebook, Tensor)
FEW_FLOATS = 4096  # more floats than these are deflated
MOST_CODED = 1 << 20  # levels of one file that are coded by contexts: half a minute at the worst


def code_network(
    coder: Coder,
    network: str = "",
    arguments: Mapping[str, Any] | None = None,
    is_factored: bool = False,
) -> tuple[str, dict[str, Any], bool]:
    """The name of a network, its arguments, and whether layers of it were factored.

    Arguments with default values cost next to nothing, and so do networks that are not factored.
    """
    names = list(NETWORKS)
    own = names.index(network) if network else 0
    number = AdaptiveNumber(8).code(coder, FACTORED if is_factored else own)
    is_factored = number == FACTORED
    if is_factored:
        number = AdaptiveNumber(8).code(coder, own)
    if number >= len(names):
        raise ValueError(f"it names network {number}, and this version of the kit knows none such")
    network, is_default = names[number], AdaptiveBit()
    result = {}
    for name, spec in NETWORKS[network].arguments.items():
        value = spec.default if arguments is None else arguments[name]
        if is_default.code(coder, int(value == spec.default)):
            result[name] = spec.default
        else:
            result[name] = _code_argument(coder, spec, value)
    return network, complete(network, result), is_factored


def _code_argument(coder: Coder, spec: Argument, value: Any) -> Any:
    if isinstance(spec, Whole):
        return spec.low + AdaptiveNumber().code(coder, value - spec.low)
    if isinstance(spec, Choice):
        number = AdaptiveNumber(8).code(coder, spec.values.index(value))
        return spec.values[min(number, len(spec.values) - 1)]
    # a Real keeps all the digits it has
    word = int(np.float64(value).view(np.uint64))
    return float(np.uint64(code_bits(coder, 64, word)).view(np.float64))


@dataclass
class TensorStream:
    """Tensors, one after the other; what is learned from one helps with the next."""

    coder: Coder
    tail: Tail
    kinds: dict[bool, AdaptiveNumber] = field(
        default_factory=lambda: {True: AdaptiveNumber(2), False: AdaptiveNumber(2)}
    )
    floats: AdaptiveFloats = field(default_factory=AdaptiveFloats)
    scales: AdaptiveFloats = field(default_factory=AdaptiveFloats)
    counts: AdaptiveNumber = field(default_factory=lambda: AdaptiveNumber(17))
    methods: AdaptiveNumber = field(default_factory=lambda: AdaptiveNumber(2))
    by_row: AdaptiveBit = field(default_factory=AdaptiveBit)
    vectors: LevelModel = field(default_factory=LevelModel)
    num_coded: int = 0

    def code(
        self, shape: tuple[int, ...], stored: Stored | None = None, method: str = "context"
    ) -> tuple[Stored, str]:
        """One tensor of a known shape; returns it and how its levels are written."""
        given = next((i for i, kind in enumerate(KINDS) if isinstance(stored, kind)), 0)
        kind = self.kinds[len(shape) > 1].code(self.coder, given)
        if kind >= len(KINDS):
            raise ValueError(f"there is no tensor of kind {kind}")
        if KINDS[kind] is Tensor:
            return self._code_floats(shape, stored)
        if KINDS[kind] is Levels:
            return self._code_levels(shape, stored, method)
        return self._code_codebook(shape, stored, method)

    def _code_floats(self, shape: tuple[int, ...], values: Tensor | None) -> tuple[Tensor, str]:
        size = torch.Size(shape).numel()
        if size > FEW_FLOATS:
            return deflated_floats(self.coder, self.tail, shape, values), "deflate"
        flat = None if values is None else values.float().flatten().numpy()
        coded = self.floats.code(self.coder, size, flat)
        return torch.from_numpy(coded).reshape(shape), "context"

    def _code_levels(
        self, shape: tuple[int, ...], stored: Levels | None, method: str
    ) -> tuple[Levels, str]:
        rows = 0 if stored is None else stored.scale.numel()
        by_row = self.by_row.code(self.coder, int(stored is not None and stored.scale.dim() == 1))
        if by_row and not shape:
            raise ValueError("a scalar has no rows to scale")
        rows = shape[0] if by_row else 1
        given = None if stored is None else stored.scale.float().flatten().numpy()
        scale = torch.from_numpy(self.scales.code(self.coder, rows, given))
        levels = None if stored is None else stored.levels.to(torch.int32)
        levels, method = self._code_whole(shape, levels, method)
        return Levels(levels, scale if by_row else scale[0]), method

    def _code_codebook(
        self, shape: tuple[int, ...], stored: Codebook | None, method: str
    ) -> tuple[Codebook, str]:
        parts = (None, None, None) if stored is None else stored.signed_ranks()
        sides = []
        for side in parts[1:]:
            size = self.counts.code(self.coder, 0 if side is None else len(side))
            given = None if side is None else side.abs().numpy()
            sides.append(torch.from_numpy(self.floats.code(self.coder, size, given)))
        ranks, method = self._code_whole(shape, parts[0], method)
        positive, negative = sides
        codes = ranks.long() + len(negative)
        values = torch.cat([-negative.flip(0), torch.zeros(1), positive])
        if codes.numel() and (int(codes.min()) < 0 or int(codes.max()) >= len(values)):
            raise ValueError(f"a code lies outside its codebook of {len(values)} values")
        return Codebook(codes, values), method

    def _code_whole(
        self, shape: tuple[int, ...], levels: Tensor | None, method: str
    ) -> tuple[Tensor, str]:
        number = self.methods.code(self.coder, METHODS.index(method))
        if number >= len(METHODS):
            raise ValueError(f"there is no method {number} to write levels")
        method = METHODS[number]
        if method == "deflate":
            return deflated_levels(self.coder, self.tail, shape, levels), method
        self.num_coded += torch.Size(shape).numel()
        if self.num_coded > MOST_CODED:
            raise ValueError(f'more than {MOST_CODED} levels: write them with method "deflate"')
        if method == "huffman":
            return huffman_levels(self.coder, shape, levels), method
        model = self.vectors if len(shape) < 2 else LevelModel()
        return code_levels(self.coder, shape, levels, model), method
