"""What the three heavy road networks say of scenes, kept on disk, and the loss of who learns it."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import edu_lib as edu
from edu_lib.files import replacing
from edu_lib.models.road_tasks import (
    STEERING_STD,
    as_input,
    class_weights,
    road_losses,
    robust_depth_loss,
    steering_degrees,
)
from edu_lib.models.roadnet import TASKS, RoadNet
from edu_lib.training import fingerprint

PART, BATCH = 200, 20  # scenes in one file of answers; scenes at once
ALPHA = 0.5  # share of the teachers in the loss of a scene that they answered
MIRRORED = ("steering", "taught_steering")  # change their sign in a mirror


def teachers() -> list[RoadNet]:
    """The three heavy networks, one a task."""
    return [edu.load_weights(RoadNet([task]), f"road_{task}") for task in TASKS]


@torch.no_grad()
def answered(networks: list[RoadNet], X: Tensor, device: str) -> dict[str, np.ndarray]:
    """Answers to images, uint8 [N, 3, H, W], at half their size.

    "taught_classes": probabilities times 255, uint8 [N, 9, H / 2, W / 2]; "taught_depth" as a
    network gives it, float16 [N, H / 2, W / 2]; "taught_steering" in degrees [N].
    """
    outputs: dict[str, Tensor] = {}
    images = as_input(X.to(device)).contiguous(memory_format=torch.channels_last)
    for network in networks:
        outputs |= network(images)
    classes = F.avg_pool2d(outputs["segmentation"].softmax(dim=1), 2)
    return {
        "taught_classes": (255 * classes).round().to(torch.uint8).cpu().contiguous().numpy(),
        "taught_depth": F.avg_pool2d(outputs["depth"], 2)[:, 0].half().cpu().numpy(),
        "taught_steering": steering_degrees(outputs["ego"]).cpu().numpy(),
    }


def lessons(X: Tensor, taught: int, device: str, cache: Path) -> dict[str, Tensor]:
    """`answers` to the first `taught` images, zeros for the rest, and "taught": which is which."""
    known = answers(X[:taught], device, cache)
    padded = {}
    for name, value in known.items():
        padded[name] = torch.zeros(len(X), *value.shape[1:], dtype=value.dtype)
        padded[name][:taught] = value
    return padded | {"taught": torch.arange(len(X)) < taught}


def answers(X: Tensor, device: str, cache: Path) -> dict[str, Tensor]:
    """`answered` for all images, part by part; a part on disk is not answered again."""
    networks = teachers()
    folder = cache / f"answers_{X.shape[-2]}x{X.shape[-1]}_{fingerprint(networks)}"
    networks = [each.to(device, memory_format=torch.channels_last) for each in networks]
    parts = []
    for images in X.split(PART):
        path = folder / f"{fingerprint(images)}.npz"
        if not path.exists():
            batches = [answered(networks, batch, device) for batch in images.split(BATCH)]
            joined = {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}
            with replacing(path) as partial, open(partial, "wb") as file:
                np.savez_compressed(file, **joined)
            print(f"teachers: {len(images)} more scenes answered", flush=True)
        with np.load(path) as content:
            parts.append({name: torch.from_numpy(content[name]) for name in content.files})
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def augment(X: Tensor, y: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Mirror half of the batches, labels and answers too, and vary the brightness.

    X: uint8 [N, 3, H, W]. Returns float32 images in [0, 1] and the labels, those of each pixel at
    half their size: one of four neighbours, drawn for the batch, since a student answers so.
    """
    gain = 1 + 0.2 * (torch.rand(len(X), 1, 1, 1, device=X.device) - 0.5)
    X = (as_input(X) * gain).clamp_(0, 1)
    if torch.rand(()) < 0.5:
        flipped = {name: value.flip(-1) if value.dim() > 1 else value for name, value in y.items()}
        X, y = X.flip(-1), flipped | {name: -y[name] for name in MIRRORED}
    row, column = torch.randint(2, (2,)).tolist()
    return X, y | {name: y[name][:, row::2, column::2] for name in ("segmentation", "depth")}


def augment_small(X: Tensor, y: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """`augment`, and then everything at half its size: a step takes a quarter of the time."""
    X, y = augment(X, y)
    dense = {name: value[..., ::2, ::2] for name, value in y.items() if value.dim() > 1}
    return F.avg_pool2d(X, 2), y | dense


def objective(outputs: dict[str, Tensor], y: dict[str, Tensor]) -> Tensor:
    """The sum over the tasks: from labels, and where the teachers answered, half from those."""
    from_labels, taught = labels_loss(outputs, y), y["taught"]
    if not taught.any():
        return from_labels
    share = ALPHA * taught.float().mean()
    from_teachers = teachers_loss(
        {name: value[taught] for name, value in outputs.items()},
        {name: value[taught] for name, value in y.items()},
    )
    return (1 - share) * from_labels + share * from_teachers


def labels_loss(outputs: dict[str, Tensor], y: dict[str, Tensor]) -> Tensor:
    """How far the answers are from the truth, the sum of the three tasks."""
    segmentation = road_losses({"segmentation": outputs["segmentation"]}, y)["segmentation"]
    steering = F.l1_loss(outputs["ego"][:, 0].float(), y["steering"].float() / STEERING_STD)
    return segmentation + robust_depth_loss(outputs, y) + steering


def teachers_loss(outputs: dict[str, Tensor], y: dict[str, Tensor]) -> Tensor:
    """How far the answers are from the teachers', the sum of the three tasks."""
    p = y["taught_classes"].float() / 255
    weights = class_weights().to(p.device)[p.argmax(dim=1)]
    log_q = F.log_softmax(outputs["segmentation"].float(), dim=1)
    # L = sum_pixels w sum_i -p_i log q_i / sum_pixels w
    segmentation = -(weights * (p * log_q).sum(dim=1)).sum() / weights.sum()
    depth = F.l1_loss(outputs["depth"][:, 0].float(), y["taught_depth"].float())
    steering = F.l1_loss(outputs["ego"][:, 0].float(), y["taught_steering"] / STEERING_STD)
    return segmentation + depth + steering
