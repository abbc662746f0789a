"""Three networks of one task each merged into one: it learns their answers where labels end."""

import torch
import torch.nn.functional as F
from torch import Tensor

from edu_lib.models.road_tasks import (
    LOG_DEPTH_MEAN,
    LOG_DEPTH_STD,
    STEERING_STD,
    as_input,
    class_weights,
    steering_degrees,
)
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.distillation import regression_distillation_loss


def start_from(network: RoadNet, teacher: RoadNet) -> RoadNet:
    """`network`, with the encoder and the decoder of `teacher`; returns it."""
    network.encoder.load_state_dict(teacher.encoder.state_dict())
    network.decoder.load_state_dict(teacher.decoder.state_dict())
    return network


@torch.no_grad()
def answers(teachers: list[RoadNet], X: Tensor, batch_size: int = 20) -> dict[str, Tensor]:
    """What networks of one task each say of images X, uint8 [N, 3, H, W], named as labels are.

    Returns "segmentation", the distribution over the classes [N, 9, H, W], and "depth" [N, H, W] as
    the network gives it, both in 16 bits, and "steering" [N] in degrees.
    """
    found: dict[str, list[Tensor]] = {"segmentation": [], "depth": [], "steering": []}
    for batch in X.split(batch_size):
        outputs: dict[str, Tensor] = {}
        for teacher in teachers:
            outputs |= teacher(as_input(batch))
        found["segmentation"].append(outputs["segmentation"].softmax(dim=1).half())
        found["depth"].append(outputs["depth"][:, 0].half())
        found["steering"].append(steering_degrees(outputs["ego"]))
    return {name: torch.cat(parts) for name, parts in found.items()}


def with_labels(y: dict[str, Tensor], labels: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    """`answers` y, with the truth in place of the answer for the first `count` scenes."""
    classes = F.one_hot(labels["segmentation"][:count].long(), y["segmentation"].shape[1])
    depth = (labels["depth"][:count].float().log() - LOG_DEPTH_MEAN) / LOG_DEPTH_STD
    truth = {
        "segmentation": classes.permute(0, 3, 1, 2).half(),
        "depth": depth.half(),
        "steering": labels["steering"][:count],
    }
    return {name: torch.cat([truth[name], y[name][count:]]) for name in y}


def merge_losses(outputs: dict[str, Tensor], y: dict[str, Tensor]) -> dict[str, Tensor]:
    """How far each task of the student is from `answers` y, each a scalar."""
    # alpha 1: there is one target for each scene, the teacher's answer or the truth
    depth, ego = outputs["depth"][:, 0].float(), outputs["ego"][:, 0].float()
    depth_target, ego_target = y["depth"].float(), y["steering"] / STEERING_STD
    return {
        "segmentation": weighted_soft_targets(outputs["segmentation"], y["segmentation"]),
        "depth": regression_distillation_loss(depth, depth_target, depth_target, alpha=1.0),
        "ego": regression_distillation_loss(ego, ego_target, ego_target, alpha=1.0),
    }


def weighted_soft_targets(logits: Tensor, p: Tensor) -> Tensor:
    """Cross-entropy of logits with a distribution p, both [N, 9, H, W]; a scalar.

    As from labels, rare classes count more: a pixel has the weight of its likeliest class.
    """
    weights = class_weights()[p.argmax(dim=1)]
    # L = sum_pixels w sum_i -p_i log q_i / sum_pixels w
    losses = -(p.float() * F.log_softmax(logits.float(), dim=1)).sum(dim=1)
    return (weights * losses).sum() / weights.sum()
