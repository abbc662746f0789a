"""What a small network learns from a large one's soft answers: Hinton's MNIST experiment.

    python3 -m studies.distillation_mnist [--seeds N] [--validate KIND]

After Hinton, Vinyals, Dean 2015, section 3. A student 784-800-800-10 without dropout, distortion or
limits learns from labels alone, then from its teachers' soft targets alone (T = 20, the plain
training images). Then the transfer set loses all threes, or all but sevens and eights; the biases
of the classes are corrected afterwards from their frequencies in the training set, on training
images whose labels nobody reads. Beside the paper's rows stand two of our own: a transfer set of
shifted images too, and narrow students at several temperatures.

Everything was chosen on the validation images with a seed that is not among those measured. All
networks learn from the other 55,000; the test set is read once a network. The teachers are those of
`studies.distillation_teachers`: where the paper has one network, here are two. Takes about 40
minutes on one core; finished runs are kept in data/cache, so a study goes on.
"""

import argparse
import json
from functools import cache, partial
from statistics import mean

import torch
from torch import Tensor, nn

import edu_lib as edu
from edu_lib.data import Split
from edu_lib.measure.results import write_json
from edu_lib.techniques.distillation import correct_bias, soft_target_loss
from studies.distillation_teachers import (
    CACHE,
    DROPOUT,
    LARGE,
    LARGE_DISTORTION,
    LENET,
    LENET_DISTORTION,
    fit,
    large_teacher,
    lenet_teacher,
    network,
    teacher,
)

COMMAND = "python3 -m studies.distillation_mnist"
NAME = "distillation_mnist"
TEMPERATURE = 20.0
STUDENT = {"num_epochs": 6, "batch_size": 512, "lr": 1.5e-3, "weight_decay": 0.0}
DISTILLED = {"num_epochs": 40, "batch_size": 128, "lr": 3e-3, "weight_decay": 0.0}
NARROW = {"num_epochs": 8, "batch_size": 256, "lr": 5e-3, "weight_decay": 0.0}
SHIFTED_COPIES = 4
THREES = 1010  # in the test set
TEMPERATURES = (1.0, 2.5, 4.0, 8.0, 20.0)
# in the order in which they run: the paper's rows first, our own last
KINDS = ("distilled", "student", "no_threes", "sevens_eights", "shifted")


@torch.no_grad()
def soft_answers(X: Tensor) -> Tensor:
    """The teachers' mean logits [N, 10]."""
    model = teacher()
    return torch.cat([model(batch) for batch in X.split(1000)])


@cache
def transfer_set(kind: str) -> tuple[Tensor, Tensor]:
    """(images, the teachers' logits) from which the students of a kind learn."""
    split = edu.mnist().fit
    if kind == "no_threes":
        split = split.subset((split.y != 3).nonzero().flatten())
    if kind == "sevens_eights":
        split = split.subset(((split.y == 7) | (split.y == 8)).nonzero().flatten())
    return split.X, soft_answers(split.X)


@cache
def shifted_set() -> tuple[Tensor, Tensor]:
    """The plain images, then copies shifted by up to two pixels; the teachers' logits of each."""
    X = edu.mnist().fit.X
    torch.manual_seed(0)
    images = torch.cat([X, *(edu.random_shift(X) for _ in range(SHIFTED_COPIES - 1))])
    return images, soft_answers(images)


