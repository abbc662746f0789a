"""Folding and post-training quantization of whole networks, against PyTorch's own."""

import copy

import pytest
import torch
from torch import nn

import edu_lib as edu
from edu_lib.models import LeNet5, LeNet1998, LeNet300100, SmallAlexNet
from edu_lib.models.roadnet import ResidualBlock, RoadNet
from edu_lib.techniques.quantization import (
    FakeQuantize,
    QuantizedLayer,
    fold_batch_norm,
    quantize_static,
)
from edu_lib.techniques.quantization.modules import Observer
from edu_lib.techniques.quantization.qparams import RANGES


def joined(y):
    return torch.cat([value.flatten(1) for value in y.values()], 1) if isinstance(y, dict) else y


# Folding


def test_folded_batch_norm_computes_the_same_and_leaves_none():
    torch.manual_seed(0)
    model = nn.Sequential(ResidualBlock(3, 8, stride=2), ResidualBlock(8, 8))
    X = torch.rand(4, 3, 16, 16)
    model(X)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    before = copy.deepcopy(model.state_dict())
    folded = fold_batch_norm(model, X)
    assert not any("batch_norm" in str(node.target) for node in folded.graph.nodes)
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    with torch.no_grad():
        torch.testing.assert_close(folded(X), model.eval()(X), rtol=1e-4, atol=1e-4)


def test_folding_equals_pytorchs_own():
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    X = torch.rand(4, 3, 8, 8)
    model(X)
    folded, theirs = fold_batch_norm(model, X), fuse_conv_bn_eval(*copy.deepcopy(model).eval())
    layer = folded.get_submodule("0")
    torch.testing.assert_close(layer.weight, theirs.weight.detach())
    torch.testing.assert_close(layer.bias, theirs.bias.detach())


def test_batch_norm_before_a_convolution_stays():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3)).eval()
    X = torch.rand(2, 3, 8, 8)
    folded = fold_batch_norm(model, X)
    assert any("batch_norm" in str(node.target) for node in folded.graph.nodes)
    torch.testing.assert_close(folded(X), model(X).detach())


# Networks


NETWORKS = {
    "LeNet5": (LeNet5, (1, 28, 28)),
    "LeNet5 with tanh and averages": (lambda: LeNet5(nn.Tanh, nn.AvgPool2d), (1, 28, 28)),
    "LeNet300100": (LeNet300100, (1, 28, 28)),
    "LeNet1998": (LeNet1998, (1, 28, 28)),
    "SmallAlexNet": (lambda: SmallAlexNet(width=8, lrn=True, towers=2), (1, 28, 28)),
    "RoadNet": (lambda: RoadNet(width=0.125), (3, 32, 64)),
    "RoadNet inverted": (lambda: RoadNet(["depth"], 0.125, "inverted"), (3, 32, 64)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_the_kit_answer_as_before(name):
    build, shape = NETWORKS[name]
    torch.manual_seed(0)
    model, X = build(), torch.rand(8, *shape)
    model(X)
    model.eval()
    before = copy.deepcopy(model.state_dict())
    quantized = quantize_static(model, X)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    layers = [m for m in quantized.modules() if isinstance(m, QuantizedLayer)]
    convolutions = [
        m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear) or "Table" in str(m)[:9]
    ]
    assert len(layers) == len(convolutions)
    assert not any(isinstance(m, nn.Conv2d | nn.Linear) for m in quantized.modules())
    with torch.no_grad():
        y, y_hat = model(X), quantized(X)
    assert type(y) is type(y_hat)
    error = (joined(y) - joined(y_hat)).norm() / (joined(y) - joined(y).mean()).norm()
    assert error < 0.1


def test_a_relu_costs_nothing_its_grid_begins_at_zero():
    torch.manual_seed(0)
    X = torch.rand(4, 1, 28, 28)
    quantized = quantize_static(LeNet5(), X)
    grids = [m for m in quantized.modules() if isinstance(m, FakeQuantize)]
    # the input and the outputs of four layers with ReLU; the logits stay float
    assert len(grids) == 5
    assert [grid.zero_point.item() for grid in grids[1:]] == [0, 0, 0, 0]
    assert "8 bits from 0 to" in str(grids[1])


def test_integers_and_scales_are_what_the_layer_promises():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 1))
    model[2].weight.data[1] = 0  # a dead channel, whose bias must still fit in 32 bits
    model[2].bias.data[1] = 5.0
    X = torch.rand(4, 2, 6, 6)
    quantized = quantize_static(model, X)
    first, second = quantized.get_submodule("0"), quantized.get_submodule("2")
    assert first.weight.dtype == torch.int8
    assert first.bias.dtype == second.bias.dtype == torch.int32
    W = model[0].weight.detach()
    torch.testing.assert_close(
        first.weight * first.weight_scale.view(-1, 1, 1, 1),
        torch.fake_quantize_per_channel_affine(
            W, W.abs().amax((1, 2, 3)) / 127, torch.zeros(3, dtype=torch.int32), 0, -127, 127
        ),
    )
    torch.testing.assert_close(
        first.bias * first.bias_scale, model[0].bias.detach(), rtol=0, atol=1e-4
    )
    torch.testing.assert_close(second.bias[1] * second.bias_scale[1], torch.tensor(5.0))


