"""Separable convolutions against torchvision's MobileNets, NumPy's SVD and plain convolutions."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.mobilenetv2 import InvertedResidual as TorchvisionV2
from torchvision.models.mobilenetv3 import InvertedResidual as TorchvisionV3
from torchvision.models.mobilenetv3 import InvertedResidualConfig

from edu_lib.cost import count_cost
from edu_lib.models.alexnet import AlexNet2012
from edu_lib.models.lenet import LeNet5, LeNet5Caffe, LeNet300100
from edu_lib.models.lenet1998 import LeNet1998
from edu_lib.models.roadnet import RoadNet
from edu_lib.models.small_alexnet import SmallAlexNet
from edu_lib.models.vgg import VGG16
from edu_lib.techniques.factorization import (
    DepthwisePair,
    DepthwiseSeparable,
    InvertedResidual,
    ShuffledGroups,
    SpatiallySeparable,
    SpatialPair,
    SqueezeExcite,
    conv_norm,
    relative_error,
    separable_from,
    separate,
)

# A convolution of every kind that the networks of the kit hold, and some harder ones.
CONVOLUTIONS = {
    "plain": {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "padding": 1},
    "stride": {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 2, "padding": 1},
    "oblong": {"in_channels": 4, "out_channels": 6, "kernel_size": (3, 5), "stride": (1, 2)},
    "dilated": {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "dilation": 2},
    "same": {"in_channels": 4, "out_channels": 6, "kernel_size": 5, "padding": "same"},
    "mirrored": {
        "in_channels": 4, "out_channels": 6, "kernel_size": 3, "padding": 1,
        "padding_mode": "reflect",
    },
    "groups": {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "groups": 2, "bias": False},
}  # fmt: skip
KINDS = ("depthwise", "spatial")


def convolution(name):
    torch.manual_seed(0)
    return nn.Conv2d(**CONVOLUTIONS[name])


def randomize(module):
    """Weights and statistics that no two layers share, so that a mix-up shows."""
    torch.manual_seed(0)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape) + 0.2)
    return module


def give_weights(ours, theirs):
    """Copy our weights into torchvision's block, which has the same layers in the same order."""
    own, other = ours.state_dict(), theirs.state_dict()
    assert [value.shape for value in own.values()] == [value.shape for value in other.values()]
    theirs.load_state_dict(dict(zip(other, own.values(), strict=True)))


# Blocks


