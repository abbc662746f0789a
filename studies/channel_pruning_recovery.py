"""How a pruned road network recovers: from labels and from the heavy network's soft targets."""

import copy
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import edu_lib as edu
from classroom.road_scenes import RoadSplit
from edu_lib.models.road_tasks import as_input, augment_road, class_weights, sum_of_losses
from edu_lib.techniques.distillation import soft_target_loss
from edu_lib.training import fingerprint
from studies import frame
from studies.channel_pruning_choice import heavy

CACHE = frame.CACHE_FOLDER / "channel_pruning"
RECIPE = {"num_epochs": 6, "batch_size": 16, "lr": 2e-3, "weight_decay": 0.02, "warmup": 0.1}
TEMPERATURE, ALPHA = 2.0, 0.5


def teacher_logits(scenes: RoadSplit) -> Tensor:
    """The heavy network's logits at half resolution, float16 [N, 9, H / 2, W / 2], on disk."""
    path = CACHE / f"teacher_{len(scenes)}_{fingerprint(heavy())}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.stem}.{os.getpid()}.partial.npy")
        height, width = scenes.X.shape[2] // 2, scenes.X.shape[3] // 2
        shape = (len(scenes), len(class_weights()), height, width)
        stored = np.lib.format.open_memmap(temporary, "w+", np.float16, shape)
        model = copy.deepcopy(heavy()).to(memory_format=torch.channels_last)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            for at in range(0, len(scenes), 16):
                logits = model(as_input(scenes.X[at : at + 16]))["segmentation"]
                stored[at : at + 16] = F.avg_pool2d(logits.float(), 2).half().numpy()
        stored.flush()
        os.replace(temporary, path)
    return torch.from_numpy(np.load(path, mmap_mode="c"))


def augment(X: Tensor, y: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """`augment_road`, which mirrors the teacher's logits in the place of depth."""
    return augment_road(X, {**y, "depth": y["teacher"]})


def recovery_loss(outputs: dict[str, Tensor], y: dict[str, Tensor]) -> Tensor:
    """Half labels, half soft targets; these at half resolution, where they are stored."""
    soft = soft_target_loss(
        F.avg_pool2d(outputs["segmentation"].float(), 2), y["depth"].float(), TEMPERATURE
    )
    return (1 - ALPHA) * sum_of_losses(outputs, y) + ALPHA * soft


def recover(model: nn.Module, scenes: RoadSplit, name: str, seed: int, with_teacher: bool) -> None:
    """Trains the pruned network in place; goes on from its checkpoint."""
    edu.fit(
        model,
        scenes.X,
        {
            "segmentation": scenes.y["segmentation"],
            "steering": scenes.y["steering"],
            "teacher": teacher_logits(scenes),
        },
        loss=recovery_loss if with_teacher else sum_of_losses,
        transform=augment,
        precision=torch.bfloat16,
        channels_last=True,
        checkpoint=CACHE / f"{name}.checkpoint.safetensors",
        seed=seed,
        **RECIPE,
    )
