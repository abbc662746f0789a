"""What the networks that are weighed as files learn from: images and a teacher's answers.

`shifted`: the training images as they are, and shifted by a pixel in each direction; the teacher
is the LeNet-5 that ships. `distorted`: the images as they are, and eight copies that are rotated,
scaled, sheared and shifted at random; the teachers are that LeNet-5 and three more of other seeds.
"""

import os
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import edu_lib as edu
from edu_lib.data import DATA_FOLDER
from edu_lib.techniques.distillation import Ensemble
from studies.distillation_teachers import LENET_DISTORTION, lenet_teacher

CACHE = DATA_FOLDER / "cache" / "network_files"
SHIFTS = [(0, 0), (-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
COPIES = len(SHIFTS)
MORE_TEACHERS = (1, 2, 3)  # seeds
BATCH = 1000


@cache
def training_set(kind: str) -> tuple[Tensor, dict[str, Tensor]]:
    """Nine versions of each training image, uint8 [N, 1, 28, 28], with the teacher's logits."""
    split = edu.mnist().fit
    X = {"shifted": shifted, "distorted": distorted}[kind](split.X)
    path = CACHE / f"teacher_{kind}.npy"
    if not path.exists():
        store(path, answers(teacher(kind), X))
    logits = torch.from_numpy(np.load(path))
    return X, {"labels": split.y.repeat(COPIES), "teacher": logits}


def shifted(X: Tensor) -> Tensor:
    """Every shift of the images [N, 1, 28, 28], one after the other, as uint8."""
    padded = F.pad(as_bytes(X), (1, 1, 1, 1))
    return torch.cat([padded[:, :, 1 + dy : 29 + dy, 1 + dx : 29 + dx] for dy, dx in SHIFTS])


def distorted(X: Tensor) -> Tensor:
    """The images, then eight copies distorted as the teachers' own, as uint8."""
    versions = [as_bytes(X)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(COPIES - 1):
            for batch in X.split(5 * BATCH):
                versions.append(as_bytes(edu.random_affine(batch, **LENET_DISTORTION)))
    return torch.cat(versions)


def as_bytes(X: Tensor) -> Tensor:
    return (X * 255).round().clamp(0, 255).to(torch.uint8)


def teacher(kind: str) -> nn.Module:
    """One LeNet-5, or the mean of four; those that do not ship are trained, a minute each."""
    shipped = edu.load_weights(edu.models.LeNet5(), "lenet5_teacher")
    if kind == "shifted":
        return shipped.eval()
    return Ensemble([shipped, *(lenet_teacher(seed) for seed in MORE_TEACHERS)]).eval()


@torch.no_grad()
def answers(model: nn.Module, X: Tensor) -> Tensor:
    """Logits [N, 10] of images in uint8."""
    return torch.cat([model(batch.float() / 255) for batch in X.split(BATCH)])


def store(path: Path, logits: Tensor) -> None:
    """Under another name first: several processes may be at it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.stem}.{os.getpid()}.npy")
    np.save(temporary, logits.numpy())
    os.replace(temporary, path)
