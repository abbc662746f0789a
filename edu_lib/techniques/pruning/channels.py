"""Channel pruning: the network that comes back is smaller, not emptier."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from torch import Tensor, nn

from edu_lib.graph import Inputs
from edu_lib.techniques.pruning.channel_choice import (
    SCOPES,
    ChannelImportance,
    channel_scores,
    choose_by_macs,
    choose_by_ratio,
)
from edu_lib.techniques.pruning.channel_graph import (
    MAKES,
    ChannelGraph,
    check_runs,
    without_channels,
    zeroed_channels,
)
from edu_lib.techniques.pruning.channel_trace import NotFollowed, trace_channels
from edu_lib.techniques.pruning.criteria import Loss, check_sparsity
from edu_lib.techniques.pruning.unstructured import geometric


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


def prune_channels(
    model: nn.Module,
    example_input: Inputs,
    ratio: float | None = None,
    mac_share: float | None = None,
    *,
    steps: int = 1,
    recover: Callable[[nn.Module], None] | None = None,
    **choice: object,
) -> nn.Module:
    """A smaller copy of the network, without its least important channels.

    Channels that depend on each other (skip connections, depthwise convolutions) go together, out
    of every layer that makes, carries or reads them. What comes back is a plain model of the same
    classes: it trains and exports like any other. Input and output channels stay.

    example_input, ratio, mac_share, choice: which channels go, as in `plan_channels`, which takes
    `importance`, `scope`, `round_to`, `skip` and `loss`.
    steps, recover: remove in several steps, the same share of what is left each time, and let
    `recover` train the network in place after each; with one step, after it.
    Raises what `plan_channels` raises, and ValueError for a forward with sizes written into it.
    Sources: Li et al. 2017, "Pruning Filters for Efficient ConvNets"; Fang et al. 2023, "DepGraph:
    Towards Any Structural Pruning". Taught in chapter 08.
    """
    _check_shares(ratio, mac_share)
    if steps < 1 or (steps > 1 and recover is None):
        raise ValueError(f"steps must be 1, or more with recover=, got {steps}")
    origin = None
    for share in geometric(ratio, steps) if mac_share is None else _falling(mac_share, steps):
        shares = {"ratio": share} if mac_share is None else {"mac_share": share}
        plan = plan_channels(model, example_input, **shares, origin=origin, **choice)
        origin = origin or plan.graph
        model = remove_channels(model, plan)
        check_runs(model, example_input, plan.graph)
        if recover is not None:
            recover(model)
    return model


def plan_channels(
    model: nn.Module,
    example_input: Inputs,
    ratio: float | None = None,
    mac_share: float | None = None,
    *,
    importance: str | ChannelImportance = "l1",
    scope: str = "uniform",
    round_to: int = 1,
    skip: Collection[str] = (),
    loss: Loss | None = None,
    origin: ChannelGraph | None = None,
) -> ChannelPlan:
    """Which channels go, before any goes.

    example_input: one batch as forward takes it, [N, C, H, W] or a tuple of tensors; the MACs of
    convolutions and linear layers are counted for its size.
    ratio: share of the channels to remove, 0 <= r < 1; or mac_share: share of the MACs that may be
    left at most, 0 < m <= 1. One of the two.
    importance: "l1", "taylor" (needs `loss`), "batchnorm", or a function from (model, graph) to a
    score for each channel number. scope: "uniform" takes the same share of each group of channels,
    "global" compares all scores and lets the groups differ.
    round_to: what is left of a group is rounded up to a multiple, since processors work on 8 or
    16 channels at a time; a group that is no wider stays whole.
    skip: names of layers, or of parts that hold layers, whose output channels stay.
    origin: the graph of the network before earlier steps, to which shares refer; None: this one's.
    Raises ValueError naming a layer whose channels cannot be followed, and what to skip
    (`layers_to_skip` finds all such layers); for masks and other wrapped layers; for shares out of
    range or out of reach.
    Sources: in each importance, and Fang et al. 2023, "DepGraph". Taught in chapter 08.
    """
    _check_shares(ratio, mac_share)
    if scope not in SCOPES:
        raise ValueError(f"scope is one of {', '.join(SCOPES)}, got {scope!r}")
    if round_to < 1:
        raise ValueError(f"round_to must be 1 or more, got {round_to}")
    graph = trace_channels(model, example_input, skip)
    if not graph.groups:
        raise ValueError(
            f"{type(model).__name__} has no channel that could go: all are tied to its input, its "
            "output, a skipped layer, or a part that stays whole (attention, recurrent, quantized)"
        )
    origin = origin or graph
    scores = channel_scores(model, graph, importance, loss)
    # a depthwise convolution of one channel left is an ordinary one, which makes a group more
    before = {tuple(group.layers(MAKES)): len(group) for group in origin.groups}
    widths = [before.get(tuple(group.layers(MAKES)), len(group)) for group in graph.groups]

    def choose(share: float) -> Tensor:
        return choose_by_ratio(graph, scores, share, scope, round_to, widths)

    if ratio is not None:
        return ChannelPlan(graph, choose(ratio))
    most_macs = mac_share * origin.macs(origin.none_removed())
    return ChannelPlan(graph, choose_by_macs(graph, choose, most_macs))


def layers_to_skip(model: nn.Module, example_input: Inputs) -> list[str]:
    """The layers that must keep all their channels, so that those of the others can be followed.

    Most networks have none; in ShuffleNets it is those whose outputs are dealt out. Raises what
    `trace_channels` raises for other reasons.
    """
    skip: list[str] = []
    while True:
        try:
            trace_channels(model, example_input, skip)
        except NotFollowed as refusal:
            if {*refusal.skip} <= {*skip}:  # nothing more to skip would help
                raise
            skip += refusal.skip
        else:
            return skip


def remove_channels(model: nn.Module, plan: ChannelPlan) -> nn.Module:
    """A smaller copy without the plan's channels: a plain model of the same classes."""
    return without_channels(model, plan.graph, plan.removed)


def zero_channels(model: nn.Module, plan: ChannelPlan) -> nn.Module:
    """A copy in which all parameters of the plan's channels are zero; every shape stays.

    It computes what the network without these channels computes, at the full price.
    """
    return zeroed_channels(model, plan.graph, plan.removed)


def _check_shares(ratio: float | None, mac_share: float | None) -> None:
    """Raises ValueError unless exactly one share is given, in its range."""
    if (ratio is None) == (mac_share is None):
        raise ValueError("give either ratio= (of the channels to remove) or mac_share= (to leave)")
    if ratio is not None:
        check_sparsity(ratio, "ratio")
    if mac_share is not None and not 0 < mac_share <= 1:
        raise ValueError(f"mac_share must be in (0, 1], got {mac_share}")


def _falling(mac_share: float, steps: int) -> list[float]:
    """The share of MACs left after each step: m^(t / n)."""
    return [mac_share ** (t / steps) for t in range(1, steps)] + [mac_share]
