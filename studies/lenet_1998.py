"""Train LeNet-5 as published in 1998, with five seeds: what does it reach on MNIST?

    python3 -m studies.lenet_1998

Writes data/results/lenet_1998.json (mean and worst error of the seeds, plain and with shifted
digits) and data/weights/lenet1998.safetensors (seed 0, shifted). About a minute a training; an
interrupted run goes on where it stopped. Every choice of RECIPE was made on the validation split.
"""

from functools import partial
from statistics import mean

import torch

import edu_lib as edu
from edu_lib.data import Dataset
from studies import frame

NAME = "lenet_1998"
SEEDS = range(5)
RECIPE = {"num_epochs": 8, "batch_size": 64, "lr": 4e-3, "warmup": 0.1}
VARIANTS = {"plain": None, "shifted": partial(edu.random_shift, max_shift=1)}


def train(data: Dataset, variant: str, seed: int) -> tuple[edu.models.LeNet1998, float]:
    """One training on all 60,000 digits; the network and its seconds."""
    torch.manual_seed(seed)
    model = edu.models.LeNet1998()
    history = edu.fit(
        model,
        data.train.X,
        data.train.y,
        loss=edu.models.map_loss,
        optimizer=partial(torch.optim.AdamW, betas=(0.9, 0.95)),
        augment=VARIANTS[variant],
        channels_last=True,
        checkpoint=frame.CACHE_FOLDER / f"lenet_1998_{variant}_{seed}.safetensors",
        device="cpu",
        seed=seed,
        **RECIPE,
    )
    return model, history.seconds


def measure() -> dict:
    """All seeds of both variants, for the result file; ships the weights."""
    data = edu.mnist()
    figures = {"recipe": RECIPE, "seeds": len(SEEDS), "threads": 1}
    for variant in VARIANTS:
        errors, seconds = [], []
        for seed in SEEDS:
            model, took = train(data, variant, seed)
            errors.append(edu.evaluate(model, data.test.X, data.test.y).error)
            seconds.append(took)
            print(f"{variant}, seed {seed}: {errors[-1]:.2f} % error", flush=True)
            if variant == "shifted" and seed == SEEDS[0]:
                edu.save_weights(model, "lenet1998")
        figures[variant] = {
            "test_errors": errors,
            "error_mean": mean(errors),
            "error_worst": max(errors),
            "seconds_mean": mean(seconds),
        }
    return figures


if __name__ == "__main__":
    frame.start(lambda: frame.study(NAME, __doc__, measure))