@pytest.mark.parametrize(
    ("out_channels", "stride", "expansion"), [(8, 1, 3), (8, 2, 3), (16, 1, 6), (8, 1, 1)]
)
def test_inverted_residual_equals_that_of_mobilenet_v2(out_channels, stride, expansion):
    ours = InvertedResidual(8, out_channels, 3, stride, expansion, activation=nn.ReLU6)
    theirs = TorchvisionV2(8, out_channels, stride=stride, expand_ratio=expansion)
    give_weights(randomize(ours), theirs)
    X = torch.randn(2, 8, 12, 12)
    torch.testing.assert_close(ours.eval()(X), theirs.eval()(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("kernel", "expanded", "out_channels", "excite", "activation", "stride"),
    [(3, 16, 16, True, "RE", 1), (5, 88, 24, True, "HS", 2), (5, 96, 16, False, "HS", 1)],
)
def test_inverted_residual_equals_that_of_mobilenet_v3(
    kernel, expanded, out_channels, excite, activation, stride
):
    config = InvertedResidualConfig(
        16, kernel, expanded, out_channels, excite, activation, stride, dilation=1, width_mult=1.0
    )
    theirs = TorchvisionV3(config, norm_layer=nn.BatchNorm2d)
    ours = InvertedResidual(
        16,
        out_channels,
        kernel,
        stride,
        expansion=expanded / 16,
        activation=nn.Hardswish if activation == "HS" else nn.ReLU,
        squeeze_excite=excite,
    )
    give_weights(randomize(ours), theirs)
    X = torch.randn(2, 16, 9, 9)
    torch.testing.assert_close(ours.eval()(X), theirs.eval()(X), rtol=1e-4, atol=1e-3)


def test_weights_saved_before_still_have_their_names():
    block = InvertedResidual(8, 8).state_dict()
    parts = {name.split(".")[0] for name in block}
    assert parts == {"expand", "depthwise", "project"}
    assert "depthwise.0.weight" in DepthwiseSeparable(4, 4).state_dict()


def test_shuffle_is_that_of_pytorch():
    block = randomize(ShuffledGroups(6, 12, groups=3)).eval()
    X = torch.randn(1, 6, 5, 5)
    expected = nn.ChannelShuffle(3)(block.conv(X))
    torch.testing.assert_close(block(X), expected)
    with pytest.raises(ValueError, match="groups must divide in_channels and out_channels, got 4"):
        ShuffledGroups(6, 12, groups=4)


@pytest.mark.parametrize(
    ("block", "formula"),
    [
        (conv_norm, lambda C, D, k, s: C * D * k**2),
        (partial(conv_norm, groups=4), lambda C, D, k, s: C * D * k**2 // 4),
        (partial(ShuffledGroups, groups=4), lambda C, D, k, s: C * D * k**2 // 4),
        (DepthwiseSeparable, lambda C, D, k, s: C * (k**2 + D)),
        (SpatiallySeparable, lambda C, D, k, s: D * k * (C * s + D)),
        (partial(SpatiallySeparable, mid_channels=8), lambda C, D, k, s: 8 * k * (C * s + D)),
    ],
)
@pytest.mark.parametrize(("kernel_size", "stride"), [(3, 1), (5, 2)])
def test_blocks_cost_what_their_formulas_say(block, formula, kernel_size, stride):
    C, D, H, W = 16, 24, 8, 12
    built = block(C, D, kernel_size=kernel_size, stride=stride)
    cost = count_cost(built, (1, C, H * stride, W * stride))
    assert cost.macs == H * W * formula(C, D, kernel_size, stride)
    assert built(torch.rand(2, C, H * stride, W * stride)).shape == (2, D, H, W)


def test_inverted_residual_and_squeeze_cost_what_their_formulas_say():
    C, D, E, k, H, W = 8, 16, 24, 3, 6, 10
    cost = count_cost(InvertedResidual(C, D, k, expansion=3), (1, C, H, W))
    assert cost.macs == H * W * E * (C + k**2 + D)
    assert count_cost(SqueezeExcite(32), (1, 32, H, W)).macs == 2 * 32 * 8


# One convolution taken apart


def numpy_error(W, rank, kind, groups):
    """Relative error of the best approximation, from NumPy's singular values, group by group."""
    lost = 0.0
    for group in np.split(W, groups):
        if kind == "depthwise":
            matrices = [group[:, c].reshape(len(group), -1) for c in range(group.shape[1])]
        else:
            matrices = [group.transpose(1, 2, 0, 3).reshape(group.shape[1] * group.shape[2], -1)]
        for matrix in matrices:
            lost += (np.linalg.svd(matrix, compute_uv=False)[rank:] ** 2).sum()
    return np.sqrt(lost) / np.linalg.norm(W)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("rank", [1, 2])
def test_the_approximation_is_as_good_as_numpys_svd_says_it_can_be(kind, name, rank):
    conv = convolution(name)
    pair = separable_from(conv, kind, rank)
    best = numpy_error(conv.weight.detach().double().numpy(), rank, kind, conv.groups)
    assert best > 0.1
    assert relative_error(conv, pair) == pytest.approx(best, rel=1e-4)


def test_rank_one_is_numpys_outer_product_in_each_channel():
    conv = convolution("plain")
    pair = separable_from(conv)
    W = conv.weight.detach().double().numpy()
    for c in range(conv.in_channels):
        U, s, Vt = np.linalg.svd(W[:, c].reshape(conv.out_channels, 9), full_matrices=False)
        expected = (s[0] * np.outer(U[:, 0], Vt[0])).reshape(-1, 3, 3)
        np.testing.assert_allclose(pair.kernel()[:, c].detach(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_the_pair_computes_the_convolution_with_the_kernel_it_tells(kind, name):
    conv = convolution(name)
    pair = separable_from(conv, kind, rank=2)
    whole = copy.deepcopy(conv)
    whole.weight.data = pair.kernel().detach()
    X = torch.randn(2, conv.in_channels, 11, 13)
    torch.testing.assert_close(pair(X), whole(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_at_full_rank_nothing_is_lost(kind, name):
    conv = convolution(name)
    pair_type = {"depthwise": DepthwisePair, "spatial": SpatialPair}[kind]
    pair = separable_from(conv, kind, pair_type.full_rank(conv))
    assert relative_error(conv, pair) < 1e-5
    X = torch.randn(2, conv.in_channels, 11, 13)
    torch.testing.assert_close(pair(X), conv(X), rtol=1e-4, atol=1e-5)


def test_a_spatial_pair_without_a_rank_saves_the_factor_k():
    conv = nn.Conv2d(16, 16, 5, padding=2, bias=False)
    X = (1, 16, 8, 8)
    assert count_cost(SpatialPair(conv), X).macs * 5 == count_cost(conv, X).macs


def test_sixteen_bits_are_taken_apart_too():
    conv = convolution("plain").to(torch.bfloat16)
    pair = separable_from(conv)
    assert pair.depthwise.weight.dtype == torch.bfloat16
    best = numpy_error(conv.weight.detach().double().numpy(), 1, "depthwise", 1)
    assert relative_error(conv, pair) == pytest.approx(best, rel=0.01)


def test_all_zeros_and_frozen_layers_keep_what_they_are():
    conv = convolution("plain").requires_grad_(False)
    conv.weight.zero_()
    pair = separable_from(conv)
    assert relative_error(conv, pair) == 0
    assert not any(parameter.requires_grad for parameter in pair.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "depth"}, "kind is one of depthwise, spatial, got 'depth'"),
        ({"rank": 0}, "rank is from 1 to 6 here, got 0"),
        ({"rank": 7}, "rank is from 1 to 6 here, got 7"),
        ({"conv": nn.ConvTranspose2d(4, 6, 3)}, "this ConvTranspose2d is no plain nn.Conv2d"),
        ({"conv": nn.Linear(4, 6)}, "this Linear is no plain nn.Conv2d"),
        ({"conv": nn.Conv2d(4, 6, 3, device="meta")}, "no values to start from"),
    ],
)
def test_separable_from_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        separable_from(**{"conv": convolution("plain")} | arguments)


# A network rewritten


def small_networks():
    return {
        "LeNet5": (LeNet5, (1, 28, 28)),
        "LeNet5Caffe": (LeNet5Caffe, (1, 28, 28)),
        "LeNet1998": (LeNet1998, (1, 28, 28)),
        "SmallAlexNet": (partial(SmallAlexNet, width=8), (1, 28, 28)),
        "RoadNet": (partial(RoadNet, width=0.125), (3, 32, 64)),
    }


def outputs(model, X):
    y = model(X)
    return torch.cat([value.flatten(1) for value in y.values()], 1) if isinstance(y, dict) else y


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", small_networks())
def test_networks_of_the_kit_become_cheaper_and_still_train(name, kind):
    build, shape = small_networks()[name]
    torch.manual_seed(0)
    model = build().eval()
    before = copy.deepcopy(model.state_dict())
    convolutions = [name for name, part in model.named_modules() if isinstance(part, nn.Conv2d)]
    separated = separate(model, kind=kind, skip=convolutions[:1])
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not separated.training
    assert count_cost(separated, (1, *shape)).macs < count_cost(model, (1, *shape)).macs
    X = torch.rand(2, *shape)
    assert outputs(separated, X).shape == outputs(model, X).shape
    outputs(separated.train(), X).sum().backward()
    pairs = [m for m in separated.modules() if isinstance(m, DepthwisePair | SpatialPair)]
    assert pairs
    assert all(p.grad is not None for pair in pairs for p in pair.parameters())


@pytest.mark.parametrize("network", [VGG16, AlexNet2012])
def test_large_networks_are_rewritten_without_memory(network):
    with torch.device("meta"):
        model = network()
    separated = separate(model, start="random", activation=nn.ReLU)
    X = (1, 3, 224, 224)
    share = count_cost(separated, X).macs / count_cost(model, X).macs
    assert share < (0.2 if network is VGG16 else 0.4)


def test_separated_at_full_rank_a_network_answers_as_before():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 64, 3, padding=1)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), conv).eval()
    # kernels of rank 2 in each channel, so that rank 2 loses nothing and is smaller
    conv.weight.data = torch.einsum(
        "dcr,crij->dcij", torch.randn(64, 3, 2), torch.randn(3, 2, 3, 3)
    )
    separated = separate(model, rank=2, skip=["0"])
    assert [type(layer) for layer in separated] == [nn.Conv2d, nn.ReLU, DepthwisePair]
    X = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(separated(X), model(X), rtol=1e-4, atol=1e-4)


def test_errors_are_told_layer_by_layer():
    torch.manual_seed(0)
    model = LeNet5()
    separated = separate(model, skip=["c1"])
    for name in ("c3", "c5"):
        layer = model.get_submodule(name)
        error = relative_error(layer, separated.get_submodule(name))
        W = layer.weight.detach().double().numpy()
        assert error == pytest.approx(numpy_error(W, 1, "depthwise", 1), rel=1e-4)


def test_what_is_skipped_stays():
    model = LeNet5()
    assert isinstance(separate(model).c1, DepthwisePair)
    kept = separate(model, skip=["c1", "c5"])
    assert isinstance(kept.c3, DepthwisePair)
    assert isinstance(kept.c5, nn.Conv2d)
    road = separate(RoadNet(["ego"], width=0.125), skip=["encoder.stages.0", "encoder.stem"])
    assert not any(isinstance(m, DepthwisePair) for m in road.encoder.stages[0].modules())
    assert any(isinstance(m, DepthwisePair) for m in road.encoder.stages[1].modules())


def test_1x1_and_depthwise_layers_stay_and_grouped_ones_are_treated():
    model = nn.Sequential(
        nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 16, 3, groups=2)
    )
    separated = separate(model)
    assert [type(layer) for layer in separated] == [nn.Conv2d, nn.Conv2d, DepthwisePair]
    assert separated[2].pointwise.groups == 2


