"""A student and its teacher as one module that can be trained. Taught in chapter 11."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from edu_lib.techniques.distillation.feature_tap import FeatureTap
from edu_lib.techniques.distillation.hints import hint_regressor

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Taught:
    """What student and teacher said to the same batch, and their features as pairs."""

    output: Tensor | dict[str, Tensor]
    teacher_output: Tensor | dict[str, Tensor]
    hints: list[Pair] = field(default_factory=list)
    attention: list[Pair] = field(default_factory=list)


class Distilled(nn.Module):
    """In training it answers with a `Taught`, in evaluation with the student's output alone.

    So a loss sees what the teacher says to the very batch, augmented or not, that the student saw,
    and evaluation sees a plain network. The student is trained in place: `distilled.student`, which
    is the module given. The teacher is copied, frozen and in evaluation mode; it is no part of
    `parameters()` or of the state that is saved.

    hints, attention: {layer of the student: layer of the teacher} whose features a loss wants. A
    hint between unequal shapes gets a regressor, drawn from `seed` and trained with the student;
    for this `example` is needed, some images as the networks take them.
    Raises ValueError for a layer that there is not, or hints without example.
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
        self.student = student
        frozen = copy.deepcopy(teacher).eval().requires_grad_(False)
        # a plain attribute: as a submodule it would be saved, optimised and put in training mode
        object.__setattr__(self, "teacher", frozen)
        self.hints, self.attention = dict(hints or {}), dict(attention or {})
        self.regressors = nn.ModuleList()
        self._check_layers()
        if self.hints:
            self._make_regressors(example, seed)

    def forward(self, X: Tensor) -> Taught | Tensor | dict[str, Tensor]:
        if not self.training:
            return self.student(X)
        output, own = run_tapped(self.student, X, [*self.hints, *self.attention])
        with torch.no_grad():
            teacher = self.teacher.to(X.device)
            layers = [*self.hints.values(), *self.attention.values()]
            teacher_output, other = run_tapped(teacher, X, layers)
        hints = [
            (regressor(own[layer]), other[hint])
            for regressor, (layer, hint) in zip(self.regressors, self.hints.items(), strict=True)
        ]
        attention = [(own[layer], other[seen]) for layer, seen in self.attention.items()]
        return Taught(output, teacher_output, hints, attention)

    def _check_layers(self) -> None:
        FeatureTap(self.student, [*self.hints, *self.attention]).remove()
        FeatureTap(self.teacher, [*self.hints.values(), *self.attention.values()]).remove()

    @torch.no_grad()
    def _make_regressors(self, example: Tensor | None, seed: int) -> None:
        if example is None:
            raise ValueError("hints need to know the features' shapes: give example=X[:1]")
        was_training = {module: module.training for module in self.student.modules()}
        self.student.eval()  # batch norm must not learn from the example
        _, own = run_tapped(self.student, example, self.hints)
        _, other = run_tapped(self.teacher, example, self.hints.values())
        for module, training in was_training.items():
            module.training = training
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for layer, hint in self.hints.items():
                self.regressors.append(hint_regressor(own[layer], other[hint]))


def run_tapped(
    model: nn.Module, X: Tensor, layers: Iterable[str]
) -> tuple[Tensor | dict[str, Tensor], FeatureTap]:
    """(output of `model` for X, a tap that holds what the layers put out on the way)."""
    with FeatureTap(model, layers) as tap:
        return model(X), tap
