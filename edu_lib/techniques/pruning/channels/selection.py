"""How many channels of each group go, and which: by share, by one threshold, by MACs."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from edu_lib.techniques.pruning.channels.graph import ChannelGraph

SCOPES = ("uniform", "global")
SEARCH_STEPS = 20


def choose_by_ratio(
    graph: ChannelGraph,
    scores: Tensor,
    ratio: float,
    scope: str = "uniform",
    multiple_of: int = 1,
    widths: Sequence[int] | None = None,
) -> Tensor:
    """The channel numbers that go, bool [graph.num_numbers].

    ratio: share of the channels, of each group ("uniform") or of all together ("global").
    widths: channels of each group that the ratio refers to; None: as they are now.
    What is left of a group is rounded up to a multiple of `multiple_of`, at least one multiple.
    """
    widths = [len(group) for group in graph.groups] if widths is None else widths
    if scope == "uniform":
        left = [width * (1 - ratio) for width in widths]
    else:
        left = _above_one_threshold(graph, scores, sum(widths) * (1 - ratio))
    removed = graph.none_removed()
    for group, wanted in zip(graph.groups, left, strict=True):
        num_kept = min(len(group), _round_up(wanted, multiple_of))
        ascending = scores[group.numbers].argsort(stable=True)
        removed[group.numbers[ascending[: len(group) - num_kept]]] = True
    return removed


def choose_by_macs(
    graph: ChannelGraph, choose: Callable[[float], Tensor], most_macs: float
) -> Tensor:
    """The smallest removal that leaves at most `most_macs`.

    choose: from a ratio to the numbers that go. A larger ratio never leaves more MACs, so that the
    right one is found by halving. Raises ValueError if the MACs cannot get so low.
    """
    if graph.macs(choose(0.0)) <= most_macs:
        return choose(0.0)
    enough_ratio, too_small_ratio = 1.0, 0.0
    best = choose(enough_ratio)
    if graph.macs(best) > most_macs:
        raise ValueError(
            f"{most_macs:,.0f} MACs are out of reach: with the fewest channels "
            f"{graph.macs(best):,} are left"
        )
    for _ in range(SEARCH_STEPS):
        middle = (enough_ratio + too_small_ratio) / 2
        removed = choose(middle)
        if graph.macs(removed) <= most_macs:
            enough_ratio, best = middle, removed
        else:
            too_small_ratio = middle
    return best


def _above_one_threshold(graph: ChannelGraph, scores: Tensor, num_kept: float) -> list[int]:
    """How many channels of each group are among the `num_kept` best of all groups."""
    together = torch.cat([scores[group.numbers] for group in graph.groups])
    descending = together.argsort(descending=True, stable=True)
    is_kept = torch.zeros(len(together), dtype=torch.bool)
    is_kept[descending[: math.ceil(num_kept - 1e-9)]] = True
    return [int(part.sum()) for part in is_kept.split([len(group) for group in graph.groups])]


def _round_up(wanted: float, multiple_of: int) -> int:
    """The next multiple; one multiple at least, since a layer of no channels ends the network."""
    return multiple_of * max(1, math.ceil(wanted / multiple_of - 1e-9))