def learn_from_teacher(model: nn.Module, kind: str, seed: int, temperature: float) -> None:
    """Soft targets alone, no label. As many steps for every full transfer set."""
    recipe = NARROW if kind == "narrow" else DISTILLED
    X, logits = shifted_set() if kind == "shifted" else transfer_set(kind)
    if kind == "shifted":
        recipe = recipe | {"num_epochs": recipe["num_epochs"] // SHIFTED_COPIES}
    if kind == "sevens_eights":
        recipe = recipe | {"num_epochs": 2 * recipe["num_epochs"]}
    fit(model, X, logits, recipe, seed, loss=partial(soft_target_loss, temperature=temperature))


def run(kind: str, seed: int, split: Split, temperature: float = TEMPERATURE) -> dict:
    """One student: its errors on `split`, those on threes too, and after a correction."""
    model = network(30 if kind == "narrow" else 800, 1 + seed)
    data = edu.mnist()
    if kind == "student" or temperature == 0:
        recipe = NARROW if kind == "narrow" else STUDENT
        fit(model, data.fit.X, data.fit.y, recipe, seed)
    else:
        learn_from_teacher(model, kind, seed, temperature)
    figures = errors(model, split)
    corrected = {"no_threes": (3,), "sevens_eights": (7, 8)}.get(kind)
    if corrected:
        frequencies = data.fit.y.bincount()
        fixed = correct_bias(model, data.fit.X, frequencies, corrected)
        figures |= {f"corrected_{key}": value for key, value in errors(fixed, split).items()}
        figures["shifts"] = [float(fixed.shifts[digit]) for digit in corrected]
    return figures


@torch.no_grad()
def errors(model: nn.Module, split: Split) -> dict[str, int]:
    """Wrong answers: all of them, and those to threes."""
    model.eval()
    wrong = torch.cat([model(batch) for batch in split.X.split(1000)]).argmax(dim=1) != split.y
    return {"errors": int(wrong.sum()), "threes_errors": int(wrong[split.y == 3].sum())}


def cached(kind: str, seed: int, split_name: str, temperature: float = TEMPERATURE) -> dict:
    """The figures of one run, from the cache if it holds them."""
    recipes = "_".join(f"{v:g}" for r in (LARGE, LENET, recipe_of(kind)) for v in r.values())
    path = CACHE / f"{kind}_T{temperature:g}_seed{seed}_{split_name}_{recipes}.json"
    if not path.exists():
        write_json(path, run(kind, seed, getattr(edu.mnist(), split_name), temperature))
    figures = json.loads(path.read_text())
    print(f"{kind} T {temperature:g} seed {seed} {split_name}: {figures}", flush=True)
    return figures


def recipe_of(kind: str) -> dict:
    """The recipe of a kind of student."""
    return {"student": STUDENT, "narrow": NARROW}.get(kind, DISTILLED)


def teacher_errors() -> dict[str, int]:
    """Errors on the test set of both teachers, and of the two together."""
    test = edu.mnist().test
    return {
        "teacher_errors": errors(teacher(), test)["errors"],
        "large_teacher_errors": errors(large_teacher(), test)["errors"],
        "lenet_teacher_errors": errors(lenet_teacher(), test)["errors"],
    }


def summary(runs: dict[str, list[dict]], teachers: dict[str, int]) -> dict:
    """Means over the seeds, and the figures of each seed."""

    def average(kind: str, key: str = "errors") -> float:
        return mean(each[key] for each in runs[kind])

    closed = average("student") - average("distilled")
    figures = teachers | {
        "seeds": len(runs["student"]),
        "student_errors": average("student"),
        "distilled_errors": average("distilled"),
        "distilled_worst": max(each["errors"] for each in runs["distilled"]),
        "share_of_gap_closed": 100 * closed / (average("student") - teachers["teacher_errors"]),
        "no_threes_errors": average("no_threes"),
        "no_threes_on_threes": average("no_threes", "threes_errors"),
        "no_threes_corrected_errors": average("no_threes", "corrected_errors"),
        "no_threes_corrected_on_threes": average("no_threes", "corrected_threes_errors"),
        "no_threes_shift": mean(each["shifts"][0] for each in runs["no_threes"]),
        "threes_in_test_set": THREES,
        "sevens_eights_errors": average("sevens_eights"),
        "sevens_eights_corrected_errors": average("sevens_eights", "corrected_errors"),
        "temperature": TEMPERATURE,
        "recipes": {
            "large_teacher": LARGE | {"dropout": DROPOUT} | LARGE_DISTORTION,
            "lenet_teacher": LENET | LENET_DISTORTION,
            "student": STUDENT,
            "distilled": DISTILLED,
        },
        "runs": runs,
    }
    if "shifted" in runs:
        figures["shifted_errors"] = average("shifted")
    return figures


def narrow_sweep(seeds: int) -> dict:
    """30 hidden units a layer: mean test errors from labels (temperature 0), and for each T."""
    means = {}
    for temperature in (0.0, *TEMPERATURES):
        runs = [cached("narrow", seed, "test", temperature) for seed in range(seeds)]
        means[f"{temperature:g}"] = mean(each["errors"] for each in runs)
    return {"hidden_units": 30, "recipe": NARROW, "errors": means}


def main() -> None:
    """One run on the validation images, or all seeds and the result file, row by row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--validate", choices=KINDS, help="one run on the validation images")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.validate:
        cached(arguments.validate, 100, "validation")
        return
    seeds, runs = range(arguments.seeds), {}
    for kind in KINDS[:-1]:
        runs[kind] = [cached(kind, seed, "test") for seed in seeds]
    narrow = {"narrow": narrow_sweep(arguments.seeds)}
    edu.save_result(NAME, summary(runs, teacher_errors()) | narrow, COMMAND)
    runs[KINDS[-1]] = [cached(KINDS[-1], seed, "test") for seed in seeds]
    edu.save_result(NAME, summary(runs, teacher_errors()) | narrow, COMMAND)


if __name__ == "__main__":
    main()
