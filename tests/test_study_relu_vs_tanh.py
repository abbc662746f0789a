"""The race of activations: the search for a learning rate goes on until the best lies inside."""

import math

import pytest

from studies import relu_vs_tanh


def races(best: float):
    """A stand-in for the runs: the nearer the rate is to `best`, the fewer epochs."""

    def run_all(function, runs, study, **options):
        return {
            name: {"errors": [90.0] * round(9 + 4 * abs(math.log(one["lr"] / best))) + [10.0]}
            for name, one in runs.items()
        }

    return run_all


@pytest.mark.parametrize("best", [0.001, 0.01, 0.1, 1.0])
def test_the_best_learning_rate_has_a_worse_one_on_either_side(monkeypatch, best):
    monkeypatch.setattr(relu_vs_tanh.frame, "run_all", races(best))
    found = relu_vs_tanh.races_of("today", 3, "relu", again=False)
    assert found["lr"] == best
    assert min(found["rates"]) < best < max(found["rates"])
    assert found["reached"] == len(relu_vs_tanh.SEEDS)


def test_the_search_ends_where_the_list_of_rates_ends(monkeypatch):
    monkeypatch.setattr(relu_vs_tanh.frame, "run_all", races(1e-9))
    found = relu_vs_tanh.races_of("today", 3, "relu", again=False)
    assert found["lr"] == min(relu_vs_tanh.RATES)
    assert found["rates"] == sorted(set(found["rates"])), "no rate is tried twice"


def test_a_mean_needs_every_seed_at_the_target():
    arrived, lost = [60.0, 30.0, 10.0], [60.0, 30.0, 25.0]
    whole = relu_vs_tanh.figures_of([arrived, arrived])
    assert (whole["mean_epochs"], whole["sd_epochs"]) == (2.5, 0)
    part = relu_vs_tanh.figures_of([arrived, lost])
    assert part["reached"] == 1
    assert part["mean_epochs"] is None
