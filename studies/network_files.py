"""Networks weighed as files: the smallest that read MNIST this well.

    python3 -m studies.network_files [ROW ...] [--seeds N] [--workers N] [--scheduler ADDRESS]

A row is a network and a price of a bit. Each seed trains the network from new weights on the
answers of a teacher (the LeNet-5 of `studies.distillation_teachers`) and on labels, then once more
by `RateDistortion`, where bits count as errors do. What comes out is one container file. LeNet-5-
Caffe has the channels that pruning would leave: the rows' names say how many.

Images are shifted or distorted (`studies.network_files_data`). All choices were made on the
validation images; the test set is read once a seed. Of each row the file of the best seed by
validation error ships in data/weights. `bytes` is the largest file of all seeds, `file_bytes` that
of the one that ships.
Writes lenet_caffe_file.json, lenet_300_100_file.json and smallest_mnist_file.json in data/results.
One to twenty minutes a seed on one core; finished seeds are kept in data/runs, so a study goes on.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import mean

import torch
from torch import Tensor, nn

import edu_lib as edu
from edu_lib.data import Split
from edu_lib.deploy import container
from edu_lib.models import LeNet5Caffe, LeNet300100, TinyNet
from edu_lib.techniques.distillation import distillation_loss
from edu_lib.techniques.quantization import fold_batch_norm
from edu_lib.techniques.rate_distortion import Rated, RateDistortion
from edu_lib.weights import WEIGHTS_FOLDER
from studies import frame
from studies.network_files_data import CACHE, training_set

BATCH_SIZE, TEMPERATURE, ALPHA = 256, 4.0, 0.9
RAMP, FIRST_PRICE = 0.4, 0.05  # the price of a bit rises during this share of the training
ADAM = partial(torch.optim.Adam, fused=True)


@dataclass(frozen=True)
class Row:
    """A network to be weighed. price: loss per 10,000 bits. epochs: of nine versions of an image.

    versions: "shifted" or "distorted", as in `studies.network_files_data`.
    """

    result: str
    name: str
    build: Callable[[], nn.Module]
    price: float
    float_epochs: int = 1
    coded_epochs: int = 5
    lr: float = 3e-3
    step_share: float = 0.4
    versions: str = "shifted"
    channels_last: bool = False  # where that is faster
    precision: torch.dtype = torch.float32  # of the products


def small_caffe(first: int, second: int, hidden: int) -> LeNet5Caffe:
    """LeNet-5-Caffe with fewer channels."""
    model = LeNet5Caffe()
    model.conv1, model.conv2 = nn.Conv2d(1, first, 5), nn.Conv2d(first, second, 5)
    model.fc1, model.fc2 = nn.Linear(16 * second, hidden), nn.Linear(hidden, 10)
    return model


ROWS = {
    "caffe_small": Row(
        "lenet_caffe_file",
        "LeNet-5-Caffe, 6-14-40",
        partial(small_caffe, 6, 14, 40),
        price=1.3,
        coded_epochs=8,
        lr=8e-3,
    ),
    "caffe_large": Row(
        "lenet_caffe_file",
        "LeNet-5-Caffe, 8-20-64",
        partial(small_caffe, 8, 20, 64),
        price=0.5,
        coded_epochs=8,
        lr=6e-3,
    ),
    "lenet_300_100": Row("lenet_300_100_file", "LeNet-300-100", LeNet300100, 0.6, coded_epochs=2),
    "tiny": Row(
        "smallest_mnist_file",
        "TinyNet, 8-16-16",
        partial(TinyNet, batch_norm=True),
        price=1.85,
        float_epochs=2,
        coded_epochs=14,
        lr=8e-3,
        channels_last=True,
    ),
    "tiny_wide": Row(
        "smallest_mnist_file",
        "TinyNet, 16-32-48",
        partial(TinyNet, (16, 32, 48), batch_norm=True),
        price=0.2,
        lr=6e-3,
        channels_last=True,
    ),
    "tiny_widest": Row(
        "smallest_mnist_file",
        "TinyNet, 24-48-64",
        partial(TinyNet, (24, 48, 64), batch_norm=True),
        price=0.06,
        float_epochs=2,
        lr=4e-3,
        step_share=0.3,
        versions="distorted",
        channels_last=True,
        precision=torch.bfloat16,
    ),
}


def as_input(X: Tensor, y: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    return X.float() / 255, y


def distillation(logits: Tensor, y: dict[str, Tensor]) -> Tensor:
    """Mostly the teacher's answers, a little the labels."""
    return distillation_loss(logits, y["teacher"], y["labels"].long(), TEMPERATURE, ALPHA)