def test_a_layer_in_two_places_stays_one():
    shared = nn.Conv2d(8, 8, 3, padding=1)
    model = nn.ModuleDict({"a": nn.Sequential(shared), "b": nn.Sequential(shared)})
    separated = separate(model)
    assert isinstance(separated["a"][0], DepthwisePair)
    assert separated["a"][0] is separated["b"][0]


def test_a_random_start_depends_on_its_seed_alone():
    model = LeNet5()
    state = torch.get_rng_state()
    first = separate(model, start="random", activation=nn.ReLU, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    second = separate(model, start="random", activation=nn.ReLU, seed=3)
    other = separate(model, start="random", activation=nn.ReLU, seed=4)
    assert torch.equal(first.c3.depthwise.weight, second.c3.depthwise.weight)
    assert not torch.equal(first.c3.depthwise.weight, other.c3.depthwise.weight)
    assert [type(layer) for layer in first.c3.between] == [nn.BatchNorm2d, nn.ReLU]
    with pytest.raises(ValueError, match="no one kernel"):
        relative_error(model.c3, first.c3)


class Doubled(nn.Conv2d):
    """A convolution that does something of its own."""

    def forward(self, X):
        return 2 * F.conv2d(X, self.weight, self.bias)


def with_layer(layer):
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sequential(layer, nn.ReLU()))


