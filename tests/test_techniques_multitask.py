"""Multi-task methods against hand formulas, finite differences and plain NumPy."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from edu_lib.techniques.multitask import (
    UncertaintyWeighting,
    gradient_conflict,
    pcgrad,
    pcgrad_backward,
    search_weights,
    weighted_sum,
)
from edu_lib.techniques.multitask.gradients import project_conflicts

TASKS = ["segmentation", "depth", "ego"]


def constant_losses(*values):
    return {task: torch.tensor(value) for task, value in zip(TASKS, values, strict=False)}


def linear_losses(gradients):
    """Parameters of shapes [2, 3] and [4], and losses whose gradients are the rows [T, 10]."""
    theta = [nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.zeros(4))]
    flat = torch.cat([parameter.flatten() for parameter in theta])
    losses = {f"task{i}": flat @ torch.from_numpy(g).float() for i, g in enumerate(gradients)}
    return losses, theta


def as_vector(gradients):
    return torch.cat([gradient.flatten() for gradient in gradients]).numpy()


def numpy_pcgrad(gradients, orders):
    """Yu et al. 2020, algorithm 1; orders[i] lists the tasks that task i is projected against."""
    total = np.zeros(gradients.shape[1])
    for i, order in enumerate(orders):
        g = gradients[i].copy()
        for j in order:
            dot = np.dot(g, gradients[j])
            if dot < 0:
                g = g - dot / np.dot(gradients[j], gradients[j]) * gradients[j]
        total += g
    return total


def all_numpy_pcgrads(gradients):
    others = [[j for j in range(len(gradients)) if j != i] for i in range(len(gradients))]
    orders = itertools.product(*(list(itertools.permutations(each)) for each in others))
    return [numpy_pcgrad(gradients, order) for order in orders]


class TwoHeads(nn.Module):
    """A shared layer and two heads."""

    def __init__(self):
        super().__init__()
        self.shared, self.depth, self.ego = nn.Linear(3, 4), nn.Linear(4, 1), nn.Linear(4, 1)

    def losses(self, X):
        features = torch.tanh(self.shared(X))
        return {"depth": self.depth(features).square().mean(), "ego": self.ego(features).mean()}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return TwoHeads(), torch.randn(5, 3)


# Fixed weights


def test_weighted_sum_is_the_sum_and_its_gradient_the_weighted_gradient():
    p = nn.Parameter(torch.tensor(3.0))
    total = weighted_sum({"depth": p**2, "ego": 5 * p}, {"ego": 2, "depth": 0.5})
    assert total.item() == pytest.approx(0.5 * 9 + 2 * 15)
    total.backward()
    assert p.grad.item() == pytest.approx(0.5 * 6 + 2 * 5)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"segmentation": 1.0}, r"missing \['depth'\]"),
        ({"segmentation": 1.0, "depth": 1.0, "lanes": 1.0}, r"unknown \['lanes'\]"),
        ({"segmentation": 1.0, "depth": -0.1}, "'depth' must be 0 or more"),
        ({"segmentation": 1.0, "depth": math.nan}, "'depth' must be 0 or more and finite"),
        ({"segmentation": 0.0, "depth": 0.0}, "all task weights are 0"),
    ],
)
def test_weighted_sum_refuses_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        weighted_sum(constant_losses(1.0, 2.0), weights)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ({}, "at least one task"),
        ({"depth": torch.ones(2)}, r"'depth' must be a scalar tensor, got \[2\]"),
        ({"depth": 1.0}, "'depth' must be a scalar tensor, got float"),
    ],
)
def test_losses_must_be_scalar_tensors(losses, message):
    with pytest.raises(ValueError, match=message):
        weighted_sum(losses, dict.fromkeys(losses, 1.0))


def test_the_grid_of_three_tasks_has_25_distinct_points_and_equal_weights_among_them():
    grid = search_weights(TASKS, 25, seed=0)
    values = [10**exponent for exponent in (-1, -0.5, 0, 0.5, 1)]
    found = sorted((point["depth"], point["ego"]) for point in grid)
    np.testing.assert_allclose(found, sorted(itertools.product(values, values)))
    assert all(point["segmentation"] == 1 and list(point) == TASKS for point in grid)


def test_the_grid_is_the_same_for_a_seed_and_only_the_order_changes_with_it():
    first, again, other = (search_weights(TASKS, 25, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert sorted(map(str, first)) == sorted(map(str, other))


def test_the_grid_takes_any_number_of_tasks_and_any_range():
    two = search_weights(["a", "b"], 3, seed=0, smallest=1.0, largest=4.0)
    assert sorted(point["b"] for point in two) == pytest.approx([1, 2, 4])
    four = search_weights(["a", "b", "c", "d"], 27, seed=0)
    assert len({tuple(point.values()) for point in four}) == 27


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TASKS, 24, 0), r"k \*\* 2 with k of at least 2 \(4, 9, 16, 25, ...\), got 24"),
        ((TASKS, 1, 0), "got 1"),
        ((TASKS, -4, 0), "got -4"),
        ((["depth"], 5, 0), "at least 2"),
        ((["depth", "depth"], 5, 0), "named once"),
        (("depth", 5, 0), "the string 'depth'"),
        ((TASKS, 25, 0, 0.0, 1.0), "0 < smallest < largest"),
    ],
)
def test_the_grid_refuses_what_it_cannot_lay_out(arguments, message):
    with pytest.raises(ValueError, match=message):
        search_weights(*arguments)


# Uncertainty weighting


def test_uncertainty_weighting_follows_the_paper_in_sigma():
    weighting = UncertaintyWeighting(TASKS, regression_tasks=["depth", "ego"])
    sigma = np.array([0.5, 2.0, 1.5])
    with torch.no_grad():
        weighting.log_variances.copy_(torch.from_numpy(np.log(sigma**2)))
    L = np.array([0.7, 4.0, 0.2])
    # Classification L / sigma^2 + log sigma, regression L / (2 sigma^2) + log sigma
    divisor = np.array([1, 2, 2]) * sigma**2
    assert weighting(constant_losses(*L)).item() == pytest.approx(
        np.sum(L / divisor + np.log(sigma))
    )
    assert weighting.weights() == pytest.approx(dict(zip(TASKS, 1 / divisor, strict=True)))


def test_the_regression_form_is_the_likelihood_of_a_gaussian():
    residuals = torch.tensor([0.3, -1.2, 2.0, 0.1], dtype=torch.float64)
    weighting = UncertaintyWeighting(["depth"], ["depth"]).double()
    with torch.no_grad():
        weighting.log_variances.fill_(0.8)
    likelihood = torch.distributions.Normal(0, math.exp(0.4)).log_prob(residuals).mean()
    total = weighting({"depth": residuals.square().mean()})
    assert total.item() == pytest.approx(-likelihood.item() - 0.5 * math.log(2 * math.pi))


def test_gradients_of_uncertainty_weighting_equal_finite_differences():
    weighting = UncertaintyWeighting(TASKS, ["ego"]).double()
    L = torch.tensor([0.7, 4.0, 0.2], dtype=torch.float64, requires_grad=True)

    def total(s, L):
        losses = dict(zip(TASKS, L, strict=True))
        return torch.func.functional_call(weighting, {"log_variances": s}, (losses,))

    s = torch.tensor([0.1, -0.6, 1.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(total, (s, L))


def test_training_the_log_variances_finds_the_minimum_of_a_numeric_search():
    L = [0.7, 4.0, 0.2]
    weighting = UncertaintyWeighting(TASKS, regression_tasks=["depth"])
    optimizer = torch.optim.SGD(weighting.parameters(), lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        weighting(constant_losses(*L)).backward()
        optimizer.step()
    s = np.linspace(-4, 4, 80001)
    divisors = (1, 2, 1)
    searched = [
        s[np.argmin(np.exp(-s) * value / divisor + s / 2)]
        for value, divisor in zip(L, divisors, strict=True)
    ]
    np.testing.assert_allclose(weighting.log_variances.detach(), searched, atol=1e-3)
    # The closed form that the docstring promises: weight = 1 / (2 L) in both forms
    for task, value in zip(TASKS, L, strict=True):
        assert weighting.weights()[task] == pytest.approx(1 / (2 * value), rel=1e-3)


def test_uncertainty_weighting_starts_at_one_and_one_half_and_survives_saving():
    weighting = UncertaintyWeighting(TASKS, ["ego"])
    assert weighting.weights() == {"segmentation": 1.0, "depth": 1.0, "ego": 0.5}
    with torch.no_grad():
        weighting.log_variances.copy_(torch.tensor([1.0, 2.0, 3.0]))
    fresh = UncertaintyWeighting(TASKS, ["ego"])
    fresh.load_state_dict(weighting.state_dict())
    assert fresh.weights() == weighting.weights()


def test_uncertainty_weighting_names_the_wrong_task():
    with pytest.raises(ValueError, match=r"\['lanes'\], which are not in"):
        UncertaintyWeighting(TASKS, ["lanes"])
    with pytest.raises(ValueError, match="named once"):
        UncertaintyWeighting(["ego", "ego"])
    with pytest.raises(ValueError, match=r"missing \['ego'\]"):
        UncertaintyWeighting(TASKS)(constant_losses(1.0, 2.0))


# Gradient surgery


@pytest.mark.parametrize("seed", range(20))
def test_pcgrad_of_two_tasks_equals_numpy(seed):
    gradients = np.random.default_rng(seed).normal(size=(2, 10))
    losses, theta = linear_losses(gradients)
    ours = pcgrad(losses, theta)
    assert [g.shape for g in ours] == [p.shape for p in theta]
    expected = numpy_pcgrad(gradients, [[1], [0]])
    np.testing.assert_allclose(as_vector(ours), expected, rtol=1e-4, atol=1e-5)


def test_pcgrad_of_three_tasks_is_one_of_numpys_orders_and_every_order_of_a_task_comes_up():
    gradients = np.random.default_rng(3).normal(size=(3, 10))
    gradients -= 0.9 * gradients.mean(0)  # three tasks that pull against each other
    losses, theta = linear_losses(gradients)
    candidates = np.array(all_numpy_pcgrads(gradients))
    distances = np.linalg.norm(candidates[:, None] - candidates[None], axis=2)
    assert distances[~np.eye(8, dtype=bool)].min() > 1e-3, "the orders must be told apart"
    met = set()
    for seed in range(100):
        ours = as_vector(pcgrad(losses, theta, torch.Generator().manual_seed(seed)))
        errors = np.linalg.norm(candidates - ours, axis=1)
        assert errors.min() < 1e-4
        met.add(int(errors.argmin()))
    assert met == set(range(8))


def test_pcgrad_repeats_itself_for_a_seed():
    gradients = np.random.default_rng(3).normal(size=(3, 10))
    gradients -= 0.9 * gradients.mean(0)
    losses, theta = linear_losses(gradients)
    first, again = (pcgrad(losses, theta, torch.Generator().manual_seed(7)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_without_conflict_pcgrad_is_the_plain_sum():
    gradients = np.abs(np.random.default_rng(0).normal(size=(3, 10)))
    losses, theta = linear_losses(gradients)
    np.testing.assert_allclose(as_vector(pcgrad(losses, theta)), gradients.sum(0), rtol=1e-5)


def test_two_opposed_tasks_no_longer_hurt_each_other():
    gradients = np.array([[1.0, 0.2] + [0.0] * 8, [-1.0, 0.5] + [0.0] * 8])
    losses, theta = linear_losses(gradients)
    surgery = as_vector(pcgrad(losses, theta))
    left = [g.numpy() for g in project_conflicts([torch.from_numpy(g) for g in gradients])]
    assert left[0] @ gradients[1] == pytest.approx(0, abs=1e-12)
    assert left[1] @ gradients[0] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(surgery, left[0] + left[1], atol=1e-6)
    assert gradients.sum(0) @ gradients[0] < surgery @ gradients[0]


def test_exactly_opposed_and_zero_gradients_leave_no_nan():
    g = np.random.default_rng(0).normal(size=10)
    losses, theta = linear_losses(np.stack([g, -g]))
    np.testing.assert_allclose(as_vector(pcgrad(losses, theta)), np.zeros(10), atol=1e-6)
    losses, theta = linear_losses(np.stack([g, 0 * g]))
    np.testing.assert_allclose(as_vector(pcgrad(losses, theta)), g, rtol=1e-5)


def test_heads_keep_their_own_gradient_and_only_the_shared_layer_is_operated_on(network):
    model, X = network
    losses = model.losses(X)
    names, parameters = zip(*model.named_parameters(), strict=True)
    ours = dict(zip(names, pcgrad(losses, parameters), strict=True))
    heads = {name: p for name, p in model.named_parameters() if not name.startswith("shared")}
    plain = torch.autograd.grad(sum(losses.values()), list(heads.values()), retain_graph=True)
    for name, gradient in zip(heads, plain, strict=True):
        torch.testing.assert_close(ours[name], gradient)
    alone = pcgrad(losses, model.shared.parameters())
    torch.testing.assert_close([ours["shared.weight"], ours["shared.bias"]], alone)
    gradients = np.array(
        [
            as_vector(torch.autograd.grad(loss, model.shared.parameters(), retain_graph=True))
            for loss in losses.values()
        ]
    )
    np.testing.assert_allclose(
        as_vector(alone), numpy_pcgrad(gradients, [[1], [0]]), rtol=1e-4, atol=1e-6
    )


def test_pcgrad_backward_replaces_grad_and_the_optimiser_can_step(network):
    model, X = network
    unused = nn.Parameter(torch.ones(2))
    parameters = [*model.parameters(), unused]
    losses = model.losses(X)
    expected = pcgrad(losses, parameters)
    for _ in range(2):  # a second call replaces: nothing is added up
        pcgrad_backward(losses, parameters)
    assert unused.grad is None
    torch.testing.assert_close([p.grad for p in parameters[:-1]], expected[:-1])
    torch.optim.SGD(parameters, lr=0.01).step()
    assert sum(model.losses(X).values()) < sum(losses.values())


# Conflict


def test_cosines_and_norms_equal_numpy():
    gradients = np.random.default_rng(1).normal(size=(3, 10))
    losses, theta = linear_losses(gradients)
    conflict = gradient_conflict(losses, theta)
    norms = np.linalg.norm(gradients, axis=1)
    np.testing.assert_allclose(conflict.norms, norms, rtol=1e-5)
    expected = gradients @ gradients.T / np.outer(norms, norms)
    np.testing.assert_allclose(conflict.cosines, expected, atol=1e-6)
    assert conflict.tasks == ["task0", "task1", "task2"]
    apart = {(i, j) for i, j in itertools.combinations(range(3), 2) if expected[i, j] < 0}
    assert {(int(a[-1]), int(b[-1])) for a, b, _ in conflict.pairs_apart()} == apart


def test_the_gradient_that_is_measured_is_that_of_finite_differences(network):
    model, X = network
    model, X = model.double(), X.double()
    weight = model.shared.weight
    differences = {"depth": [], "ego": []}
    for index in np.ndindex(*weight.shape):
        values = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                weight[index] += step
                values.append(model.losses(X))
                weight[index] -= step
        for task, found in differences.items():
            found.append((values[0][task] - values[1][task]).item() / 2e-5)
    a, b = (np.array(found) for found in differences.values())
    conflict = gradient_conflict(model.losses(X), [weight])
    np.testing.assert_allclose(conflict.norms, [np.linalg.norm(a), np.linalg.norm(b)], rtol=1e-4)
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert conflict.cosines[0, 1].item() == pytest.approx(cosine, abs=1e-4)


def test_a_conflict_tells_who_pulls_apart():
    gradients = np.zeros((3, 10))
    gradients[:, :2] = [[2.0, 0.0], [-1.0, math.sqrt(3)], [0.0, 1.0]]
    losses, theta = linear_losses(gradients)
    losses = dict(zip(TASKS, losses.values(), strict=True))
    lines = repr(gradient_conflict(losses, theta)).splitlines()
    assert lines[0].split() == ["cosine", *TASKS]
    assert lines[2].split() == ["segmentation", "+1.00", "-0.50", "+0.00"]
    assert lines[6].split() == ["norm", "2", "2", "1"]
    assert lines[-1] == "Pull apart (cosine below 0): segmentation and depth (-0.50)."
    assert len({len(line) for line in lines[:7]}) == 1
    agreed, theta = linear_losses(np.abs(gradients))
    assert repr(gradient_conflict(agreed, theta)).endswith("no cosine is below 0.")


def test_a_task_without_gradient_has_no_cosine():
    losses, theta = linear_losses(np.stack([np.ones(10), np.zeros(10)]))
    conflict = gradient_conflict(losses, theta)
    assert torch.isnan(conflict.cosines[0, 1])
    assert conflict.norms.tolist() == pytest.approx([math.sqrt(10), 0])
    assert conflict.pairs_apart() == []
    assert repr(conflict).splitlines()[3].split() == ["task1", "-", "-"]


# What all gradient methods promise


METHODS = {
    "gradient_conflict": gradient_conflict,
    "pcgrad": pcgrad,
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_no_argument_is_touched_and_the_graph_stays_usable(method, network):
    model, X = network
    losses = model.losses(X)
    for p in model.parameters():
        p.grad = torch.full_like(p, 7)
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    method(losses, list(model.shared.parameters()))
    assert list(losses) == ["depth", "ego"]
    assert all((p.grad == 7).all() for p in model.parameters())
    torch.testing.assert_close(dict(model.state_dict()), kept, rtol=0, atol=0)
    model.zero_grad()
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_parameters_that_cannot_work_are_named(method, network):
    model, X = network
    losses = model.losses(X)
    with pytest.raises(ValueError, match="'ego' does not depend on any"):
        method(losses, model.depth.parameters())
    with pytest.raises(ValueError, match="no parameters given"):
        method(losses, [])
    model.shared.weight.requires_grad_(False)
    with pytest.raises(ValueError, match="a parameter is frozen"):
        method(losses, model.shared.parameters())
