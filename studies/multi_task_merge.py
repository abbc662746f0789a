"""Three networks of one task each merged into one that answers as they do, without labels."""

import torch
from torch import Tensor

from edu_lib.models.road_tasks import STEERING_STD, as_input, steering_degrees
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.distillation import regression_distillation_loss, soft_target_loss

TEMPERATURE = 1.0


@torch.no_grad()
def answers(teachers: list[RoadNet], X: Tensor, batch_size: int = 20) -> dict[str, Tensor]:
    """What networks of one task each say of images X, uint8 [N, 3, H, W], named as labels are.

    Returns "segmentation" logits [N, 9, H, W] and "depth" [N, H, W] as the network gives it, both
    in 16 bits, and "steering" [N] in degrees.
    """
    found: dict[str, list[Tensor]] = {"segmentation": [], "depth": [], "steering": []}
    for batch in X.split(batch_size):
        outputs: dict[str, Tensor] = {}
        for teacher in teachers:
            outputs |= teacher(as_input(batch))
        found["segmentation"].append(outputs["segmentation"].half())
        found["depth"].append(outputs["depth"][:, 0].half())
        found["steering"].append(steering_degrees(outputs["ego"]))
    return {name: torch.cat(parts) for name, parts in found.items()}


def merge_losses(outputs: dict[str, Tensor], y: dict[str, Tensor]) -> dict[str, Tensor]:
    """How far each task of the student is from its teacher's answer, each a scalar."""
    segmentation = soft_target_loss(
        outputs["segmentation"].float(), y["segmentation"].float(), TEMPERATURE
    )
    # no label is used: alpha 1 leaves the teacher's part alone
    depth, ego = outputs["depth"][:, 0].float(), outputs["ego"][:, 0].float()
    depth_target, ego_target = y["depth"].float(), y["steering"] / STEERING_STD
    return {
        "segmentation": segmentation,
        "depth": regression_distillation_loss(depth, depth_target, depth_target, alpha=1.0),
        "ego": regression_distillation_loss(ego, ego_target, ego_target, alpha=1.0),
    }