def broken():
    layer = nn.Conv2d(8, 8, 3)
    layer.weight.data[0] = float("nan")
    return layer


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.ConvTranspose2d(8, 8, 3), r"layer '1.0' is no plain nn.Conv2d.*name it in skip"),
        (Doubled(8, 8, 3), "layer '1.0' is no plain nn.Conv2d"),
        (broken(), "layer '1.0' has weights that are not finite"),
    ],
)
def test_a_layer_it_cannot_treat_is_named(layer, message):
    model = with_layer(layer)
    with pytest.raises(ValueError, match=message):
        separate(model)
    assert model[1][0] is layer


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": LeNet300100()}, "LeNet300100 has no convolution that separating would make"),
        ({"model": nn.Conv2d(3, 8, 3)}, "take separable_from"),
        ({"kind": "both"}, "kind is one of depthwise, spatial, got 'both'"),
        ({"start": "trained"}, "start is one of weights, random, got 'trained'"),
        ({"rank": 0}, "rank must be at least 1, got 0"),
        ({"activation": nn.ReLU}, 'leave it out, or start="random"'),
        ({"skip": ["c4"]}, "LeNet5 has no part 'c4' to skip"),
        ({"skip": "c3"}, "skip is a collection of names, got the text 'c3'"),
    ],
)
def test_separate_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        separate(**{"model": LeNet5()} | arguments)