@pytest.mark.parametrize("observer", [name for name in RANGES if name != "minmax"])
def test_every_way_to_choose_ranges_keeps_the_answers(observer):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)).eval()
    X = torch.rand(16, 1, 12, 12)
    quantized = quantize_static(model, X, observer=observer)
    error = (quantized(X) - model(X)).norm() / model(X).norm()
    assert error < 0.05


def test_percentiles_of_what_is_observed_leave_out_half_of_what_they_say():
    generator, observer = torch.Generator().manual_seed(0), Observer()
    batches = [torch.randn(400_000, generator=generator) for _ in range(8)]
    for batch in batches:
        assert observer(batch) is batch
    low, high = RANGES["percentile"](torch.cat(observer.seen))
    shares = [100 * float((torch.cat(batches) * sign > end).float().mean())
              for sign, end in ((1, high), (-1, -low))]  # fmt: skip
    assert 0.003 < sum(shares) / 2 < 0.007  # of the samples alone it would be 0.01


def test_fewer_bits_lose_more_and_seven_lose_little():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 4, 3)).eval()
    X = torch.rand(8, 1, 12, 12)

    def error(**options):
        return (
            (quantize_static(model, X, **options)(X) - model(X)).norm() / model(X).norm()
        ).item()

    errors = [error(weight_bits=bits) for bits in (8, 7, 2)]
    assert errors == sorted(errors)
    assert errors[1] < 0.05
    assert error(activation_bits=2) > 5 * error(activation_bits=8)


def test_a_layer_called_twice_gets_a_grid_for_each_call():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, X):
            return self.conv(10 * self.conv(X))

    model, X = Twice(), torch.rand(4, 2, 6, 6)
    quantized = quantize_static(model, X)
    assert isinstance(quantized.get_submodule("conv_2"), QuantizedLayer)
    torch.testing.assert_close(quantized(X), model(X).detach(), rtol=0, atol=0.1)


@pytest.mark.parametrize("bias", [True, False])
def test_layers_of_one_weight_keep_their_own_biases(bias):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 4, 3, bias=bias), nn.ReLU(), nn.Conv2d(4, 4, 3, bias=bias))
    model[2].weight = model[0].weight
    X = torch.rand(8, 4, 8, 8)
    folded = fold_batch_norm(model, X)
    torch.testing.assert_close(folded(X), model(X))
    assert all(each.requires_grad for each in folded.parameters())
    torch.testing.assert_close(quantize_static(model, X)(X), model(X).detach(), rtol=0, atol=0.05)


def test_a_frozen_layer_stays_frozen_when_it_is_quantized_and_back():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3))
    model[0].requires_grad_(False)
    quantized = quantize_static(model, torch.rand(4, 1, 8, 8))
    assert not any(each.requires_grad for each in quantized.parameters())
    plain = edu.to_plain(quantized)
    assert [each.requires_grad for each in plain.parameters()] == [False, False, True, True]


@pytest.mark.parametrize("tokens", [6, 8])
def test_a_batch_norm_of_tokens_is_not_folded_into_the_features(tokens):
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(tokens)
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.3, 3)
    model, X = nn.Sequential(nn.Linear(4, 8), norm, nn.ReLU()).eval(), torch.randn(3, tokens, 4)
    torch.testing.assert_close(fold_batch_norm(model, X)(X), model(X))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.ConvTranspose2d(2, 2, 3), r"in float stay '1' \(conv_transpose2d\)"),
        (nn.Sequential(nn.Flatten(2), nn.Conv1d(2, 2, 3)), r"in float stay '1.1' \(conv1d\)"),
    ],
)
def test_a_layer_that_gets_no_integers_is_named_and_stays(layer, message):
    model, X = nn.Sequential(nn.Conv2d(1, 2, 3), layer).eval(), torch.rand(2, 1, 8, 8)
    with pytest.warns(UserWarning, match=message):
        quantized = quantize_static(model, X)
    torch.testing.assert_close(quantized(X), model(X).detach(), rtol=0, atol=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"observer": "max"}, "observer is one of minmax, percentile, mse, entropy, got 'max'"),
        ({"weight_bits": 9}, "bits must be from 2 to 8, got 9"),
        ({"calibration": torch.rand(0, 1, 8, 8)}, "calibration is empty"),
        ({"calibration": torch.full((1, 1, 8, 8), float("nan"))}, "NaN or infinity in it"),
        ({"calibration": torch.zeros(1, 1, 8, 8, dtype=torch.uint8)}, "must be a float tensor"),
    ],
)
def test_quantize_static_refuses(options, message):
    arguments = {"model": nn.Conv2d(1, 2, 3), "calibration": torch.rand(2, 1, 8, 8)} | options
    with pytest.raises(ValueError, match=message):
        quantize_static(**arguments)
