"""Training and evaluation on tensors in memory. Taught in chapter 02."""

from edu_lib.training.augment import random_affine, random_shift
from edu_lib.training.checkpoint import Epoch, History
from edu_lib.training.evaluate import Evaluation, evaluate
from edu_lib.training.fit import fit
from edu_lib.training.recipe import fingerprint

__all__ = [
    "Epoch",
    "Evaluation",
    "History",
    "evaluate",
    "fingerprint",
    "fit",
    "random_affine",
    "random_shift",
]
