"""Channel pruning: the network that comes back is smaller, not emptier."""

from collections.abc import Callable, Collection

from torch import Tensor, nn

from edu_lib.techniques.pruning.channels.plan import check_choice, plan_channels
from edu_lib.techniques.pruning.channels.removal import check_runs, remove_channels
from edu_lib.techniques.pruning.channels.scores import ChannelCriterion
from edu_lib.techniques.pruning.criteria import Loss
from edu_lib.techniques.pruning.schedules import geometric


def prune_channels(
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
    steps: int = 1,
    recover: Callable[[nn.Module], None] | None = None,
) -> nn.Module:
    """A smaller copy of the network, without its least important channels.

    Channels that depend on each other (skip connections, depthwise convolutions) go together, out
    of every layer that makes, carries or reads them. What comes back is a plain model of the same
    classes: it trains and exports like any other. Input and output channels stay.

    example_input: one batch, [N, C, H, W]; the MACs of convolutions and linear layers are counted
    for its size.
    ratio: share of the channels to remove, 0 <= r < 1; or mac_share: share of the MACs that may be
    left at most, 0 < m <= 1. One of the two.
    criterion: "l1", "taylor" (needs `loss`), "batchnorm", or a function from (model, graph) to a
    score for each channel number. scope: "uniform" takes the same share of each group of channels,
    "global" compares all scores and lets the groups differ.
    multiple_of: what is left of a group is rounded up to a multiple, since processors work on 8 or
    16 channels at a time; a group that is no wider stays whole.
    keep: names of layers whose output channels stay.
    steps, recover: remove in several steps, the same share of what is left each time, and let
    `recover` train the network in place after each; with one step, after it.
    Raises ValueError naming a layer whose channels cannot be followed or whose weights are shared;
    for masks; for shares out of range or out of reach; for a forward with sizes written into it.
    Sources: in each criterion, and Fang et al. 2023, "DepGraph". Taught in chapter 08.
    """
    check_choice(ratio, mac_share, scope, multiple_of)
    if steps < 1 or (steps > 1 and recover is None):
        raise ValueError(f"steps must be 1, or more with recover=, got {steps}")
    origin = None
    for share in geometric(ratio, steps) if mac_share is None else _falling(mac_share, steps):
        plan = plan_channels(
            model,
            example_input,
            **({"ratio": share} if mac_share is None else {"mac_share": share}),
            criterion=criterion,
            scope=scope,
            multiple_of=multiple_of,
            keep=keep,
            loss=loss,
            origin=origin,
        )
        origin = origin or plan.graph
        model = remove_channels(model, plan)
        check_runs(model, example_input, origin)
        if recover is not None:
            recover(model)
    return model


def _falling(mac_share: float, steps: int) -> list[float]:
    """The share of MACs left after each step: m^(t / n)."""
    return [mac_share ** (t / steps) for t in range(1, steps)] + [mac_share]
