"""What a small network learns from a large one's soft answers: Hinton's MNIST experiment.

    python3 -m studies.distillation_mnist [--seeds N] [--validate KIND] [--only KIND]

After Hinton, Vinyals, Dean 2015, section 3. A student 784-800-800-10 without dropout, distortion or
limits learns from labels alone, then from its teachers' soft targets alone (T = 20, the plain
training images). Then the transfer set loses all threes, or all but sevens and eights; the biases
of the classes are corrected afterwards from their frequencies in the training set, on training
images whose labels nobody reads. Beside the paper's rows stand two of our own: a transfer set of
shifted images too, and narrow students at several temperatures.

Everything was chosen on the validation images with a seed that is not among those measured. All
networks learn from the other 55,000; the test set is read once a network. The teachers are those of
`studies.distillation_teachers`: where the paper has one network, here are two. Takes about 40
minutes on one core; finished runs are kept in data/runs, so a study goes on.
"""

from collections.abc import Iterable
from functools import cache, partial
from statistics import mean

import torch
from torch import Tensor, nn

import edu_lib as edu
from edu_lib.data import Split
from edu_lib.techniques.distillation import correct_bias, soft_target_loss
from studies import frame
from studies.distillation_teachers import (
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

NAME = "distillation_mnist"
TEMPERATURE = 20.0
# as many steps as DISTILLED, or the teacher would get the credit for a longer training
STUDENT = {"num_epochs": 40, "batch_size": 128, "lr": 1e-3, "weight_decay": 0.0}
DISTILLED = {"num_epochs": 40, "batch_size": 128, "lr": 3e-3, "weight_decay": 0.0}
NARROW = {"num_epochs": 8, "batch_size": 256, "lr": 5e-3, "weight_decay": 0.0}
SHIFTED_COPIES = 4
THREES = 1010  # in the test set
TEMPERATURES = (1.0, 2.5, 4.0, 8.0, 20.0)
TEACHER_ERRORS = ("teacher_errors", "large_teacher_errors", "lenet_teacher_errors")
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
        fit(model, data.fit.X, data.fit.y, recipe, seed, precision=torch.float32)
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


def judged(kind: str, seed: int, split: str, temperature: float) -> dict:
    """`run`, judged on the split of that name."""
    return run(kind, seed, getattr(edu.mnist(), split), temperature)


def runs_of(
    kind: str, seeds: Iterable[int], split: str, again: bool, temperature: float = TEMPERATURE
) -> list[dict]:
    """The figures of one kind of student, seed by seed."""
    names = {
        f"{kind}_T{temperature:g}_seed{seed}_{split}": {
            "kind": kind, "seed": seed, "split": split, "temperature": temperature,
        }
        for seed in seeds
    }  # fmt: skip
    return list(frame.run_all(judged, names, NAME, again=again).values())


def teacher_errors() -> dict[str, int]:
    """Errors on the test set of both teachers, and of the two together."""
    test = edu.mnist().test
    models = (teacher(), large_teacher(), lenet_teacher())
    return {
        name: errors(model, test)["errors"]
        for name, model in zip(TEACHER_ERRORS, models, strict=True)
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


def narrow_sweep(seeds: range, again: bool) -> dict:
    """30 hidden units a layer: mean test errors from labels (temperature 0), and for each T."""
    means = {}
    for temperature in (0.0, *TEMPERATURES):
        runs = runs_of("narrow", seeds, "test", again, temperature)
        means[f"{temperature:g}"] = mean(each["errors"] for each in runs)
    return {"hidden_units": 30, "recipe": NARROW, "errors": means}


def with_one_kind(kind: str, seeds: range, again: bool) -> None:
    """The result file with one kind of student trained anew, and all other rows as they stand."""
    stored = edu.load_result(NAME)
    runs = stored["runs"] | {kind: runs_of(kind, seeds, "test", again)}
    kept = {key: stored[key] for key in (*TEACHER_ERRORS, "narrow")}
    edu.save_result(NAME, kept | summary(runs, kept), frame.command(NAME))


def main() -> None:
    """One run on the validation images, or all seeds and the result file, row by row."""
    ways = {
        "--validate": {"choices": KINDS, "help": "one run on the validation images"},
        "--only": {"choices": KINDS, "help": "this kind anew, the other rows as they are"},
    }
    chosen = frame.options(__doc__, ways, seeds=5)
    if chosen.validate:
        runs_of(chosen.validate, [100], "validation", chosen.again)
        return
    if chosen.only:
        with_one_kind(chosen.only, range(chosen.seeds), chosen.again)
        return
    seeds, runs = range(chosen.seeds), {}
    for kind in KINDS[:-1]:
        runs[kind] = runs_of(kind, seeds, "test", chosen.again)
    narrow = {"narrow": narrow_sweep(seeds, chosen.again)}
    edu.save_result(NAME, summary(runs, teacher_errors()) | narrow, frame.command(NAME))
    runs[KINDS[-1]] = runs_of(KINDS[-1], seeds, "test", chosen.again)
    edu.save_result(NAME, summary(runs, teacher_errors()) | narrow, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
