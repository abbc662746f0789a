"""Low-rank layers against NumPy's SVD, plain layers, and counted costs."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from edu_lib.cost import count_cost
from edu_lib.deploy import container
from edu_lib.deploy.container.registry import NETWORKS, complete
from edu_lib.deploy.container.schema import Factoring, factored_blank
from edu_lib.models.lenet import LeNet5, LeNet5Caffe, LeNet300100
from edu_lib.models.lenet1998 import LeNet1998
from edu_lib.models.roadnet import RoadNet
from edu_lib.models.small_alexnet import SmallAlexNet
from edu_lib.techniques.factorization import (
    KINDS,
    LayerPair,
    factor,
    layers_of,
    low_rank_from,
    ranks_by_budget,
    ranks_by_energy,
    singular_values,
    stays_whole,
)
from edu_lib.techniques.pruning import prune

LAYERS = {
    "linear": (lambda: nn.Linear(7, 9), (3, 7)),
    "linear without bias": (lambda: nn.Linear(9, 5, bias=False), (2, 9)),
    "plain": (lambda: nn.Conv2d(4, 6, 3, padding=1), (2, 4, 8, 8)),
    "stride": (lambda: nn.Conv2d(4, 6, 5, stride=2, padding=2), (2, 4, 9, 9)),
    "oblong": (lambda: nn.Conv2d(4, 6, (3, 5), stride=(1, 2)), (2, 4, 9, 9)),
    "dilated": (lambda: nn.Conv2d(4, 6, 3, dilation=2), (2, 4, 9, 9)),
    "mirrored": (lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), (2, 4, 8, 8)),
    "1x1": (lambda: nn.Conv2d(4, 6, 1, bias=False), (2, 4, 5, 5)),
}
# how a kernel [D, C, k_h, k_w] becomes the matrix of each kind, written anew with einsum's letters
MATRIX = {
    "spatial": lambda W: np.moveaxis(W, 0, 2).reshape(W.shape[1] * W.shape[2], -1),
    "channel": lambda W: np.stack([W[:, c].ravel() for c in range(W.shape[1])]),
    "filter": lambda W: W.reshape(len(W), -1),
}


def made(name):
    torch.manual_seed(0)
    build, shape = LAYERS[name]
    return build(), torch.rand(shape)


def full_rank(layer, kind):
    weight = layer.weight.detach().numpy()
    return min((MATRIX[kind](weight) if weight.ndim == 4 else weight).shape)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("kind", KINDS)
def test_full_rank_is_the_layer_itself(name, kind):
    layer, X = made(name)
    before = copy.deepcopy(layer.state_dict())
    pair = low_rank_from(layer, full_rank(layer, kind), kind)
    torch.testing.assert_close(pair(X), layer(X), atol=1e-5, rtol=0)
    torch.testing.assert_close(pair.kernel(), layer.weight, atol=1e-5, rtol=0)
    assert all(torch.equal(before[key], each) for key, each in layer.state_dict().items())


@pytest.mark.parametrize("name", ["linear", "plain", "oblong"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_error_is_that_of_eckart_and_young(name, kind):
    layer, X = made(name)
    rank = full_rank(layer, kind) // 2
    pair = low_rank_from(layer, rank, kind)
    weight = layer.weight.detach().double().numpy()
    s = np.linalg.svd(MATRIX[kind](weight) if weight.ndim == 4 else weight, compute_uv=False)
    error = np.linalg.norm(pair.kernel().detach().double().numpy() - weight)
    assert error == pytest.approx(np.sqrt((s[rank:] ** 2).sum()), rel=1e-5)
    # the two layers compute with that kernel and with the bias of the layer
    thin = copy.deepcopy(layer)
    thin.weight.data.copy_(pair.kernel().detach())
    torch.testing.assert_close(pair(X), thin(X), atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (LeNet5(), (2, 1, 28, 28)),
        (LeNet5Caffe(), (2, 1, 28, 28)),
        (LeNet300100(), (2, 1, 28, 28)),
        (LeNet1998(), (2, 1, 28, 28)),
        (SmallAlexNet(towers=2), (2, 1, 28, 28)),
        (RoadNet(["segmentation", "ego"], width=0.25), (1, 3, 64, 64)),
        (RoadNet(["depth"], width=0.25, kind="inverted"), (1, 3, 64, 64)),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("kind", KINDS)
def test_every_network_of_the_kit(model, shape, kind):
    model.eval()
    X, before = torch.rand(shape), copy.deepcopy(model.state_dict())
    thin = factor(model, 4, kind)
    assert all(torch.equal(before[key], each) for key, each in model.state_dict().items())
    assert count_cost(thin, shape).params < count_cost(model, shape).params
    whole_shapes, thin_shapes = (
        {key: each.shape for key, each in _as_dict(network(X)).items()} for network in (model, thin)
    )
    assert whole_shapes == thin_shapes
    # at full rank, where that saves anything at all, the answers stay
    pairs = {name: part for name, part in thin.named_modules() if isinstance(part, LayerPair)}
    assert pairs
    assert pairs.keys().isdisjoint(stays_whole(model, 4, kind))
    for name, pair in pairs.items():
        W = model.get_submodule(name).weight
        assert 0 < (W - pair.kernel()).norm() < W.norm()
    again = ranks_by_energy(model, 1.0, kind)
    for key, each in _as_dict(factor(model, again, kind)(X)).items():
        torch.testing.assert_close(each, _as_dict(model(X))[key], atol=2e-4, rtol=1e-3)


def _as_dict(output):
    return output if isinstance(output, dict) else {"": output}


def test_a_layer_that_would_be_no_smaller_stays_whole():
    model = LeNet300100()
    thin = factor(model, {"fc1": 20, "fc2": 75, "fc3": 2})
    assert type(thin.fc2) is nn.Linear  # 75 (300 + 100) = 300 * 100
    assert not isinstance(thin.fc1, nn.Linear)
    reasons = stays_whole(model, {"fc1": 20, "fc2": 75})
    assert reasons == {
        "fc2": "would hold 30000 weights at rank 75, and 30000 whole",
        "fc3": "was not asked for",
    }
    assert "has 2 groups" in stays_whole(SmallAlexNet(towers=2), 4)["features.conv2"]


def test_ranks_by_energy_are_the_smallest_that_hold_it():
    model = LeNet5()
    for energy in (0.3, 0.9, 1.0):
        for name, rank in ranks_by_energy(model, energy, "filter").items():
            weight = model.get_submodule(name).weight.detach().double().flatten(1).numpy()
            squares = np.linalg.svd(weight, compute_uv=False) ** 2
            shares = np.append(0, squares.cumsum()) / squares.sum()
            assert shares[rank] >= energy - 1e-6
            assert shares[rank - 1] < energy + 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_budget_is_kept_in_weights_and_in_macs(kind, share):
    torch.manual_seed(0)
    model, shape = LeNet5Caffe().eval(), (1, 1, 28, 28)
    X = torch.rand(shape)
    for given in (None, X):
        thin = factor(model, ranks_by_budget(model, share, kind, X=given), kind)
        whole, left = count_cost(model, shape), count_cost(thin, shape)
        if given is None:
            biases = sum(each.numel() for each in model.parameters() if each.dim() == 1)
            spent = (left.params - biases) / (whole.params - biases)
        else:
            spent = left.macs / whole.macs
        assert share - 0.05 < spent <= share


def test_the_budget_is_taken_where_little_is_lost():
    torch.manual_seed(0)
    flat, steep = nn.Linear(32, 32), nn.Linear(32, 32)
    with torch.no_grad():
        flat.weight.copy_(torch.linalg.qr(torch.randn(32, 32)).Q)
        steep.weight.copy_(torch.diag(0.5 ** torch.arange(32.0)))
    ranks = ranks_by_budget(nn.Sequential(flat, nn.ReLU(), steep), 0.6)
    assert "0" not in ranks
    assert ranks["2"] < 8
    assert singular_values(nn.Sequential(steep))["0"][:3].tolist() == [1.0, 0.5, 0.25]


@pytest.mark.parametrize("twice", [True, False])
def test_layers_of_one_weight_have_one_rank_and_are_paid_once(twice):
    torch.manual_seed(0)
    layer, other = nn.Linear(32, 32), nn.Linear(32, 32)
    other.weight = layer.weight
    model = nn.Sequential(layer, nn.ReLU(), layer if twice else other, nn.Linear(32, 32))
    ranks = ranks_by_budget(model, 0.5)
    assert ranks["0"] == ranks["2"]
    weights = {id(p): p.numel() for p in factor(model, ranks).parameters() if p.dim() > 1}
    assert 0.45 < sum(weights.values()) / (2 * 32 * 32) <= 0.5
    # in MACs each call counts
    X = torch.rand(1, 32)
    thin = factor(model, ranks_by_budget(model, 0.5, X=X))
    assert 0.45 < count_cost(thin, X).macs / (3 * 32 * 32) <= 0.5


def test_a_budget_of_everything_changes_nothing():
    model = LeNet5()
    thin = factor(model, ranks_by_budget(model, 1.0))
    assert thin.state_dict().keys() == model.state_dict().keys()


def test_training_goes_on_and_a_shared_layer_is_factored_once():
    layer = nn.Linear(16, 16)
    thin = factor(nn.Sequential(layer, nn.ReLU(), layer), 3)
    assert thin[0] is thin[2]
    thin(torch.rand(2, 16)).sum().backward()
    assert thin[0].reduce.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: factor(LeNet5(), 4, "depthwise"), "kind is one of spatial, channel, filter"),
        (lambda: factor(LeNet5(), {"c9": 4}), "ranks names 'c9'"),
        (lambda: factor(LeNet5(), {"f6": 85}), "layer 'f6': rank is from 1 to 84 here, got 85"),
        (lambda: factor(LeNet5(), {"f6": 0}), "layer 'f6': rank is from 1 to 84 here, got 0"),
        (lambda: factor(LeNet5(), 0), "rank is from 1"),
        (lambda: factor(LeNet5(), 4, skip=["c9"]), "no part 'c9' to skip"),
        (lambda: low_rank_from(nn.Conv2d(4, 4, 3, groups=2), 2), "this layer has 2 groups"),
        (lambda: factor(nn.Linear(4, 4), 2), "for one layer take low_rank_from"),
        (
            lambda: factor(prune(LeNet5(), 0.5), {"f6": 4}),
            "edu_lib.to_plain",
        ),
        (
            lambda: factor(nn.Sequential(nn.Conv2d(4, 4, 3, groups=2)), {"0": 4}),
            "layer '0' has 2 groups",
        ),
        (lambda: ranks_by_energy(LeNet5(), 0), "energy is a share above 0 and up to 1, got 0"),
        (lambda: ranks_by_budget(LeNet5(), 1.5), "share is above 0 and up to 1, got 1.5"),
        (lambda: ranks_by_budget(LeNet5(), 0.001), "rank 1 everywhere costs"),
    ],
)
def test_factoring_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("model", "shape", "arguments"),
    [
        (LeNet300100(), (2, 1, 28, 28), {}),
        (LeNet5(), (2, 1, 28, 28), {}),
        (SmallAlexNet(towers=2), (2, 1, 28, 28), {"towers": 2}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_factored_network_comes_back_from_its_file(model, shape, arguments, kind, tmp_path):
    thin, X = factor(model.eval(), 4, kind), torch.rand(shape)
    path = container.save(thin, tmp_path / "thin.30f", arguments=arguments)
    again = container.load(path)
    assert torch.equal(again(X), thin(X))
    assert again.state_dict().keys() == thin.state_dict().keys()
    names = {row.name for row in container.inspect(path).rows}
    assert names == set(thin.state_dict())
    # the ranks cost a few bytes
    assert container.inspect(path).head_bytes < 24


def test_a_container_refuses_a_rank_that_cannot_be():
    model = SmallAlexNet(towers=2)
    blank = NETWORKS["SmallAlexNet"].make(complete("SmallAlexNet", {"towers": 2}))
    number = list(layers_of(blank)).index("features.conv2")
    ranks = [0] * len(layers_of(blank))
    ranks[number] = 4
    with pytest.raises(ValueError, match="conv2' of this network cannot be factored"):
        factored_blank(blank, Factoring("spatial", tuple(ranks)))
    ranks[number], ranks[0] = 0, 10_000
    with pytest.raises(ValueError, match="rank is from 1"):
        factored_blank(blank, Factoring("spatial", tuple(ranks)))
    mixed = factor(factor(model, {"features.conv3": 4}), {"features.conv1": 2}, "filter")
    with pytest.raises(ValueError, match="convolutions of one kind can be stored"):
        container.dumps(mixed, arguments={"towers": 2})
