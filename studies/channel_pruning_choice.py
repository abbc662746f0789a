"""What eight scores that choose channels lose before any training: four of each library.

    python3 -m studies.channel_pruning_choice

Four criteria of `prune_channels` and four of Torch-Pruning (Fang et al. 2023) prune the heavy road
network in one step to the same MACs, with scores read on training scenes. Its batch norms are
measured anew on some validation scenes, and the loss is read on others. It is a rough guide: with
48 other scenes to score on, `taylor_in_group` came out best of ours in place of second.
`studies.channel_pruning` trains it, and Torch-Pruning's LAMP, the best of theirs both times. Writes
data/results/channel_pruning_choice.json; three minutes on one core.
"""

import copy
from collections.abc import Callable

import torch
from torch import nn

import edu_lib as edu
from classroom.road_scenes import RoadSplit, road_scenes
from edu_lib.models.road_tasks import as_input, sum_of_losses
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.pruning import ChannelGraph, channel_scores, prune_channels
from studies import frame

NAME = "channel_pruning_choice"
SHAPE = (1, 3, 128, 256)
MAC_SHARE, MULTIPLE_OF = 0.22, 16
RATIOS = [step / 1000 for step in range(300, 750)]
SCORED, NORMED, JUDGED = slice(0, 48), slice(100, 148), slice(200, 248)
BATCH = 8


def heavy() -> RoadNet:
    """The network to prune."""
    return edu.load_weights(RoadNet(["segmentation"]), "road_segmentation").eval()


def losses(model: nn.Module, scenes: RoadSplit, part: slice):
    """The loss on some scenes, batch by batch."""
    for at in range(part.start, part.stop, BATCH):
        y = {name: labels[at : at + BATCH] for name, labels in scenes.y.items()}
        yield sum_of_losses(model(as_input(scenes.X[at : at + BATCH])), y)


# Ours


def taylor(model: nn.Module, graph: ChannelGraph, scenes: RoadSplit) -> torch.Tensor:
    """(dL/dz)^2 of each channel's gate."""
    return channel_scores(model, graph, "taylor", lambda m: losses(m, scenes, SCORED))


def taylor_in_group(model: nn.Module, graph: ChannelGraph, scenes: RoadSplit) -> torch.Tensor:
    """|dL/dz| over the mean of its group: no group is emptied by its scale."""
    scores = taylor(model, graph, scenes).sqrt()
    for group in graph.groups:
        scores[group.numbers] /= scores[group.numbers].mean()
    return scores


OURS: dict[str, str | Callable] = {
    "l1": "l1",
    "batchnorm": "batchnorm",
    "taylor": taylor,
    "taylor_in_group": taylor_in_group,
}


def ours(criterion: str, scenes: RoadSplit) -> nn.Module:
    """The heavy network pruned by one of OURS, across all groups of channels."""
    score = OURS[criterion]
    return prune_channels(
        heavy(),
        torch.rand(SHAPE),
        mac_share=MAC_SHARE,
        importance=score if isinstance(score, str) else lambda m, graph: score(m, graph, scenes),
        scope="global",
        round_to=MULTIPLE_OF,
    )


# Torch-Pruning's

THEIRS = ("magnitude", "lamp", "bn_scale", "taylor")


def importance(criterion: str):
    """Torch-Pruning's score of that name."""
    import torch_pruning as tp

    return {
        "magnitude": tp.importance.MagnitudeImportance,
        "lamp": tp.importance.LAMPImportance,
        "bn_scale": tp.importance.BNScaleImportance,
        "taylor": tp.importance.TaylorImportance,
    }[criterion]()


def with_gradients(scenes: RoadSplit) -> nn.Module:
    """The heavy network with the gradients that its Taylor score reads."""
    model = heavy()
    for loss in losses(model, scenes, SCORED):
        loss.backward()
    return model


def at_ratio(model: nn.Module, criterion: str, ratio: float) -> nn.Module:
    """Torch-Pruning's network without that share of all channels."""
    import torch_pruning as tp

    copied = copy.deepcopy(model)
    for own, other in zip(model.parameters(), copied.parameters(), strict=True):
        other.grad = None if own.grad is None else own.grad.clone()
    tp.pruner.BasePruner(
        copied,
        torch.rand(SHAPE),
        importance=importance(criterion),
        global_pruning=True,
        pruning_ratio=ratio,
        round_to=MULTIPLE_OF,
        ignored_layers=[copied.heads["segmentation"]],
    ).step()
    return copied


def theirs(criterion: str, scenes: RoadSplit, macs: int) -> nn.Module:
    """The heavy network pruned by one of THEIRS, at the ratio whose MACs come nearest to `macs`."""
    model = with_gradients(scenes) if criterion == "taylor" else heavy()
    low, high = 0, len(RATIOS) - 1
    while low < high:
        middle = (low + high) // 2
        pruned = at_ratio(model, criterion, RATIOS[middle])
        low, high = (middle + 1, high) if macs_of(pruned) > macs else (low, middle)
    near = [at_ratio(model, criterion, RATIOS[i]) for i in (max(0, low - 1), low)]
    return min(near, key=lambda pruned: abs(macs_of(pruned) - macs))


def macs_of(model: nn.Module) -> int:
    return edu.count_cost(model, SHAPE).macs


# The judgement


@torch.no_grad()
def loss_after(model: nn.Module, scenes: RoadSplit) -> float:
    """Mean loss on the judged scenes, once the batch norms have measured their inputs anew."""
    model = copy.deepcopy(model).train()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
            part.reset_running_stats()
    for _ in losses(model, scenes, NORMED):
        pass
    values = [loss.item() for loss in losses(model.eval(), scenes, JUDGED)]
    return sum(values) / len(values)


def measure() -> dict:
    """All eight, for the result file."""
    torch.manual_seed(0)
    scenes, judges = road_scenes("train"), road_scenes("validation")
    figures: dict[str, dict] = {"ours": {}, "torch_pruning": {}}
    models = {("ours", name): ours(name, scenes) for name in OURS}
    target = macs_of(models["ours", "taylor_in_group"])
    models |= {("torch_pruning", name): theirs(name, scenes, target) for name in THEIRS}
    for (library, name), model in models.items():
        row = {"macs": macs_of(model), "loss": loss_after(model, judges)}
        figures[library][name] = row
        print(library, name, row, flush=True)
    return figures | {"scenes": JUDGED.stop - JUDGED.start}


if __name__ == "__main__":
    frame.start(lambda: frame.study(NAME, __doc__, measure))
