"""The networks of the distillation study: their shapes, and the two teachers with their recipes.

    python3 -m studies.distillation_teachers

One teacher is the paper's 784-1200-1200-10 with dropout and a limit on the length of each unit's
weights (Hinton, Vinyals, Dean 2015, section 3), the other a LeNet-5. The students learn from the
mean of their logits. Both learn from distorted images: rotated and scaled too, where the paper
shifts by up to two pixels. Neither smooths its labels: smoothing would take away what a student
can learn (Mueller, Kornblith, Hinton 2019). The LeNet-5 ships with the kit as
data/weights/lenet5_teacher.safetensors.
"""

from functools import cache, partial

import torch
from torch import Tensor, nn

import edu_lib as edu
from edu_lib.data import Split
from edu_lib.techniques.distillation import Ensemble
from studies import frame

CACHE = frame.CACHE_FOLDER / "distillation_mnist"
# Hinton et al. 2012, "Improving neural networks by preventing co-adaptation": squared length 15
MAX_NORM = 15**0.5
ADAM = partial(torch.optim.Adam, fused=True)
DROPOUT = 0.3
LARGE = {"num_epochs": 20, "batch_size": 512, "lr": 2e-3, "weight_decay": 0.0}
LARGE_DISTORTION = {"degrees": 7.5, "translate": 2 / 28, "scale": 0.1, "shear": 5.0}
LENET = {"num_epochs": 10, "batch_size": 128, "lr": 5e-3}
LENET_DISTORTION = {"degrees": 10, "translate": 0.07, "scale": 0.1, "shear": 5}


def network(width: int, seed: int, dropout: float = 0.0) -> nn.Sequential:
    """784-width-width-10 with ReLU; dropout: share of the hidden units."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(width, 10),
    )


def adam_with_max_norm(parameters, **settings) -> torch.optim.Optimizer:
    """Adam that after each step shortens every unit's incoming weights to MAX_NORM."""
    optimizer = ADAM(parameters, **settings)

    @torch.no_grad()
    def shorten(*_) -> None:
        for weight in optimizer.param_groups[0]["params"]:
            if weight.dim() == 2:
                length = weight.norm(dim=1, keepdim=True)
                weight.mul_((MAX_NORM / length).clamp(max=1))

    optimizer.register_step_post_hook(shorten)
    return optimizer


def fit(model: nn.Module, X: Tensor, y: Tensor, recipe: dict, seed: int, **settings) -> None:
    """Trains in place; the products are computed in bfloat16, the weights stay in float32."""
    settings = {"precision": torch.bfloat16, "optimizer": ADAM, "progress": False} | settings
    edu.fit(model, X, y, seed=seed, device="cpu", **recipe, **settings)


@cache
def large_teacher() -> nn.Module:
    """The 784-1200-1200-10, trained if the cache does not hold it."""
    model, data = network(1200, 0, DROPOUT), edu.mnist()
    fit(
        model,
        data.fit.X,
        data.fit.y,
        LARGE,
        seed=0,
        optimizer=adam_with_max_norm,
        augment=partial(edu.random_affine, **LARGE_DISTORTION),
        checkpoint=CACHE / "teacher.safetensors",
        validation=lambda model: report(model, data.validation),
    )
    return model


@cache
def lenet_teacher(seed: int = 0) -> nn.Module:
    """The LeNet-5, trained if the cache does not hold it."""
    torch.manual_seed(seed)
    model, data = edu.models.LeNet5(), edu.mnist()
    fit(
        model,
        data.fit.X,
        data.fit.y,
        LENET,
        seed=seed,
        optimizer=torch.optim.AdamW,
        precision=torch.float32,
        channels_last=True,
        augment=partial(edu.random_affine, **LENET_DISTORTION),
        checkpoint=CACHE / f"lenet_teacher{seed or ''}.safetensors",
        validation=lambda model: report(model, data.validation),
    )
    return model.to(memory_format=torch.contiguous_format)


@cache
def teacher() -> nn.Module:
    """What the students learn from: the mean logits of the two."""
    return Ensemble([large_teacher(), lenet_teacher()]).eval()


def report(model: nn.Module, split: Split) -> float:
    """Accuracy in percent, printed, for the log."""
    result = edu.evaluate(model, split.X, split.y)
    print(f"  {type(model).__name__}: {result}", flush=True)
    return result.accuracy


def main() -> None:
    """Train both on one core, compare them on the validation images, and ship the LeNet-5."""
    frame.options(__doc__, again=False)
    for model in (large_teacher(), lenet_teacher(), teacher()):
        report(model, edu.mnist().validation)
    edu.save_weights(lenet_teacher(), "lenet5_teacher", half=True)


if __name__ == "__main__":
    frame.start(main)
