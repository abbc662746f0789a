"""A plan says which channels go before any goes: to read, to zero them, to remove them."""

from collections.abc import Collection
from dataclasses import dataclass

from torch import Tensor, nn

from edu_lib.techniques.pruning.channels.graph import MAKES, ChannelGraph
from edu_lib.techniques.pruning.channels.scores import ChannelCriterion, channel_scores
from edu_lib.techniques.pruning.channels.selection import SCOPES, choose_by_macs, choose_by_ratio
from edu_lib.techniques.pruning.channels.trace import trace_channels
from edu_lib.techniques.pruning.criteria import Loss
from edu_lib.techniques.pruning.layers import check_sparsity


@dataclass(repr=False)
class ChannelPlan:
    """The channels of a network that are to go.

    removed: bool [graph.num_numbers], True for a number that goes.
    """

    graph: ChannelGraph
    removed: Tensor

    def widths(self) -> list[tuple[list[str], int, int]]:
        """For each group: the layers that make its channels, their number before and after."""
        return [
            (group.layers(MAKES), group.width(), group.width(self.removed))
            for group in self.graph.groups
        ]

    @property
    def mac_share(self) -> float:
        """MACs after, as a share of those before."""
        return self.graph.macs(self.removed) / self.graph.macs(self.graph.none_removed())

    def __repr__(self) -> str:
        rows = [f"{old:>5} -> {new:<5} {', '.join(made)}" for made, old, new in self.widths()]
        before = self.graph.macs(self.graph.none_removed())
        after = self.graph.macs(self.removed)
        return "\n".join(
            [*rows, f"{before:,} -> {after:,} MACs an image, {100 * self.mac_share:.1f} % are left"]
        )


def plan_channels(
    model: nn.Module,
    example_input: Tensor,
    ratio: float | None = None,
    mac_share: float | None = None,
    *,
    criterion: str | ChannelCriterion = "l1",
    scope: str = "uniform",
    multiple_of: int = 1,
    keep: Collection[str] = (),
    loss: Loss | None = None,
    origin: ChannelGraph | None = None,
) -> ChannelPlan:
    """Which channels `prune_channels` would remove, with the same arguments.

    origin: the graph of the network before earlier steps, to which shares refer; None: this one's.
    """
    check_choice(ratio, mac_share, scope, multiple_of)
    graph = trace_channels(model, example_input, keep)
    if not graph.groups:
        raise ValueError(f"{type(model).__name__} has no channel that could go")
    origin = origin or graph
    scores = channel_scores(model, graph, criterion, loss)
    widths = [len(group) for group in origin.groups]

    def choose(share: float) -> Tensor:
        return choose_by_ratio(graph, scores, share, scope, multiple_of, widths)

    if ratio is not None:
        return ChannelPlan(graph, choose(ratio))
    most_macs = mac_share * origin.macs(origin.none_removed())
    return ChannelPlan(graph, choose_by_macs(graph, choose, most_macs))


def check_choice(
    ratio: float | None, mac_share: float | None, scope: str, multiple_of: int
) -> None:
    """Raises ValueError unless exactly one share is given and all are in range."""
    if (ratio is None) == (mac_share is None):
        raise ValueError("give either ratio= (of the channels to remove) or mac_share= (to leave)")
    if ratio is not None:
        check_sparsity(ratio, "ratio")
    if mac_share is not None and not 0 < mac_share <= 1:
        raise ValueError(f"mac_share must be in (0, 1], got {mac_share}")
    if scope not in SCOPES:
        raise ValueError(f"scope is one of {', '.join(SCOPES)}, got {scope!r}")
    if multiple_of < 1:
        raise ValueError(f"multiple_of must be 1 or more, got {multiple_of}")