def train(
    model: nn.Module, loss: Callable, num_epochs: int, lr: float, seed: int, row: Row
) -> None:
    X, y = training_set(row.versions)
    edu.fit(
        model,
        X,
        y,
        num_epochs=num_epochs,
        batch_size=BATCH_SIZE,
        lr=lr,
        weight_decay=0.0,
        warmup=0.1,
        loss=loss,
        transform=as_input,
        optimizer=ADAM,
        channels_last=row.channels_last,
        precision=row.precision,
        seed=seed,
        device="cpu",
        progress=False,
    )


class PricedLoss:
    """Errors plus bits times a price that rises to `price`; each call in training is a step."""

    def __init__(self, price: float, num_steps: int):
        self.price, self.ramp_steps, self.step = price, RAMP * num_steps, 0

    def __call__(self, rated: Rated, y: dict[str, Tensor]) -> Tensor:
        self.step += 1
        price = self.price * min(1.0, FIRST_PRICE + self.step / self.ramp_steps)
        return distillation(rated.outputs, y) + price * rated.bits / 10_000


def without_norms(model: nn.Module) -> nn.Module:
    """The same network with its batch norms folded into the convolutions."""
    if not isinstance(model, TinyNet):
        return model
    folded = fold_batch_norm(model.eval(), torch.zeros(2, 1, 28, 28)).state_dict()
    plain = TinyNet([model.conv1.out_channels, model.conv2.out_channels, model.conv3.out_channels])
    plain.load_state_dict({name: folded[name] for name in plain.state_dict()})
    return plain


def run(row_name: str, seed: int) -> dict:
    """One seed of a row: its errors in percent, and its file."""
    torch.set_num_threads(1)
    row = ROWS[row_name]
    torch.manual_seed(seed)
    model = row.build()
    train(model, distillation, row.float_epochs, 2 * row.lr, seed, row)
    coded = RateDistortion(without_norms(model), row.step_share)
    num_steps = row.coded_epochs * -(-len(training_set(row.versions)[0]) // BATCH_SIZE)
    loss = PricedLoss(row.price, num_steps)
    train(coded, loss, row.coded_epochs, row.lr, seed, row)
    stored = {
        name: container.Levels(levels, step.detach())
        for name, (levels, step) in coded.levels().items()
    }
    content = container.dumps(edu.to_plain(coded).eval(), tensors=stored)
    loaded, data = container.loads(content), edu.mnist()
    return {
        "bytes": len(content),
        "float_validation_error": error(model, data.validation),
        "validation_error": error(loaded, data.validation),
        "error": error(loaded, data.test),
        "nonzero": {name: int(each.levels.count_nonzero()) for name, each in stored.items()},
        "files": {"30f": content},
    }


def error(model: nn.Module, split: Split) -> float:
    """Percent of the images that are misread."""
    return 100 - edu.evaluate(model, split.X, split.y).accuracy


def summary(row_name: str, runs: dict[str, dict]) -> dict:
    """A row of a result file; ships the file of the best seed by validation error."""
    row = ROWS[row_name]
    best = min(runs, key=lambda name: (runs[name]["validation_error"], runs[name]["bytes"]))
    file = WEIGHTS_FOLDER / f"{row_name}.30f"
    shutil.copyfile(CACHE / f"{best}.30f", file)
    errors = [run["error"] for run in runs.values()]
    return {
        "row": row_name,
        "name": row.name,
        "bytes": max(run["bytes"] for run in runs.values()),
        "bytes_mean": mean(run["bytes"] for run in runs.values()),
        "error_mean": mean(errors),
        "error_worst": max(errors),
        "errors": errors,
        "seeds": len(runs),
        "file": file.name,
        "file_bytes": file.stat().st_size,
        "file_error": runs[best]["error"],
        "price": row.price,
        "epochs": [row.float_epochs, row.coded_epochs],
        "lr": row.lr,
    }


def main() -> None:
    """The rows that are asked for, each written as soon as it is finished."""
    rows_asked = {"nargs": "*", "default": list(ROWS), "help": ", ".join(ROWS)}
    chosen = frame.options(__doc__, {"rows": rows_asked}, seeds=5, parallel=True)
    for row_name in chosen.rows:
        names = {
            f"{row_name}_{seed}": {"row_name": row_name, "seed": seed}
            for seed in range(chosen.seeds)
        }
        runs = frame.run_all(
            run, names, "network_files",
            again=chosen.again, workers=chosen.workers, scheduler=chosen.scheduler,
        )  # fmt: skip
        result = ROWS[row_name].result
        rows = {row["row"]: row for row in frame.stored_result(result).get("rows", [])}
        rows[row_name] = summary(row_name, runs)
        figures = {"rows": [rows[name] for name in ROWS if name in rows]}
        edu.save_result(result, figures, frame.command("network_files"))
        print(rows[row_name], flush=True)


if __name__ == "__main__":
    frame.start(main)
