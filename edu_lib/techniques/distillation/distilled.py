"""A student and its teacher as one module that can be trained, and its losses. Chapter 11."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from edu_lib.copies import copied
from edu_lib.techniques.distillation.features import (
    FeatureTap,
    attention_loss,
    hint_loss,
    hint_regressor,
)
from edu_lib.techniques.distillation.losses import (
    check_alpha,
    check_temperature,
    check_weight,
    cross_entropy,
    soft_target_loss,
)

Pair = tuple[Tensor, Tensor]
Output = Tensor | dict[str, Tensor]


@dataclass(frozen=True)
class DistillationOutput:
    """What student and teacher said to the same batch, and their features as pairs."""

    output: Output
    teacher_output: Output
    hints: list[Pair] = field(default_factory=list)
    attention: list[Pair] = field(default_factory=list)


# so that torch.export can follow a Distilled network in training mode, as channel pruning does
torch.export.register_dataclass(DistillationOutput)


class Distilled(nn.Module):
    """Answers with a `DistillationOutput` in training, with the student's output in evaluation.

    So a loss sees what the teacher says to the very batch, augmented or not, that the student saw,
    and evaluation sees a plain network. The student is trained in place: `distilled.student`, which
    is the module given. The teacher is copied, frozen and in evaluation mode; it is no part of
    `parameters()` or of the state that is saved.

    hints, attention: {layer of the student: layer of the teacher} whose features a loss wants. A
    hint between unequal shapes gets a regressor, drawn from `seed` and trained with the student;
    for this `example` is needed, some images as the networks take them.
    Raises ValueError for a layer that there is not, hints without example, or a student that
    cannot be trained so: a network of integers, one that `RateDistortion` wraps, another Distilled.
    """

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module,
        hints: Mapping[str, str] | None = None,
        attention: Mapping[str, str] | None = None,
        example: Tensor | None = None,
        seed: int = 0,
    ):
        super().__init__()
        _check_student(student)
        self.student = student
        frozen = copied(teacher).eval().requires_grad_(False)
        # a plain attribute: as a submodule it would be saved, optimised and put in training mode
        object.__setattr__(self, "teacher", frozen)
        self.hints, self.attention = dict(hints or {}), dict(attention or {})
        self.regressors = nn.ModuleList()
        self._check_layers()
        if self.hints:
            self._make_regressors(example, seed)

    def forward(self, X: Tensor) -> DistillationOutput | Output:
        if not self.training:
            return self.student(X)
        # copies: a network that works in place must not change what the other one sees
        output, own = run_tapped(self.student, X.clone(), [*self.hints, *self.attention])
        with torch.no_grad():
            teacher = self.teacher.to(X.device)
            layers = [*self.hints.values(), *self.attention.values()]
            teacher_output, other = run_tapped(teacher, X.clone(), layers)
        hints = [
            (regressor(own[layer]), other[hint])
            for regressor, (layer, hint) in zip(self.regressors, self.hints.items(), strict=True)
        ]
        attention = [(own[layer], other[seen]) for layer, seen in self.attention.items()]
        return DistillationOutput(output, teacher_output, hints, attention)

    def _check_layers(self) -> None:
        FeatureTap(self.student, [*self.hints, *self.attention]).remove()
        FeatureTap(self.teacher, [*self.hints.values(), *self.attention.values()]).remove()

    @torch.no_grad()
    def _make_regressors(self, example: Tensor | None, seed: int) -> None:
        if example is None:
            raise ValueError("hints need to know the features' shapes: give example=X[:1]")
        was_training = {module: module.training for module in self.student.modules()}
        self.student.eval()  # batch norm must not learn from the example
        _, own = run_tapped(self.student, example.clone(), self.hints)
        _, other = run_tapped(self.teacher, example.clone(), self.hints.values())
        for module, training in was_training.items():
            module.training = training
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for layer, hint in self.hints.items():
                self.regressors.append(hint_regressor(own[layer], other[hint]))


def _check_student(student: nn.Module) -> None:
    """Raises ValueError for a student that cannot be trained, or answers otherwise in training."""
    if isinstance(student, Distilled):
        raise ValueError("the student is Distilled already: give Distilled its model.student")
    if callable(getattr(student, "plain_layer", None)):
        raise ValueError(
            f"the student is a {type(student).__name__}, which is no plain network in training: "
            "edu_lib.to_plain(model) first"
        )
    if not any(parameter.requires_grad for parameter in student.parameters()):
        raise ValueError(
            "the student has no parameter that can be trained: edu_lib.to_plain(model) gives "
            "ordinary weights for integers, and model.requires_grad_(True) frees frozen ones"
        )


def run_tapped(model: nn.Module, X: Tensor, layers: Iterable[str]) -> tuple[Output, FeatureTap]:
    """(output of `model` for X, a tap that holds what the layers put out on the way)."""
    with FeatureTap(model, layers) as tap:
        return model(X), tap


def distillation_objective(
    temperature: float = 4.0,
    alpha: float = 0.9,
    *,
    hint_weight: float = 1.0,
    attention_weight: float = 1.0,
    soft_loss: Callable[[Output, Output], Tensor] | None = None,
    hard_loss: Callable[[Output, object], Tensor] | None = None,
) -> Callable[[DistillationOutput, object], Tensor]:
    """The loss with which a `Distilled` model is trained:

        alpha * soft + (1 - alpha) * hard + hint_weight * hints + attention_weight * attention

    soft is `soft_target_loss` at `temperature`, hard the cross-entropy with the labels; hints and
    attention are sums over the layers that the model was told, and 0 where it was told none.
    With alpha 1 no label is read. For a network that puts out something else than logits:
    soft_loss: (student's output, teacher's output) -> scalar, in place of the soft targets.
    hard_loss: (student's output, y) -> scalar, in place of the cross-entropy.
    Raises ValueError for a temperature not above 0, an alpha outside [0, 1] or a negative weight,
    and when called with the output of a model that is not `Distilled`.
    Source: Hinton et al. 2015, section 2. DistillationOutput in chapter 11.
    """
    check_temperature(temperature)
    check_alpha(alpha)
    check_weight(hint_weight, "hint_weight")
    check_weight(attention_weight, "attention_weight")

    def soft_targets(student: Tensor, teacher: Tensor) -> Tensor:
        return soft_target_loss(student, teacher, temperature)

    soft_loss, hard_loss = soft_loss or soft_targets, hard_loss or cross_entropy

    def loss(said: DistillationOutput, y: object) -> Tensor:
        check_output(said)
        parts = [hint_weight * hint_loss(*pair) for pair in said.hints]
        parts += [attention_weight * attention_loss(*pair) for pair in said.attention]
        if alpha > 0:
            parts.append(alpha * soft_loss(said.output, said.teacher_output))
        if alpha < 1:
            parts.append((1 - alpha) * hard_loss(said.output, y))
        return torch.stack(parts).sum()

    return loss


def hint_objective() -> Callable[[DistillationOutput, object], Tensor]:
    """The loss of a FitNet's first stage: hints alone, so that only what lies before them learns.

    The second stage is another training with `distillation_objective`. When it is called it raises
    ValueError for a model that is not `Distilled`, or was given no hints.
    Source: Romero et al. 2015, section 2.3. DistillationOutput in chapter 11.
    """

    def loss(said: DistillationOutput, y: object) -> Tensor:
        check_output(said)
        if not said.hints:
            raise ValueError("there are no hints: give Distilled hints={layer: teacher's layer}")
        return torch.stack([hint_loss(*pair) for pair in said.hints]).sum()

    return loss


def check_output(said: object) -> None:
    """Raises ValueError for anything but what a `Distilled` model puts out in training."""
    if not isinstance(said, DistillationOutput):
        raise ValueError(
            f"this loss needs what a Distilled model puts out in training, got a "
            f"{type(said).__name__}: train Distilled(student, teacher), not the student"
        )


def born_again(
    build: Callable[[], nn.Module],
    train: Callable[[nn.Module, nn.Module | None], None],
    num_generations: int,
    seed: int = 0,
) -> list[nn.Module]:
    """Trains a network, then a new one of the same kind with the first as its teacher, and so on.

    build: makes an untrained network. train(student, teacher): trains the student in place; the
    first has no teacher (None) and learns from labels. Generation i starts from weights drawn from
    seed + i. Returns the generations, the eldest first; `Ensemble(generations)` joins them.
    Raises ValueError if num_generations is below 1, or build hands out the same network twice.
    Source: Furlanello et al. 2018, "Born-Again Neural Networks", section 3.1. Taught in chapter 11.
    """
    if num_generations < 1:
        raise ValueError(f"num_generations must be at least 1, got {num_generations}")
    generations: list[nn.Module] = []
    for generation in range(num_generations):
        with torch.random.fork_rng():
            torch.manual_seed(seed + generation)
            student = build()
        if any(student is elder for elder in generations):
            raise ValueError("build must make a new network each time, it gave the same one again")
        train(student, generations[-1] if generations else None)
        generations.append(student)
    return generations


class Ensemble(nn.Module):
    """Several networks as one: the mean of what they put out.

    For logits that is, up to a constant, the logarithm of the geometric mean of the distributions.
    Networks that return a dict may have different tasks: each task is averaged over those that have
    it, so that one teacher a task becomes one teacher for all.
    Raises ValueError for no network.
    Source: Hinton et al. 2015, section 1 (an ensemble's soft targets). Taught in chapter 11.
    """

    def __init__(self, models: Iterable[nn.Module]):
        super().__init__()
        self.models = nn.ModuleList(models)
        if len(self.models) == 0:
            raise ValueError("an ensemble needs at least one network")

    def forward(self, X: Tensor) -> Tensor | dict[str, Tensor]:
        outputs = [model(X.clone()) for model in self.models]  # one may work in place
        if isinstance(outputs[0], Tensor):
            return torch.stack(outputs).mean(dim=0)
        tasks = {task: None for output in outputs for task in output}
        return {
            task: torch.stack([output[task] for output in outputs if task in output]).mean(dim=0)
            for task in tasks
        }
