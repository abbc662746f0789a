"""Distillation against hand-derived gradients, torch's kl_div, NumPy and trainings of `fit`."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn

import edu_lib as edu
from edu_lib.models.road_tasks import sum_of_losses
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.distillation import (
    BiasCorrected,
    DistillationOutput,
    Distilled,
    Ensemble,
    FeatureTap,
    attention_loss,
    attention_map,
    bias_correction,
    born_again,
    correct_bias,
    distillation_loss,
    distillation_objective,
    hint_loss,
    hint_objective,
    hint_regressor,
    regression_distillation_loss,
    soft_target_loss,
)

N, C = 5, 4


def random(*shape, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, dtype=torch.float64, generator=generator)


def student_and_teacher(*shape):
    return random(*shape, seed=1).requires_grad_(), random(*shape, seed=2)


def gradient(loss, by):
    return torch.autograd.grad(loss, by)[0]


# Soft targets


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 20.0])
def test_soft_targets_are_kl_div_by_batchmean_times_t_squared(temperature):
    z, v = student_and_teacher(N, C)
    expected = F.kl_div(
        F.log_softmax(z / temperature, dim=1),
        F.softmax(v / temperature, dim=1),
        reduction="batchmean",
    )
    loss = soft_target_loss(z, v, temperature)
    torch.testing.assert_close(loss, temperature**2 * expected)


def test_soft_targets_are_the_papers_cross_entropy_but_for_the_teachers_entropy():
    z, v = student_and_teacher(N, C)
    T = 3.0
    p = F.softmax(v / T, dim=1)
    entropy = -(p * p.log()).sum(dim=1).mean()
    cross_entropy = F.cross_entropy(z / T, p)  # torch's own, with probabilities as targets
    torch.testing.assert_close(soft_target_loss(z, v, T), T**2 * (cross_entropy - entropy))
    torch.testing.assert_close(
        gradient(soft_target_loss(z, v, T), z), gradient(T**2 * cross_entropy, z)
    )


def test_a_dense_loss_is_that_of_its_pixels():
    z, v = student_and_teacher(2, C, 3, 5)
    as_rows = [logits.permute(0, 2, 3, 1).reshape(-1, C) for logits in (z, v)]
    torch.testing.assert_close(soft_target_loss(z, v), soft_target_loss(*as_rows))
    y = torch.randint(0, C, (2, 3, 5), dtype=torch.uint8)
    torch.testing.assert_close(
        distillation_loss(z, v, y), distillation_loss(*as_rows, y.flatten().long())
    )


@pytest.mark.parametrize("temperature", [1.0, 2.5, 20.0])
def test_the_gradient_is_t_times_the_difference_of_the_distributions(temperature):
    z, v = student_and_teacher(N, C)
    e_z, e_v = np.exp(z.detach().numpy() / temperature), np.exp(v.numpy() / temperature)
    q, p = e_z / e_z.sum(1, keepdims=True), e_v / e_v.sum(1, keepdims=True)
    found = gradient(soft_target_loss(z, v, temperature), z)
    np.testing.assert_allclose(found, temperature * (q - p) / N, rtol=1e-9, atol=1e-12)


def test_at_high_temperature_logits_are_matched():
    z, v = (random(N, C, seed=seed) for seed in (1, 2))
    z, v = (logits - logits.mean(dim=1, keepdim=True) for logits in (z, v))
    z.requires_grad_()
    found = gradient(soft_target_loss(z, v, 1e4), z)
    # section 2.1: dC/dz_i = (z_i - v_i) / (C T^2), times the T^2 of the loss
    torch.testing.assert_close(found, (z - v).detach() / (N * C), rtol=2e-3, atol=1e-4)
    half_square = ((z - v) ** 2).sum(dim=1).mean() / (2 * C)
    torch.testing.assert_close(found, gradient(half_square, z), rtol=2e-3, atol=1e-4)


def test_t_squared_keeps_the_gradient_from_fading():
    z, v = student_and_teacher(N, C)
    sizes = [gradient(soft_target_loss(z, v, T), z).norm() for T in (50.0, 500.0)]
    assert sizes[0] / sizes[1] == pytest.approx(1.0, rel=0.05)


def test_equal_logits_cost_nothing_and_a_shift_of_all_changes_nothing():
    z, v = student_and_teacher(N, C)
    assert soft_target_loss(v, v).item() == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(soft_target_loss(z + 7, v - 3), soft_target_loss(z, v))
    assert soft_target_loss(z, v) > 0


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_hard_and_soft_are_mixed_by_alpha(alpha):
    z, v = student_and_teacher(N, C)
    y = torch.tensor([0, 1, 2, 3, 0])
    q = torch.softmax(z, dim=1)
    hard = -q[range(N), y].log().mean()
    expected = alpha * soft_target_loss(z, v, 2.0) + (1 - alpha) * hard
    torch.testing.assert_close(distillation_loss(z, v, y, 2.0, alpha), expected)


def test_the_teacher_gets_no_gradient_and_arguments_stay():
    z, v = student_and_teacher(N, C)
    v.requires_grad_()
    before = z.detach().clone(), v.detach().clone()
    distillation_loss(z, v, torch.zeros(N, dtype=torch.long)).backward()
    assert v.grad is None
    assert torch.equal(z.detach(), before[0])
    assert torch.equal(v.detach(), before[1])


def test_sixteen_bit_logits_are_computed_in_32():
    z, v = (logits.detach().to(torch.bfloat16) for logits in student_and_teacher(N, C))
    loss = soft_target_loss(z, v, 20.0)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, soft_target_loss(z.float(), v.float(), 20.0))


@pytest.mark.parametrize("shape", [(N, 1), (2, 1, 3, 4)])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_one_logit_is_that_of_a_sigmoid(shape, temperature):
    z, v = student_and_teacher(*shape)
    p, q = torch.sigmoid(v / temperature), torch.sigmoid(z / temperature)
    divergence = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    loss = soft_target_loss(z, v, temperature)
    torch.testing.assert_close(loss, temperature**2 * divergence.mean())
    torch.testing.assert_close(gradient(loss, z), temperature * (q - p).detach() / z.numel())
    y = torch.randint(0, 2, (shape[0], *shape[2:]), generator=torch.Generator().manual_seed(0))
    hard = F.binary_cross_entropy_with_logits(z[:, 0], y.double())
    torch.testing.assert_close(distillation_loss(z, v, y, temperature, alpha=0.0), hard)
    torch.testing.assert_close(hard_loss(z, y), hard)


def losses_to_check():
    y = torch.tensor([0, 1, 2, 3, 0])
    other = random(N, C, 3, 3, seed=5)
    bound = random(N, C, seed=6)
    return {
        "soft": ((N, C), lambda z: soft_target_loss(z, random(N, C, seed=2), 3.0)),
        "mixed": ((N, C), lambda z: distillation_loss(z, random(N, C, seed=2), y, 3.0, 0.4)),
        "dense": ((2, C, 3, 2), lambda z: soft_target_loss(z, random(2, C, 3, 2, seed=2), 3.0)),
        "regression": ((N, C), lambda z: regression_distillation_loss(z, bound, bound + 1, 0.3)),
        "hint": ((N, C, 3, 3), lambda z: hint_loss(z, other)),
        "attention": ((N, 2, 3, 3), lambda z: attention_loss(z, other)),
    }


@pytest.mark.parametrize("name", losses_to_check())
def test_gradients_agree_with_finite_differences(name):
    shape, loss = losses_to_check()[name]
    assert torch.autograd.gradcheck(loss, random(*shape, seed=1).requires_grad_())


LABELS = torch.zeros(N, dtype=torch.long)


def hard_loss(z, y):
    """What a training reads the labels with."""
    return distillation_objective(alpha=0.0)(DistillationOutput(z, z), y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda z: soft_target_loss(z, z[:, :3]), r"logits have shape \(5, 4\), the teac"),
        (lambda z: soft_target_loss(z, z, 0.0), "temperature must be above 0 and finite, got 0.0"),
        (lambda z: soft_target_loss(z, z, float("nan")), "temperature must be above 0"),
        (lambda z: distillation_loss(z, z, LABELS, -1.0), "temperature must be above 0"),
        (lambda z: distillation_loss(z, z, LABELS, alpha=1.1), r"in \[0, 1\], got 1.1"),
        (lambda z: distillation_loss(z, z, LABELS[:3]), r"need labels of shape \(5,\), got \(3,\)"),
        (lambda z: distillation_loss(z[..., None], z[..., None], LABELS), r"of shape \(5, 1\)"),
        (lambda z: regression_distillation_loss(z, z[:2], z), "student's predictions have shape"),
        (lambda z: regression_distillation_loss(z, z, z[:, 0]), "need labels of the same shape"),
        (lambda z: regression_distillation_loss(z, z, z, -0.1), r"alpha must be in \[0, 1\]"),
        (lambda z: soft_target_loss(z[:, 0], z[:, 0]), r"logits must be \[N, C\] or"),
        (lambda z: distillation_loss(z, z, z[:, 0]), "of an integer type, got torch.float64"),
        (lambda z: distillation_loss(z, z, LABELS.half()), "of an integer type, got torch.float16"),
        (lambda z: hard_loss(z, LABELS.float()), "of an integer type, got torch.float32"),
        (lambda z: hard_loss(z, LABELS[:2]), r"need labels of shape \(5,\), got \(2,\)"),
        (lambda z: hint_loss(z, z[:, :2]), "student's features have shape"),
        (lambda z: attention_map(z), r"attention needs features \[N, C, H, W\]"),
        (lambda z: distillation_objective(temperature=0), "temperature must be above 0"),
        (lambda z: distillation_objective(alpha=2), r"alpha must be in \[0, 1\], got 2"),
        (lambda z: distillation_objective(hint_weight=-1), "hint_weight must be 0 or more"),
        (lambda z: distillation_objective()(z, LABELS), r"train Distilled\(student, teacher\)"),
        (lambda z: hint_objective()(DistillationOutput(z, z), LABELS), "there are no hints"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_told_in_a_sentence(call, message):
    z = random(N, C)
    before = z.clone()
    with pytest.raises(ValueError, match=message):
        call(z)
    assert torch.equal(z, before)


# Regression, hints, attention


def test_regression_losses_against_numpy():
    s, t, y = (random(3, 1, 4, 5, seed=seed) for seed in (1, 2, 3))
    a, b, c = (values.numpy() for values in (s, t, y))
    expected = 0.3 * np.abs(a - b).mean() + 0.7 * np.abs(a - c).mean()
    assert regression_distillation_loss(s, t, y, 0.3).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("student", "teacher", "kind"),
    [
        ((2, 3), (2, 7), nn.Linear),
        ((2, 3, 8, 6), (2, 7, 8, 6), nn.Conv2d),
        ((2, 3, 8, 6), (2, 3, 5, 4), nn.Conv2d),
        ((2, 3, 8, 6), (2, 3, 8, 6), nn.Identity),
    ],
)
def test_a_regressor_takes_the_students_features_to_the_teachers_shape(student, teacher, kind):
    own, other = torch.rand(student), torch.rand(teacher)
    regressor = hint_regressor(own, other)
    assert type(regressor) is kind
    assert regressor(own).shape == other.shape
    expected = ((regressor(own) - other) ** 2).sum() / other.numel() / 2
    torch.testing.assert_close(hint_loss(regressor(own), other), expected)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 8, 8)])
def test_a_regressor_has_the_students_type(shape):
    student, teacher = torch.rand(shape).double(), torch.rand(2, 5, *shape[2:]).double()
    regressor = hint_regressor(student, teacher)
    assert regressor(student).dtype == torch.float64
    half = hint_regressor(student.half(), teacher)  # too coarse to learn in
    assert {each.dtype for each in half.parameters()} == {torch.float32}


def test_features_that_no_regressor_joins_are_refused():
    with pytest.raises(ValueError, match=r"maps \(4x4\) are smaller than the teacher's \(8x8\)"):
        hint_regressor(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"both be \[N, C\] or both \[N, C, H, W\]"):
        hint_regressor(torch.rand(1, 3), torch.rand(1, 3, 8, 8))


def test_attention_is_one_minus_the_cosine_of_the_maps():
    own, other = random(3, 2, 4, 5, seed=1), random(3, 6, 4, 5, seed=2)
    maps = [features.pow(2).sum(1).flatten(1) for features in (own, other)]
    expected = 1 - F.cosine_similarity(*maps).mean()
    torch.testing.assert_close(attention_loss(own, other), expected)
    torch.testing.assert_close(attention_map(own).flatten(1).norm(dim=1), torch.ones(3).double())
    assert attention_loss(own, -5 * own) == pytest.approx(0)


def test_attention_of_equal_or_dead_maps_has_a_finite_gradient():
    features = random(2, 3, 4, 4).requires_grad_()
    assert gradient(attention_loss(features, features.detach()), features).isfinite().all()
    dead = torch.zeros(2, 3, 4, 4, requires_grad=True)
    assert gradient(attention_loss(dead, features.float()), dead).isfinite().all()


def test_attention_maps_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="tap two layers whose maps have the same size"):
        attention_loss(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 8, 8))


# Taps


def network(width=4, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        nn.Flatten(),
        nn.Linear(2 * width * 16, C),
    )


def test_a_tap_catches_what_the_layer_puts_out_and_leaves_no_trace():
    model, X = network().eval(), torch.rand(3, 1, 8, 8)
    with FeatureTap(model, ["2", "3"]) as tap:
        expected = model(X)
    torch.testing.assert_close(tap["2"], model[:3](X))
    torch.testing.assert_close(model[4:](tap["3"]), expected)
    assert tap["2"].requires_grad
    assert not any(module._forward_hooks for module in model.modules())


class AddsInPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, X):
        y = self.conv(X)
        y += X
        return F.relu_(y)


@pytest.mark.parametrize(
    ("model", "layer"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)), "1"),
        (AddsInPlace(), "conv"),
        (nn.Sequential(AddsInPlace(), nn.Hardswish(inplace=True)), "0.conv"),
    ],
)
def test_a_tap_holds_the_layers_own_output_before_an_in_place_operation(model, layer):
    X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    model.eval()
    with FeatureTap(model, [layer]) as tap:
        output = model(X)
    own = model
    for name in layer.split("."):
        own = getattr(own, name)
    before = model[0](X) if layer == "1" else X
    torch.testing.assert_close(tap[layer], own(before))
    assert not torch.equal(tap[layer], output)
    (gradient_there,) = torch.autograd.grad(tap[layer].sum(), [next(own.parameters())])
    assert gradient_there.abs().sum() > 0


class ScalesInPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 3)

    def forward(self, X):
        X -= 0.5
        return self.linear(X)


def test_networks_that_work_in_place_see_the_same_images_and_leave_them():
    torch.manual_seed(0)
    student, teacher = ScalesInPlace().eval(), ScalesInPlace().eval()
    X = torch.rand(4, 6)
    kept, expected = X.clone(), teacher(X.clone())
    said = Distilled(student, teacher, hints={"linear": "linear"}, example=X[:1]).train()(X)
    torch.testing.assert_close(said.teacher_output, expected)
    torch.testing.assert_close(Ensemble([student, teacher, teacher])(X) * 3 - student(X.clone()),
                               2 * expected)  # fmt: skip
    correct_bias(student, X, [1, 1, 1])
    assert torch.equal(X, kept)


def test_taps_tell_what_is_wrong():
    road = RoadNet(["segmentation"], width=0.125)
    with pytest.raises(
        ValueError, match=r"RoadNet has no layer 'encoder.stm'; it has encoder.stem"
    ):
        FeatureTap(road, ["encoder.stm"])
    with pytest.raises(
        ValueError, match="layers must be a list of names, got the string 'encoder'"
    ):
        FeatureTap(road, "encoder")
    with FeatureTap(road, ["encoder", "decoder"]) as tap:
        with pytest.raises(ValueError, match="layer 'decoder' has not run"):
            tap["decoder"]
        road(torch.rand(1, 3, 32, 64))
    with pytest.raises(ValueError, match="puts out a list, no tensor: tap a layer in it"):
        tap["encoder"]
    with pytest.raises(ValueError, match="layer 'ego' is not tapped: encoder, decoder are"):
        tap["ego"]
    assert not any(module._forward_hooks for module in road.modules())


# Trainings


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    X = torch.rand(32, 1, 8, 8, generator=generator)
    return X, torch.randint(0, C, (32,), generator=generator)


def train(model, X, y, **arguments):
    defaults = {"num_epochs": 1, "batch_size": 16, "device": "cpu", "progress": False}
    return edu.fit(model, X, y, **defaults | arguments)


@pytest.mark.slow
def test_a_student_comes_to_agree_with_its_teacher(images):
    X, y = images
    teacher, student = network(8, seed=1), network(6, seed=2)
    train(teacher, X, y, num_epochs=10, lr=1e-2)
    before = copy.deepcopy(teacher.state_dict())

    def distance():
        return soft_target_loss(student.eval()(X), teacher.eval()(X)).item()

    far = distance()
    model = Distilled(student, teacher)
    history = train(
        model,
        X,
        y,
        num_epochs=20,
        lr=2e-2,
        loss=distillation_objective(alpha=1.0),
        validation=(X, y),
    )
    assert distance() < 0.3 * far
    assert history.validation_accuracy[-1] == pytest.approx(edu.evaluate(student, X, y).accuracy)
    assert model.student is student
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())


def test_the_teacher_sees_the_very_batch_that_the_student_sees(images):
    X, y = images
    same = nn.Sequential(nn.Flatten(), nn.Linear(64, C))
    seen = []

    def loss(said, y):
        seen.append(soft_target_loss(said.output, said.teacher_output).item())
        return said.output.sum() * 0

    train(Distilled(same, same), X, y, loss=loss, augment=lambda X: X + torch.randn_like(X))
    assert seen == [pytest.approx(0, abs=1e-6)] * 2


def test_the_teacher_is_frozen_kept_in_evaluation_and_never_saved(images, tmp_path):
    X, y = images
    teacher = network(8).train()
    model = Distilled(network(2), teacher)
    statistics = model.teacher[1].running_mean.clone()
    assert teacher.training
    assert all(parameter.requires_grad for parameter in teacher.parameters())
    path = tmp_path / "state.safetensors"
    train(model, X, y, loss=distillation_objective(), checkpoint=path)
    assert not model.teacher.training
    assert torch.equal(model.teacher[1].running_mean, statistics)
    assert not torch.equal(model.student[1].running_mean, torch.zeros(2))
    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith("model.")]  # noqa: SIM118
    assert names
    assert all(name.startswith("model.student.") for name in names)
    assert len(list(model.parameters())) == len(list(model.student.parameters()))


def test_without_labels_alpha_one_still_trains(images):
    X, _ = images
    model = Distilled(network(2), network(8))
    no_labels = torch.full((len(X),), -1)
    history = train(model, X, no_labels, loss=distillation_objective(alpha=1.0))
    assert np.isfinite(history.train_loss).all()


def test_hints_and_attention_reach_their_layers_and_the_regressors_learn(images):
    X, y = images
    student, teacher = network(2), network(8)
    statistics = student[1].running_mean.clone()
    model = Distilled(student, teacher, hints={"2": "2"}, attention={"3": "3"}, example=X[:1])
    assert torch.equal(student[1].running_mean, statistics)
    assert [tuple(r.weight.shape) for r in model.regressors] == [(8, 2, 1, 1)]
    said = model.train()(X)
    objective = distillation_objective(2.0, 0.7, hint_weight=0.5, attention_weight=3.0)
    expected = (
        distillation_loss(said.output, said.teacher_output, y, 2.0, 0.7)
        + 0.5 * hint_loss(*said.hints[0])
        + 3.0 * attention_loss(*said.attention[0])
    )
    torch.testing.assert_close(objective(said, y), expected)
    with FeatureTap(model.teacher, ["3"]) as tap:
        model.teacher(X)
    assert torch.equal(said.attention[0][1], tap["3"])
    before = copy.deepcopy(model.regressors.state_dict())
    train(model, X, y, loss=objective)
    assert not torch.equal(before["0.weight"], model.regressors[0].weight)


def test_a_stage_of_hints_teaches_only_what_lies_before_them(images):
    X, y = images
    student = network(2)
    before = copy.deepcopy(student.state_dict())
    model = Distilled(student, network(8), hints={"2": "2"}, example=X[:1])
    train(model, X, y, loss=hint_objective())
    assert not torch.equal(before["0.weight"], student[0].weight)
    assert torch.equal(before["5.weight"], student[5].weight)


def test_regressors_depend_on_their_seed_alone(images):
    X, _ = images
    weights = []
    for seed in (3, 3, 4):
        torch.rand(seed)
        model = Distilled(network(2), network(8), hints={"2": "2"}, example=X[:1], seed=seed)
        weights.append(model.regressors[0].weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_distilled_tells_what_is_missing():
    with pytest.raises(ValueError, match="Sequential has no layer 'conv1'"):
        Distilled(network(), network(), hints={"conv1": "2"})
    with pytest.raises(ValueError, match="Sequential has no layer 'conv1'"):
        Distilled(network(), network(), attention={"2": "conv1"})
    with pytest.raises(ValueError, match=r"give example=X\[:1\]"):
        Distilled(network(), network(), hints={"2": "2"})


@pytest.mark.slow
def test_one_road_network_learns_from_a_teacher_for_each_task():
    torch.manual_seed(0)
    teachers = Ensemble([RoadNet(["segmentation"], 0.125), RoadNet(["ego"], 0.125)])
    student = RoadNet(["segmentation", "ego"], 0.125, kind="separable")
    X = torch.rand(4, 3, 32, 64)
    y = {
        "segmentation": torch.randint(0, 9, (4, 32, 64), dtype=torch.uint8),
        "steering": torch.randn(4),
    }

    def soft_loss(output, teacher_output):
        dense = soft_target_loss(output["segmentation"], teacher_output["segmentation"])
        return dense + F.l1_loss(output["ego"], teacher_output["ego"])

    objective = distillation_objective(alpha=0.5, soft_loss=soft_loss, hard_loss=sum_of_losses)
    model = Distilled(student, teachers)
    before = copy.deepcopy(student.state_dict())
    history = train(model, X, y, loss=objective, batch_size=2)
    assert np.isfinite(history.train_loss).all()
    assert not torch.equal(before["encoder.stem.0.weight"], student.encoder.stem[0].weight)
    assert set(model.eval()(X)) == {"segmentation", "ego"}


# Ensembles and self-distillation


def test_an_ensemble_is_the_geometric_mean_of_the_distributions():
    models, X = [network(2, seed).eval() for seed in range(3)], torch.rand(2, 1, 8, 8)
    mean = torch.stack([F.softmax(model(X), dim=1).log() for model in models]).mean(0).exp()
    expected = mean / mean.sum(dim=1, keepdim=True)
    torch.testing.assert_close(F.softmax(Ensemble(models)(X), dim=1), expected)
    with pytest.raises(ValueError, match="at least one network"):
        Ensemble([])


def test_each_generation_is_taught_by_the_one_before(images):
    X, y = images
    lessons = []

    def teach(student, teacher):
        lessons.append((student, teacher))
        if teacher is not None:
            train(Distilled(student, teacher), X, y, loss=distillation_objective())

    def build():
        return nn.Sequential(nn.Flatten(), nn.Linear(64, C))

    state = torch.get_rng_state()
    generations = born_again(build, teach, num_generations=3, seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    assert [student for student, _ in lessons] == generations
    assert [teacher for _, teacher in lessons] == [None, *generations[:2]]
    again = born_again(build, lambda student, teacher: None, num_generations=2, seed=5)
    assert torch.equal(again[0][1].weight, generations[0][1].weight)
    assert not torch.equal(again[0][1].weight, again[1][1].weight)
    one = build()
    with pytest.raises(ValueError, match="build must make a new network each time"):
        born_again(lambda: one, lambda student, teacher: None, num_generations=2)
    with pytest.raises(ValueError, match="num_generations must be at least 1, got 0"):
        born_again(build, teach, num_generations=0)


# The bias of a class that was never seen


def prior_shifted(num_images=4000):
    """Labels of which class 2 is rare, and the true log-posteriors of a Gaussian for each class."""
    generator = torch.Generator().manual_seed(0)
    shares = torch.tensor([0.4, 0.4, 0.2])
    y = torch.multinomial(shares, num_images, replacement=True, generator=generator)
    centres = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    X = centres[y] + torch.randn(num_images, 2, generator=generator)
    log_likelihood = -(X[:, None] - centres).square().sum(dim=2) / 2
    return X, y, log_likelihood + shares.log(), shares


def test_a_class_whose_bias_is_off_gets_back_what_it_lacks():
    _, y, logits, shares = prior_shifted()
    biased = logits - torch.tensor([0.0, 0.0, 3.5])
    shifts = bias_correction(biased, shares, classes=[2])
    assert shifts[:2].tolist() == [0, 0]
    assert shifts[2].item() == pytest.approx(3.5, abs=0.2)
    errors = [int((z.argmax(dim=1) != y).sum()) for z in (biased, biased + shifts, logits)]
    assert errors[1] < 0.8 * errors[0]
    assert errors[1] <= 1.05 * errors[2]


def test_after_the_correction_each_class_is_predicted_as_often_as_it_comes():
    _, _, logits, shares = prior_shifted()
    logits = logits * 1.3 + torch.tensor([1.0, -2.0, 0.5])
    shifts = bias_correction(logits, 50 * shares)  # counts do as well
    predicted = F.softmax(logits + shifts, dim=1).mean(dim=0)
    torch.testing.assert_close(predicted, shares, rtol=1e-3, atol=1e-4)
    assert shifts.sum().item() == pytest.approx(0, abs=1e-5)
    # the function that is descended is least there: mean of logsumexp(z + b) - f b
    b = shifts.double().requires_grad_()
    (torch.logsumexp(logits + b, dim=1).mean() - (shares * b).sum()).backward()
    assert b.grad.abs().max() < 1e-4


def test_dense_logits_are_corrected_pixel_by_pixel():
    _, _, logits, shares = prior_shifted(num_images=600)
    dense = logits.view(6, 10, 10, 3).permute(0, 3, 1, 2)
    torch.testing.assert_close(bias_correction(dense, shares), bias_correction(logits, shares))
    shifted = BiasCorrected(nn.Identity(), torch.tensor([1.0, 2.0, 3.0]))(dense)
    torch.testing.assert_close(shifted[:, 2], dense[:, 2] + 3)


def test_a_corrected_model_is_new_and_the_old_one_stays():
    X, _, _, shares = prior_shifted(num_images=500)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).train()
    before = copy.deepcopy(model.state_dict())
    corrected = correct_bias(model, X, shares, batch_size=128)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert corrected.training
    corrected.eval()
    expected = copy.deepcopy(model).eval()(X)
    torch.testing.assert_close(corrected(X), expected + bias_correction(expected, shares))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frequencies": [0.5, 0.5]}, r"logits of 3 classes need 3 frequencies, got shape \(2,\)"),
        ({"frequencies": [0.5, 0.5, 0.0]}, "each frequency must be above 0 and finite"),
        ({"logits": torch.zeros(4, 1), "frequencies": [1]}, "one logit has no classes to shift"),
        ({"classes": [3]}, r"classes must be numbers from 0 to 2, got \[3\]"),
        ({"classes": []}, "classes is empty: name one or more"),
        ({"logits": torch.full((4, 3), float("nan"))}, "some logits are not finite"),
    ],
)
def test_bias_correction_refuses(arguments, message):
    defaults = {"logits": torch.zeros(4, 3), "frequencies": [1, 1, 1]}
    with pytest.raises(ValueError, match=message):
        bias_correction(**defaults | arguments)


def test_shifts_for_another_number_of_classes_are_refused():
    with pytest.raises(ValueError, match="2 shifts do not fit 3 classes"):
        BiasCorrected(nn.Linear(2, 3), torch.zeros(2))(torch.zeros(1, 2))
