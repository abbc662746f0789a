"""Networks whose layers were factored: which ones, how, and at which rank. Taught in chapter 10."""

from typing import NamedTuple

from torch import nn

from edu_lib.techniques.entropy_coding import AdaptiveNumber
from edu_lib.techniques.entropy_coding.adaptive import Coder
from edu_lib.techniques.low_rank import KINDS, LowRankLinear
from edu_lib.techniques.low_rank.factor import layers_of
from edu_lib.techniques.low_rank.pairs import pair_of

DIGITS = 17


class Factoring(NamedTuple):
    """kind: how convolutions were taken apart. ranks: of each layer as built, 0 if it is whole."""

    kind: str
    ranks: tuple[int, ...]


def factoring_of(model: nn.Module, blank: nn.Module) -> Factoring | None:
    """How the layers of `model` were factored, or None if none was.

    Raises ValueError if its convolutions were taken apart in two ways.
    """
    parts, ranks, kinds = dict(model.named_modules(remove_duplicate=False)), [], set()
    for name in layers_of(blank):
        part = parts.get(name)
        kinds |= {kind for kind, pair in KINDS.items() if type(part) is pair}
        ranks.append(part.rank if type(part) in (LowRankLinear, *KINDS.values()) else 0)
    if len(kinds) > 1:
        raise ValueError(f"convolutions of one kind can be stored, got {', '.join(sorted(kinds))}")
    if not any(ranks):
        return None
    return Factoring(kinds.pop() if kinds else next(iter(KINDS)), tuple(ranks))


def code_factoring(coder: Coder, blank: nn.Module, given: Factoring | None = None) -> Factoring:
    """Codes the kind and the ranks; runs both ways."""
    kinds, numbers = list(KINDS), AdaptiveNumber(DIGITS)
    number = AdaptiveNumber(8).code(coder, kinds.index(given.kind) if given else 0)
    if number >= len(kinds):
        raise ValueError(f"there is no way {number} to take a convolution apart")
    count = len(layers_of(blank))
    ranks = [numbers.code(coder, given.ranks[i] if given else 0) for i in range(count)]
    return Factoring(kinds[number], tuple(ranks))


def factored_blank(blank: nn.Module, factoring: Factoring) -> nn.Module:
    """The blank network with pairs of these ranks, without memory for their values.

    Raises ValueError for a rank that a layer cannot have.
    """
    for (name, layer), rank in zip(layers_of(blank).items(), factoring.ranks, strict=True):
        if rank:
            if type(layer) not in (nn.Linear, nn.Conv2d) or getattr(layer, "groups", 1) > 1:
                raise ValueError(f"layer {name!r} of this network cannot be factored")
            blank.set_submodule(name, pair_of(layer, factoring.kind)(layer, rank).eval())
    return blank
