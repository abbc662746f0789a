"""AlexNet: the counts of the paper, its towers against two computed by hand, and torchvision's."""

import math

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch.utils.flop_counter import FlopCounterMode

import edu_lib as edu
from edu_lib.models import AlexNet, AlexNet2012, SmallAlexNet, init_scaled_, init_small_
from edu_lib.models.alexnet import LocalResponseNorm


def on_meta(model, *arguments, **named):
    """The network without memory for its weights: enough for counting."""
    with torch.device("meta"):
        return model(*arguments, **named)


def count_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_alexnet_2012_has_60_million_parameters_and_650_000_neurons():
    cost = edu.count_cost(on_meta(AlexNet2012), (1, 3, 224, 224))
    layers = [layer for layer in cost.layers if layer.kind in ("Conv2d", "Linear")]
    neurons = [math.prod(layer.output_shape) for layer in layers]
    # the paper's figure 2 prints 253,440 for the first layer, which is 55 x 48 x 96
    assert neurons == [290_400, 186_624, 64_896, 64_896, 43_264, 4_096, 4_096, 1_000]
    assert sum(neurons) == 659_272
    assert cost.params == 60_965_224
    weights = [(96, 3, 11), (256, 48, 5), (384, 256, 3), (384, 192, 3), (256, 192, 3)]
    convolutions = [out * (inputs * side**2 + 1) for out, inputs, side in weights]
    linear = [4096 * 9217, 4096 * 4097, 1000 * 4097]
    assert [layer.params for layer in layers] == convolutions + linear


@pytest.mark.parametrize(
    ("model", "parameters", "macs"),
    [(AlexNet2012, 60_965_224, 724_406_816), (AlexNet, 61_100_840, 714_188_480)],
)
def test_counts_are_those_the_docstring_says(model, parameters, macs):
    network = on_meta(model)
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, 224, 224, device="meta"))
    assert counter.get_total_flops() == 2 * macs
    assert count_parameters(network) == parameters
    assert f"{parameters:,} parameters" in model.__doc__
    assert f"{macs:,} MACs" in " ".join(model.__doc__.split())


def tower(model, half, X):
    """conv1 to conv2 of one GPU, from the weights of its half alone."""

    def share(layer):
        return layer.weight.chunk(2)[half], layer.bias.chunk(2)[half]

    norm = torch.nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    X = F.max_pool2d(norm(F.relu(F.conv2d(X, *share(model.conv1), stride=4, padding=2))), 3, 2)
    return F.max_pool2d(norm(F.relu(F.conv2d(X, *share(model.conv2), padding=2))), 3, 2)


def upper_tower(model, half, maps):
    """conv3 to pool5 of one GPU; conv3 alone reads the maps of both."""
    X = maps
    for layer in (model.conv3, model.conv4, model.conv5):
        weight, bias = layer.weight.chunk(2)[half], layer.bias.chunk(2)[half]
        X = F.relu(F.conv2d(X, weight, bias, padding=1))
    return F.max_pool2d(X, 3, 2)


def test_grouped_convolutions_equal_two_separate_towers():
    torch.manual_seed(0)
    model = AlexNet2012(num_classes=10).eval()
    X = 50 * torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        for layer in (model.conv1, model.conv2, model.conv3, model.conv4, model.conv5):
            layer.weight.mul_(5)  # answers of a size at which normalisation matters
        exchanged = torch.cat([tower(model, half, X) for half in (0, 1)], dim=1)
        pooled = torch.cat([upper_tower(model, half, exchanged) for half in (0, 1)], dim=1)
        expected = F.relu(F.linear(pooled.flatten(1), model.fc6.weight, model.fc6.bias))
        expected = F.relu(F.linear(expected, model.fc7.weight, model.fc7.bias))
        expected = F.linear(expected, model.fc8.weight, model.fc8.bias)
        torch.testing.assert_close(model(X), expected, rtol=1e-3, atol=1e-3)


def test_one_tower_sees_every_map():
    one, two = on_meta(AlexNet2012, towers=1), on_meta(AlexNet2012)
    assert one.conv2.weight.shape == (256, 96, 5, 5)
    assert one.conv3.weight.shape == two.conv3.weight.shape
    assert count_parameters(one) == 62_378_344


def test_alexnet_2012_starts_as_the_paper_says():
    torch.manual_seed(0)
    model = AlexNet2012(num_classes=10)
    assert model.fc6.weight.std().item() == pytest.approx(0.01, rel=0.01)
    biases = {name: layer.bias for name, layer in model.named_children() if hasattr(layer, "bias")}
    ones = [name for name, bias in biases.items() if bias.eq(1).all()]
    zeros = [name for name, bias in biases.items() if bias.eq(0).all()]
    assert ones == ["conv2", "conv4", "conv5", "fc6", "fc7"]
    assert zeros == ["conv1", "conv3", "fc8"]


def test_response_normalisation_is_the_papers_equation():
    X = 30 * torch.randn(2, 8, 3, 3)
    expected = torch.empty_like(X)
    for i in range(8):
        near = X[:, max(0, i - 2) : min(8, i + 3)]
        expected[:, i] = X[:, i] / (2 + 1e-4 * near.square().sum(dim=1)) ** 0.75
    torch.testing.assert_close(LocalResponseNorm()(X), expected)
    halves = [LocalResponseNorm()(half) for half in X.chunk(2, dim=1)]
    torch.testing.assert_close(LocalResponseNorm(towers=2)(X), torch.cat(halves, dim=1))


