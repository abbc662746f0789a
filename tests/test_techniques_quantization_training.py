"""Learning with rounding, equalisation and bias correction, against autograd done by hand."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edu_lib.techniques.factorization import DepthwiseSeparable
from edu_lib.techniques.quantization import (
    FakeQuantize,
    QuantizedLayer,
    affine_qparams,
    convert,
    correct_biases,
    equalize,
    fake_quantize_trainable,
    fold_batch_norm,
    prepare_qat,
    quantize_static,
    round_straight_through,
    sign_straight_through,
)
from edu_lib.techniques.quantization.aware_training import TrainableFakeQuantize, TrainableLayer
from edu_lib.techniques.quantization.static import input_qparams


def small_network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(8 * 9, 2),
    ).eval()  # fmt: skip


def inputs(n=16, seed=0):
    return torch.rand((n, 1, 8, 8), generator=torch.Generator().manual_seed(seed))


# Gradients


def test_straight_through_gradients():
    X = torch.linspace(-2, 2, 41, requires_grad=True)
    round_straight_through(X).sum().backward()
    assert torch.equal(X.grad, torch.ones(41))
    assert torch.equal(round_straight_through(X), X.round())
    X.grad = None
    sign_straight_through(X).sum().backward()
    assert torch.equal(X.grad, (X.abs() <= 1).float())
    assert set(sign_straight_through(X).tolist()) == {-1.0, 1.0}


def test_gradients_of_values_and_of_the_step_are_those_of_the_paper():
    X = (torch.randn(500, generator=torch.Generator().manual_seed(0)) * 2).requires_grad_()
    step, z, qmin, qmax = torch.tensor(0.25, requires_grad=True), 3, 0, 7
    weights = torch.rand(500, generator=torch.Generator().manual_seed(1))
    (fake_quantize_trainable(X, step, torch.tensor(z), qmin, qmax) * weights).sum().backward()
    x = X.detach() / 0.25
    inside = (x.round() + z >= qmin) & (x.round() + z <= qmax)
    assert 0.2 < inside.float().mean() < 0.9
    assert torch.equal(X.grad, inside.float() * weights)
    # equation 3: round(x / s) - x / s inside, the ends of the grid outside
    by_hand = torch.where(inside, x.round() - x, x.round().clamp(qmin - z, qmax - z))
    torch.testing.assert_close(step.grad, (by_hand * weights).sum())


def test_gradients_are_those_of_pytorchs_learnable_fake_quantize():
    X = torch.randn(400, generator=torch.Generator().manual_seed(0))
    results = []
    for ours in (True, False):
        values, step = X.clone().requires_grad_(), torch.tensor([0.125], requires_grad=True)
        if ours:
            y = fake_quantize_trainable(values, step, torch.tensor([8]), 0, 15)
        else:
            zero_point = torch.tensor([8.0], requires_grad=True)
            y = torch._fake_quantize_learnable_per_tensor_affine(
                values, step, zero_point, 0, 15, 1.0
            )
        y.square().sum().backward()
        results.append((y.detach(), values.grad, step.grad))
    for own, other in zip(*results, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)


def test_the_steps_learn_at_the_pace_the_paper_sets():
    grid = affine_qparams(torch.tensor(0.0), torch.tensor(1.0), bits=2)
    layer = TrainableFakeQuantize(grid, learns=True)
    X = torch.rand((4, 25), generator=torch.Generator().manual_seed(0)) * 2
    layer(X).sum().backward()
    plain = grid.scale.clone().requires_grad_()
    fake_quantize_trainable(X, plain, grid.zero_point, 0, 3).sum().backward()
    # g = 1 / sqrt(N Q_P)
    torch.testing.assert_close(layer.step.grad, plain.grad / math.sqrt(25 * 3))


def test_learned_steps_start_as_in_the_paper():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, 3)
    nn.init.normal_(conv.weight)
    step = TrainableLayer(conv, bits=2, per_channel=False, method="lsq").step
    torch.testing.assert_close(step.detach(), 2 * conv.weight.detach().abs().mean())


# Training


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lsq", "ste"])
def test_training_with_rounding_learns_and_ends_in_integers(method):
    model, X = small_network(), inputs(32)
    y = (X.mean(dim=(1, 2, 3)) > 0.5).long()
    before = copy.deepcopy(model.state_dict())
    trained = prepare_qat(model, X, method=method, weight_bits=3, activation_bits=4)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    parameters = [p for p in trained.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    losses = []
    for _ in range(60):
        loss = F.cross_entropy(trained(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is not None for p in parameters)
    assert losses[-1] < 0.8 * losses[0]
    finished = convert(trained)
    assert any(isinstance(m, TrainableLayer) for m in trained.modules())
    layers = [m for m in finished.modules() if isinstance(m, QuantizedLayer)]
    assert [layer.bits for layer in layers] == [3, 3]
    assert max(layer.weight.abs().max().item() for layer in layers) <= 3
    # but for the biases, rounded at the end, the integers compute what was trained
    for name, layer in trained.named_modules():
        if isinstance(layer, TrainableLayer):
            rounded = finished.get_submodule(name)
            shift = (rounded.bias * rounded.bias_scale - layer.bias).abs()
            assert (shift <= rounded.bias_scale * 0.51).all()
            rounded.bias = layer.bias.detach() / rounded.bias_scale
    torch.testing.assert_close(finished(X), trained(X).detach())


def test_before_training_8_bits_are_those_of_quantize_static():
    model, X = small_network(), inputs()
    prepared = convert(prepare_qat(model, X, method="ste"))
    static = quantize_static(model, X)
    for key, value in static.state_dict().items():
        assert torch.equal(prepared.state_dict()[key], value), key


class Shared(nn.Module):
    """A convolution that is called twice, and one that shares its weight."""

    def __init__(self):
        super().__init__()
        self.conv, self.other = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.other.weight = self.conv.weight

    def forward(self, X):
        return self.other(F.relu(self.conv(F.relu(self.conv(X)))))


def test_what_shares_one_weight_trains_one():
    torch.manual_seed(0)
    model, X = Shared(), torch.rand(4, 4, 6, 6)
    prepared = prepare_qat(model, X)
    layers = [m for m in prepared.modules() if isinstance(m, TrainableLayer)]
    assert len(layers) == 3
    assert len({id(layer.weight) for layer in layers}) == 1
    assert len({id(layer.step) for layer in layers}) == 1
    assert len({id(layer.bias) for layer in layers}) == 2
    torch.optim.SGD(prepared.parameters(), lr=0.1).zero_grad()
    prepared(X).square().mean().backward()
    torch.optim.SGD(prepared.parameters(), lr=0.1).step()
    weights = [m.weight for m in convert(prepared).modules() if isinstance(m, QuantizedLayer)]
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])


def test_training_refuses():
    with pytest.raises(ValueError, match="method is one of lsq, ste, got 'pact'"):
        prepare_qat(small_network(), inputs(), method="pact")
    with pytest.raises(ValueError, match="does not come from prepare_qat"):
        convert(quantize_static(small_network(), inputs()))


# Equalisation


def test_equalised_layers_compute_the_same_with_equal_ranges():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4), nn.ReLU(),
        nn.Conv2d(4, 6, 1, groups=2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(24, 3),
    ).eval()  # fmt: skip
    model[0].weight.data *= torch.tensor([0.01, 0.1, 1, 10]).view(-1, 1, 1, 1)
    X = inputs()
    equalized = equalize(model, X)
    torch.testing.assert_close(equalized(X), model(X).detach(), rtol=1e-3, atol=1e-4)
    first, second = equalized.get_submodule("0"), equalized.get_submodule("2")
    torch.testing.assert_close(
        first.weight.abs().amax((1, 2, 3)), second.weight.abs().amax((1, 2, 3)), rtol=0.02, atol=0
    )
    # channels of the last map come 4 pixels a channel to the linear layer
    last, linear = equalized.get_submodule("4"), equalized.get_submodule("7")
    into_linear = linear.weight.view(3, 6, 4).abs().amax((0, 2))
    torch.testing.assert_close(last.weight.abs().amax((1, 2, 3)), into_linear, rtol=0.02, atol=0)


def test_one_pair_is_equalised_as_the_formula_says():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2))
    W1, b1, W2 = (p.detach().clone() for p in (model[0].weight, model[0].bias, model[2].weight))
    r1, r2 = W1.abs().amax(1), W2.abs().amax(0)
    s = (r1 * r2).sqrt() / r2
    equalized = equalize(model, torch.rand(2, 5))
    torch.testing.assert_close(equalized.get_submodule("0").weight, W1 / s[:, None])
    torch.testing.assert_close(equalized.get_submodule("0").bias, b1 / s)
    torch.testing.assert_close(equalized.get_submodule("2").weight, W2 * s)


def test_equalisation_saves_a_depthwise_network_with_one_scale_a_layer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), DepthwiseSeparable(16, 8)).eval()
    model[0].weight.data *= torch.logspace(-2, 1, 16).view(-1, 1, 1, 1)
    model[2].depthwise[0].weight.data *= torch.logspace(2, -1, 16).view(-1, 1, 1, 1)
    X = inputs()

    def error(network):
        y = quantize_static(network, X, per_channel=False)(X)
        return (y - model(X)).norm() / model(X).norm()

    assert error(equalize(model, X)) < 0.5 * error(model)


def test_skip_connections_are_left_alone():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)

        def forward(self, X):
            X = F.relu(self.conv1(X))
            return X + self.conv2(X)

    model = Residual()
    equalized = equalize(model, torch.rand(2, 2, 4, 4))
    assert torch.equal(equalized.get_submodule("conv1").weight, model.conv1.weight.detach())


def conv_then(channels, *layers):
    return nn.Sequential(nn.Conv2d(3, channels, 3, padding=1), nn.ReLU(), *layers)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Flatten(), nn.Linear(30, 3)), (5, 4)),
        (conv_then(4, nn.Flatten(2), nn.Linear(64, 3)), (3, 8, 8)),
        (conv_then(5, nn.Flatten(2), nn.Linear(64, 3)), (3, 8, 8)),
        (conv_then(4, nn.Flatten(0, 2), nn.Linear(8, 3)), (3, 8, 8)),
    ],
)
def test_layers_whose_channels_are_no_channels_to_the_next_are_left_alone(model, shape):
    X = torch.randn(2, *shape)
    torch.testing.assert_close(equalize(model, X)(X), model(X))


# Bias correction


def test_corrected_layers_have_the_mean_outputs_of_the_model():
    model, X = small_network(), inputs(64)
    quantized = quantize_static(model, X, weight_bits=2)
    corrected = correct_biases(quantized, model, X)
    expected = model(X).detach().mean(0)
    wrong = (quantized(X).mean(0) - expected).abs().max()
    right = (corrected(X).mean(0) - expected).abs().max()
    assert right < 0.05 * wrong
    assert torch.equal(quantized.get_submodule("0").weight, corrected.get_submodule("0").weight)
    assert corrected.get_submodule("5").bias.dtype == torch.int32


def test_bias_correction_wants_the_right_model():
    quantized = quantize_static(small_network(), inputs())
    with pytest.raises(ValueError, match="does not have the layers of the model"):
        correct_biases(quantized, nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), inputs())


def test_every_input_of_a_layer_is_on_a_grid():
    quantized = quantize_static(small_network(), inputs())
    for node in quantized.graph.nodes:
        if node.op == "call_module" and node.target in ("0", "5"):
            assert isinstance(input_qparams(quantized, node), FakeQuantize)
    folded = fold_batch_norm(small_network(), inputs())
    node = next(node for node in folded.graph.nodes if node.target == "5")
    with pytest.raises(ValueError, match="layer '5' has an input that is not on a grid"):
        input_qparams(folded, node)
