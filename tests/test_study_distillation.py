"""The parts of the distillation study that can be wrong without a long training."""

import pytest
import torch

import edu_lib as edu
from studies import distillation_mnist as study
from studies.distillation_teachers import MAX_NORM, adam_with_max_norm, network


def test_no_unit_of_the_large_teacher_has_longer_weights_than_allowed():
    model = network(20, seed=0)
    with torch.no_grad():
        model[1].weight.mul_(100)
    short = model[4].weight.detach().norm(dim=1)
    optimizer = adam_with_max_norm(model.parameters(), lr=1e-4)
    model(torch.rand(8, 1, 28, 28)).square().mean().backward()
    optimizer.step()
    assert float(model[1].weight.norm(dim=1).max()) == pytest.approx(MAX_NORM, rel=1e-5)
    torch.testing.assert_close(model[4].weight.detach().norm(dim=1), short, atol=1e-3, rtol=0)


def test_the_networks_have_the_shapes_of_the_paper():
    linear = [layer for layer in network(1200, 0) if isinstance(layer, torch.nn.Linear)]
    assert [tuple(layer.weight.shape) for layer in linear] == [
        (1200, 784),
        (1200, 1200),
        (10, 1200),
    ]
    torch.testing.assert_close(network(30, 5)[1].weight, network(30, 5)[1].weight)


def test_errors_are_counted_over_all_digits_and_over_threes():
    class SaysThree(torch.nn.Module):
        def forward(self, X):
            return torch.eye(10)[3].repeat(len(X), 1)

    split = edu.mnist().validation
    threes = int((split.y == 3).sum())
    assert study.errors(SaysThree(), split) == {"errors": 5000 - threes, "threes_errors": 0}


def test_the_number_of_threes_in_the_test_set():
    assert int((edu.mnist().test.y == 3).sum()) == study.THREES


def test_summary_takes_means_over_seeds_and_the_gap():
    plain = [{"errors": each, "threes_errors": 3} for each in (100, 140)]
    better = [{"errors": each, "threes_errors": 3} for each in (60, 80)]
    corrected = {"corrected_errors": 90, "corrected_threes_errors": 10, "shifts": [2.0, 1.0]}
    kinds = {"no_threes": better, "sevens_eights": plain}
    runs = {kind: [each | corrected for each in rows] for kind, rows in kinds.items()}
    runs |= {"student": plain, "distilled": better}
    figures = study.summary(runs, {"teacher_errors": 50})
    assert (figures["student_errors"], figures["distilled_errors"]) == (120, 70)
    assert figures["share_of_gap_closed"] == pytest.approx(100 * 50 / 70)
    assert figures["no_threes_corrected_errors"] == 90
    assert "shifted_errors" not in figures
    shifted = study.summary(runs | {"shifted": better}, {"teacher_errors": 50})
    assert shifted["shifted_errors"] == 70


def test_both_kinds_of_student_take_as_many_steps():
    """Or the teacher would get the credit for a longer training."""
    images = len(edu.mnist().fit)
    steps = [
        recipe["num_epochs"] * (images // recipe["batch_size"])
        for recipe in (study.STUDENT, study.DISTILLED)
    ]
    assert steps[0] == steps[1]


def test_one_kind_anew_leaves_the_other_rows_as_they_are(monkeypatch):
    stored, saved = edu.load_result(study.NAME), {}
    again = [{"errors": each, "threes_errors": 3} for each in (130, 140)]
    monkeypatch.setattr(study, "runs_of", lambda kind, seeds, split, again_: again)
    monkeypatch.setattr(edu, "save_result", lambda name, figures, command: saved.update(figures))
    study.with_one_kind("student", range(2), False)
    assert (saved["student_errors"], saved["seeds"]) == (135, 2)
    for key in ("teacher_errors", "distilled_errors", "narrow", "shifted_errors"):
        assert saved[key] == stored[key], key