def test_alexnet_gives_what_torchvisions_gives():
    theirs = torchvision.models.alexnet(weights=None).eval()
    with torch.device("meta"):
        ours = AlexNet().eval()
    assert count_parameters(ours) == count_parameters(theirs)
    ours.load_state_dict(theirs.state_dict(), assign=True)  # shared: a copy takes 244 MB
    X = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(X), theirs(X))


@pytest.mark.parametrize("image_size", [28, 64])
@pytest.mark.parametrize("depth", [1, 2, 3, 5, 8])
def test_small_alexnet_has_the_depth_and_keeps_its_size_with_either_pooling(image_size, depth):
    overlapping, plain = (
        SmallAlexNet(image_size, in_channels=3, num_classes=7, depth=depth, overlap=overlap)
        for overlap in (True, False)
    )
    convolutions = [part for part in overlapping.modules() if isinstance(part, torch.nn.Conv2d)]
    assert len(convolutions) == depth
    X = torch.rand(2, 3, image_size, image_size)
    assert overlapping(X).shape == plain(X).shape == (2, 7)
    assert overlapping.state_dict().keys() == plain.state_dict().keys()
    assert count_parameters(overlapping) == count_parameters(plain)


def test_small_alexnet_as_it_stands():
    model = SmallAlexNet()
    cost = edu.count_cost(model, (1, 1, 28, 28))
    assert f"{cost.params:,} parameters, {cost.macs:,} MACs" in SmallAlexNet.__doc__
    pixels = torch.full((1, 1, 28, 28), 0.2860)
    assert model.features.normalize(pixels).abs().max() < 1e-6


def test_every_part_of_small_alexnet_can_be_switched():
    def kinds(**parts):
        return {type(part).__name__: part for part in SmallAlexNet(**parts).modules()}

    assert kinds(activation="tanh").keys() ^ kinds().keys() == {"Tanh", "ReLU"}
    assert "Sigmoid" in kinds(activation="sigmoid")
    assert kinds(lrn=True).keys() - kinds().keys() == {"LocalResponseNorm"}
    assert kinds(overlap=False)["MaxPool2d"].kernel_size == 2
    assert kinds()["MaxPool2d"].kernel_size == 3
    assert kinds(dropout=0.25)["Dropout"].p == 0.25
    assert SmallAlexNet(width=4).features.conv1.weight.shape == (4, 1, 5, 5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"activation": "gelu"}, "one of relu, tanh, sigmoid"),
        ({"depth": 0}, "at least 1"),
        ({"image_size": 8}, "14 pixels"),
    ],
)
def test_small_alexnet_refuses_what_it_cannot_be(wrong, message):
    with pytest.raises(ValueError, match=message):
        SmallAlexNet(**wrong)


@pytest.mark.slow
def test_small_alexnet_exports_to_onnx_with_every_part(tmp_path):
    torch.manual_seed(0)
    model = SmallAlexNet(lrn=True, width=4).eval()
    X = torch.rand(2, 1, 28, 28)
    file = edu.export_onnx(model, X, tmp_path / "small.onnx")
    with torch.no_grad():
        y_hat = torch.from_numpy(edu.run_onnx(file, X))
        torch.testing.assert_close(y_hat, model(X), rtol=1e-4, atol=1e-5)


def test_small_alexnet_in_two_towers_shares_only_the_first_and_third_layer():
    groups = {
        name: part.groups
        for name, part in SmallAlexNet(towers=2).features.named_children()
        if isinstance(part, torch.nn.Conv2d)
    }
    assert groups == {"conv1": 1, "conv2": 2, "conv3": 1, "conv4": 2, "conv5": 2}


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_init_scaled_keeps_the_size_of_signals_through_30_layers(activation):
    torch.manual_seed(0)
    act = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[activation]
    parts = [part for _ in range(30) for part in (torch.nn.Linear(200, 200), act())]
    stack = init_scaled_(torch.nn.Sequential(*parts, torch.nn.Linear(200, 200)), activation)
    X = torch.randn(500, 200, requires_grad=True)
    y = stack(X)
    y.mul(torch.randn(y.shape)).sum().backward()
    assert 0.1 < y.std() / X.std() < 3
    assert 0.03 < X.grad.std() < 30
    assert all(part.bias.eq(0).all() for part in stack if hasattr(part, "bias"))


def test_init_scaled_uses_the_gain_of_the_activation_but_not_for_the_output():
    model = init_scaled_(SmallAlexNet(activation="sigmoid"), "sigmoid")
    hidden, output = model.classifier.fc2, model.classifier.fc3
    assert hidden.weight.std().item() == pytest.approx(4 / math.sqrt(128), rel=0.05)
    assert output.weight.std().item() == pytest.approx(1 / math.sqrt(128), rel=0.1)


def test_init_scaled_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="one of relu, tanh, sigmoid"):
        init_scaled_(SmallAlexNet(), "gelu")
    with pytest.raises(ValueError, match="no Conv2d"):
        init_scaled_(torch.nn.ReLU(), "relu")


def test_a_init_small_is_that_of_pytorchs_own_layers_with_biases_at_0():
    torch.manual_seed(0)
    theirs = torch.nn.Linear(300, 400)
    torch.manual_seed(0)
    ours = init_small_(torch.nn.Linear(300, 400))
    assert ours.weight.abs().max() <= 1 / math.sqrt(300)
    assert ours.weight.std().item() == pytest.approx(theirs.weight.std().item(), rel=0.02)
    assert ours.bias.eq(0).all()
    conv = init_small_(torch.nn.Conv2d(6, 50, 5, bias=False))
    assert conv.weight.std().item() == pytest.approx(1 / math.sqrt(3 * 150), rel=0.05)
    with pytest.raises(ValueError, match="no Conv2d"):
        init_small_(torch.nn.ReLU())
