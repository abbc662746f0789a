"""Channel pruning against Torch-Pruning, against networks emptied by hand, and against autograd."""

import copy
import functools

import pytest
import torch
import torch_pruning as tp
import torchvision.models as tv
from torch import nn
from torchvision.models.resnet import BasicBlock

from edu_lib.cost import count_cost
from edu_lib.models.alexnet import AlexNet
from edu_lib.models.lenet import LeNet5, LeNet5Caffe, LeNet300100
from edu_lib.models.lenet1998 import LeNet1998
from edu_lib.models.roadnet import RoadNet
from edu_lib.models.small_alexnet import SmallAlexNet
from edu_lib.techniques.factorization import conv_norm
from edu_lib.techniques.pruning import (
    channel_scores,
    plan_channels,
    prune,
    prune_channels,
    remove_channels,
    trace_channels,
    zero_channels,
)

DIGIT, ROAD, PHOTO = (1, 1, 28, 28), (1, 3, 64, 64), (1, 3, 224, 224)


def with_a_small_head(build):
    """The network with 64 neurons in its hidden linear layers: full ones take 500 MB a copy."""
    with torch.device("meta"):
        model = build()
        linear = [(name, part) for name, part in model.named_modules() if type(part) is nn.Linear]
        widths = (
            [linear[0][1].in_features] + [64] * (len(linear) - 1) + [linear[-1][1].out_features]
        )
        for place, (name, _) in enumerate(linear):
            model.set_submodule(name, nn.Linear(widths[place], widths[place + 1]))
    model.to_empty(device="cpu")
    for part in model.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.reset_parameters()
    return model


# name: (how to make it, the shape it takes)
NETWORKS = {
    "LeNet5": (LeNet5, DIGIT),
    "LeNet5 sigmoid": (functools.partial(LeNet5, nn.Sigmoid, nn.AvgPool2d), DIGIT),
    "LeNet5Caffe": (LeNet5Caffe, DIGIT),
    "LeNet300100": (LeNet300100, DIGIT),
    "SmallAlexNet": (SmallAlexNet, DIGIT),
    "AlexNet": (functools.partial(with_a_small_head, AlexNet), PHOTO),
    "RoadNet standard": (functools.partial(RoadNet, width=0.5), ROAD),
    "RoadNet segmentation": (functools.partial(RoadNet, ["segmentation"], 0.5), ROAD),
    "RoadNet separable": (functools.partial(RoadNet, width=0.5, kind="separable"), ROAD),
    "RoadNet inverted": (functools.partial(RoadNet, width=0.5, kind="inverted"), ROAD),
    "resnet12": (functools.partial(tv.ResNet, BasicBlock, [2, 1, 1, 1], 10), ROAD),
    "vgg11": (
        functools.partial(with_a_small_head, functools.partial(tv.vgg11, num_classes=10)),
        ROAD,
    ),
    "mobilenet_v2": (functools.partial(tv.mobilenet_v2, num_classes=10), ROAD),
}
# groups of two channels, and squeeze-excite, where Torch-Pruning makes other groups
HARDER = {
    "SmallAlexNet towers": (functools.partial(SmallAlexNet, towers=2), DIGIT),
    "mobilenet_v3_small": (functools.partial(tv.mobilenet_v3_small, num_classes=10), ROAD),
}
WEIGHTED = (nn.Conv2d, nn.Linear)
# one of each kind: plain, of towers, residual and dense heads, depthwise
QUICK = {"LeNet5", "SmallAlexNet towers", "RoadNet separable", "resnet12", "mobilenet_v3_small"}
# the tests of one network follow one another: it is made, and its plan, once
each_network = pytest.mark.parametrize("name", NETWORKS, scope="module")


def some(*names):
    """Names of networks, of which --quick takes one of each kind."""
    slow = pytest.mark.slow
    return [pytest.param(name, marks=() if name in QUICK else slow) for name in names]


@functools.lru_cache(maxsize=2)  # all networks at once take a third of a gigabyte
def network(name):
    """The network in evaluation mode, with statistics of batch norm that are not 0 and 1."""
    build, shape = (NETWORKS | HARDER)[name]
    torch.manual_seed(0)
    model = build().eval()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.3)
            nn.init.normal_(part.running_mean, std=0.3)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    return model, torch.rand(shape)


@functools.lru_cache(maxsize=2)
def half_plan(name):
    return plan_channels(*network(name), ratio=0.5)


def outputs_of(model, X):
    with torch.no_grad():
        outputs = model(X)
    return list(outputs.values()) if isinstance(outputs, dict) else [outputs]


def is_depthwise(layer):
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1


def answering_layers(model, graph):
    """Layers whose output is the network's, by our graph: Torch-Pruning must be told them."""
    free = {name for group in graph.groups for name in group.layers("makes")}
    makers = {place.layer for place in graph.places if place.role == "makes"}
    return [model.get_submodule(name) for name in makers - free]


def out_channels_of(layer):
    """Torch-Pruning's function that removes output channels, and how many there are."""
    if isinstance(layer, nn.Conv2d):
        return tp.prune_conv_out_channels, layer.out_channels
    return tp.prune_linear_out_channels, layer.out_features


def their_groups(model, X, ignored):
    """{(makers, readers, carriers)} as Torch-Pruning's dependency graph finds them."""
    graph = tp.DependencyGraph().build_dependency(model, example_inputs=X)
    names = {part: name for name, part in model.named_modules()}
    found = set()
    for root in names:
        if not isinstance(root, WEIGHTED) or is_depthwise(root) or root in ignored:
            continue
        function, width = out_channels_of(root)
        makers, readers, carriers = set(), set(), set()
        for dependency, _ in graph.get_pruning_group(root, function, list(range(width))):
            layer = dependency.target.module
            if layer not in names or not list(layer.parameters(recurse=False)):
                continue
            if not isinstance(layer, WEIGHTED) or is_depthwise(layer):
                carriers.add(names[layer])
            elif graph.is_out_channel_pruning_fn(dependency.handler):
                makers.add(names[layer])
            else:
                readers.add(names[layer])
        found.add((frozenset(makers), frozenset(readers), frozenset(carriers)))
    return found


def our_groups(graph):
    found = set()
    for group in graph.groups:
        makers, readers, carriers = (
            frozenset(group.layers(role)) for role in ("makes", "reads", "carries")
        )
        # a bias is carried by the layer that makes the channel
        found.add((makers, readers, carriers - makers))
    return found


def prune_like(model, X, plan):
    """A copy in which Torch-Pruning removes the channels of our plan, group by group."""
    pruned = copy.deepcopy(model)
    graph = tp.DependencyGraph().build_dependency(pruned, example_inputs=X)
    for group in plan.graph.groups:
        made = next(place for place in group.places if place.role == "makes")
        removed = plan.removed[made.numbers] & torch.isin(made.numbers, group.numbers)
        layer = pruned.get_submodule(made.layer)
        function, _ = out_channels_of(layer)
        graph.get_pruning_group(layer, function, removed.nonzero()[:, 0].tolist()).prune()
    return pruned


# Torch-Pruning


@pytest.mark.slow
@each_network
def test_groups_are_those_of_torch_pruning(name):
    model, X = network(name)
    graph = trace_channels(model, X)
    assert our_groups(graph) == their_groups(model, X, answering_layers(model, graph))


@pytest.mark.slow
@each_network
def test_removal_leaves_the_weights_that_torch_pruning_leaves(name):
    model, X = network(name)
    plan = half_plan(name)
    ours = remove_channels(model, plan).state_dict()
    theirs = prune_like(model, X, plan).state_dict()
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert torch.equal(value, theirs[key]), key


@pytest.mark.parametrize("name", some("LeNet5", "RoadNet standard", "resnet12", "mobilenet_v2"))
def test_half_the_channels_has_the_shapes_of_torch_prunings_pruner(name):
    model, X = network(name)
    theirs = copy.deepcopy(model)
    graph = trace_channels(theirs, X)
    tp.pruner.BasePruner(
        theirs,
        X,
        importance=tp.importance.MagnitudeImportance(p=1),
        pruning_ratio=0.5,
        ignored_layers=answering_layers(theirs, graph),
    ).step()
    ours = prune_channels(model, X, ratio=0.5)
    shapes = {key: value.shape for key, value in ours.state_dict().items()}
    assert shapes == {key: value.shape for key, value in theirs.state_dict().items()}


# Zeroed, then removed


@pytest.mark.parametrize("name", some(*NETWORKS, *HARDER), scope="module")
def test_a_removed_channel_counts_as_much_as_a_zeroed_one(name):
    model, X = network(name)
    plan = half_plan(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    zeroed, smaller = zero_channels(model, plan), remove_channels(model, plan)
    for expected, got, whole in zip(
        outputs_of(zeroed, X), outputs_of(smaller, X), outputs_of(model, X), strict=True
    ):
        scale = float(expected.abs().max().clamp(min=1))
        torch.testing.assert_close(got / scale, expected / scale, rtol=0, atol=1e-5)
        assert not torch.allclose(got, whole, rtol=0, atol=1e-5 * scale)
    size = sum(each.numel() for each in smaller.parameters())
    assert size < sum(each.numel() for each in model.parameters())
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_zeroed_channels_are_really_zero_all_the_way():
    model, X = network("RoadNet segmentation")
    zeroed = zero_channels(model, half_plan("RoadNet segmentation"))
    seen = {}
    block = zeroed.encoder.stages[1][0]
    block.register_forward_hook(lambda part, args, output: seen.update(output=output))
    outputs_of(zeroed, X)
    empty = (seen["output"].abs().amax(dim=(0, 2, 3)) == 0).sum()
    assert empty >= block.conv2[0].out_channels // 2


def test_layers_state_the_sizes_they_have():
    smaller = prune_channels(*network("mobilenet_v2"), ratio=0.5)
    for part in smaller.modules():
        if isinstance(part, nn.Conv2d):
            again = nn.Conv2d(
                part.in_channels, part.out_channels, part.kernel_size, groups=part.groups
            )
            assert again.weight.shape == part.weight.shape
        if isinstance(part, nn.BatchNorm2d):
            assert part.weight.shape == part.running_var.shape == (part.num_features,)
        if isinstance(part, nn.Linear):
            assert part.weight.shape == (part.out_features, part.in_features)


def test_a_pruned_network_trains_and_keeps_what_is_frozen():
    model = LeNet5()
    model.c1.weight.requires_grad_(False)
    smaller = prune_channels(model, torch.rand(DIGIT), ratio=0.5)
    assert not smaller.c1.weight.requires_grad
    smaller(torch.rand(4, 1, 28, 28)).square().sum().backward()
    assert smaller.c3.weight.grad.shape == smaller.c3.weight.shape


# How much goes


@pytest.mark.parametrize("name", ["LeNet5Caffe", "RoadNet inverted", "resnet12"])
@pytest.mark.parametrize("scope", ["uniform", "global"])
def test_the_macs_that_are_left_are_at_most_those_allowed(name, scope):
    model, X = network(name)
    plan = plan_channels(model, X, mac_share=0.4, scope=scope)
    smaller = remove_channels(model, plan)
    counted = count_cost(smaller, X.shape).macs / count_cost(model, X.shape).macs
    assert counted == pytest.approx(plan.mac_share, rel=1e-3)
    assert 0.3 < plan.mac_share <= 0.4


def test_widths_are_multiples_or_untouched():
    model, X = network("RoadNet segmentation")
    plan = plan_channels(model, X, ratio=0.3, round_to=16)
    for _, before, after in plan.widths():
        assert after % 16 == 0 or after == before
        assert after >= min(before, 0.7 * before)
    assert any(after < before for _, before, after in plan.widths())


def test_steps_reach_the_share_of_the_whole_network():
    seen = []
    model, X = network("LeNet5Caffe")
    smaller = prune_channels(
        model, X, ratio=0.75, steps=2, recover=lambda part: seen.append(part.fc1.out_features)
    )
    assert seen == [250, 125]
    assert smaller.fc1.out_features == 125
    shares = []
    whole = count_cost(model, X.shape).macs
    prune_channels(
        model, X, mac_share=0.25, steps=2,
        recover=lambda part: shares.append(count_cost(part, X.shape).macs / whole),
    )  # fmt: skip
    assert shares == [pytest.approx(0.5, abs=0.03), pytest.approx(0.25, abs=0.02)]


class Depthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.deep = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=4)
        self.wide, self.head = nn.Conv2d(4, 16, 1), nn.Linear(16, 10)

    def forward(self, X):
        X = self.wide(self.deep(self.first(X).relu()).relu()).relu()
        return self.head(X.mean((2, 3)))


@pytest.mark.parametrize("share", [{"ratio": 0.9}, {"mac_share": 0.2}])
def test_steps_go_on_when_a_depthwise_layer_is_down_to_one_channel(share):
    torch.manual_seed(0)
    model, X = Depthwise(), torch.randn(2, 3, 8, 8)
    smaller = prune_channels(model, X, **share, steps=4, recover=lambda part: None)
    assert smaller.deep.weight.shape[0] == smaller.first.weight.shape[0] == 1
    assert smaller(X).shape == (2, 10)
    if "ratio" in share:
        assert smaller.wide.weight.shape[0] == 2  # 16 - round(0.9 * 16), as in one step


def test_kept_layers_stay_whole():
    model, X = network("resnet12")
    smaller = prune_channels(model, X, ratio=0.5, skip=["layer1.0.conv1", "conv1"])
    assert smaller.layer1[0].conv1.out_channels == 64
    # conv1 is added to the outputs of layer1, which stay whole with it
    assert smaller.conv1.out_channels == smaller.layer1[1].conv2.out_channels == 64
    assert smaller.layer1[1].conv1.out_channels == 32


# Which go


def test_l1_removes_the_filters_of_smallest_norm():
    model, X = network("LeNet5Caffe")
    norms = model.conv2.weight.detach().abs().sum(dim=(1, 2, 3))
    kept = norms.topk(25).indices.sort().values
    smaller = prune_channels(model, X, ratio=0.5)
    inputs = model.conv1.weight.detach().abs().sum(dim=(1, 2, 3)).topk(10).indices.sort().values
    assert torch.equal(smaller.conv2.weight, model.conv2.weight[kept][:, inputs])


def test_batchnorm_scores_are_the_scales():
    model, X = network("RoadNet segmentation")
    graph = trace_channels(model, X)
    scores = channel_scores(model, graph, "batchnorm")
    group = next(each for each in graph.groups if each.layers("makes") == ["encoder.stem.0"])
    assert torch.allclose(scores[group.numbers], model.encoder.stem[1].weight.abs())


def gate_gradients(model, layer, loss):
    """Squared gradients of gates of 1, one on each channel of a layer's output."""
    gates = {}

    def multiply(part, args, output):
        gates["z"] = torch.ones(output.shape[1], requires_grad=True)
        return output * gates["z"].reshape(1, -1, *[1] * (output.dim() - 2))

    handle = layer.register_forward_hook(multiply)
    loss(model).backward()
    handle.remove()
    return gates["z"].grad.square()


def test_taylor_scores_are_squared_gradients_of_a_gate():
    model, _ = network("LeNet5Caffe")
    X, y = torch.rand(8, 1, 28, 28), torch.arange(8)
    graph = trace_channels(model, X)

    def loss(part):
        return nn.functional.cross_entropy(part(X), y)

    scores = channel_scores(model, graph, "taylor", loss)
    copied = copy.deepcopy(model)
    # max pooling passes a factor near 1 through; ReLU does not hold what the bias adds
    for maker, gated in (("conv1", "conv1"), ("conv2", "conv2"), ("fc1", "act1")):
        expected = gate_gradients(copied, copied.get_submodule(gated), loss)
        group = next(each for each in graph.groups if each.layers("makes") == [maker])
        torch.testing.assert_close(scores[group.numbers], expected, rtol=1e-3, atol=1e-9)


def test_taylor_averages_over_batches_and_leaves_the_model_alone():
    model, X = network("LeNet5")
    model = copy.deepcopy(model).train()
    graph = trace_channels(model, X)
    batches = torch.rand(3, 4, 1, 28, 28)

    def losses(part):
        return (part(each).square().mean() for each in batches)

    alone = [
        channel_scores(model, graph, "taylor", lambda part, each=each: part(each).square().mean())
        for each in batches
    ]
    together = channel_scores(model, graph, "taylor", losses)
    torch.testing.assert_close(together, torch.stack(alone).mean(0))
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


# What cannot be pruned is named


class Wrapped(nn.Module):
    """Two convolutions with something odd between them."""

    def __init__(self, between):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.odd = between
        self.last = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, X):
        return self.last(self.odd(self.first(X)))


class Shuffle(nn.Module):
    def forward(self, X):
        return X.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(8, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.second.weight = self.first.weight

    def forward(self, X):
        return self.second(self.first(X))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.start = nn.Conv2d(3, 8, 3, padding=1)
        self.again = nn.Conv2d(8, 8, 3, padding=1)
        self.end = nn.Conv2d(8, 2, 1)

    def forward(self, X):
        return self.end(self.again(self.again(self.start(X))))


class Viewed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.fc = nn.Linear(4 * 36, 2)

    def forward(self, X):
        return self.fc(self.conv(X).view(-1, 4 * 36))


SQUARE = torch.rand(1, 3, 8, 8)


@pytest.mark.parametrize(
    ("model", "X", "message"),
    [
        (Wrapped(Shuffle()), SQUARE, r"odd \(Shuffle.*skip=\['first'\]"),
        (Wrapped(nn.GroupNorm(2, 8)), SQUARE, r"odd \(GroupNorm"),
        (Viewed(), torch.rand(1, 1, 8, 8), "written into it"),
        (nn.Sequential(nn.Conv2d(3, 4, 1)), SQUARE, "no channel that could go"),
        (LeNet5(), torch.rand(1, 1, 20, 20), "cannot be traced"),
        (prune(LeNet5(), 0.5), torch.rand(DIGIT), "one that Mask computes: edu_lib.to_plain"),
    ],
)
def test_what_cannot_be_pruned_is_named(model, X, message):
    with pytest.raises(ValueError, match=message):
        prune_channels(model, X, ratio=0.5)


def test_channels_round_an_unknown_operation_can_be_kept():
    model = nn.Sequential(conv_norm(3, 8, 3), Wrapped(nn.GroupNorm(2, 8)))
    model[1].first = nn.Conv2d(8, 8, 3, padding=1)
    smaller = prune_channels(model, SQUARE, ratio=0.5, skip=["1.first"])
    assert smaller[0][0].out_channels == 4
    assert smaller[1].first.weight.shape == (8, 4, 3, 3)


def test_normalisation_over_neighbouring_channels_is_named_and_what_is_behind_it_can_go():
    model = SmallAlexNet(towers=2, lrn=True)
    with pytest.raises(ValueError, match=r"norm1 \(LocalResponseNorm.*conv1', 'features.conv2'\]"):
        prune_channels(model, torch.rand(DIGIT), ratio=0.5)
    skip = ["features.conv1", "features.conv2"]
    smaller = prune_channels(model, torch.rand(DIGIT), ratio=0.5, skip=skip)
    assert smaller.features.conv4.weight.shape[0] == model.features.conv4.out_channels // 2
    assert smaller.features.conv4.groups == 2


def test_a_network_whose_layers_cannot_be_followed_is_refused_not_broken():
    """The network of 1998 has layers of its own; its C3 picks maps by a table."""
    with pytest.raises(ValueError, match=r"c3|s2"):
        prune_channels(LeNet1998(), torch.rand(1, 1, 28, 28), ratio=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratio": 1.0}, r"ratio is a share and must be in \[0, 1\)"),
        ({"ratio": -0.1}, r"must be in \[0, 1\)"),
        ({"ratio": float("nan")}, r"must be in \[0, 1\)"),
        ({}, "either ratio"),
        ({"ratio": 0.5, "mac_share": 0.5}, "either ratio"),
        ({"mac_share": 0.0}, r"mac_share must be in \(0, 1\]"),
        ({"mac_share": 1e-9}, "out of reach"),
        ({"ratio": 0.5, "scope": "layer"}, "scope is one of"),
        ({"ratio": 0.5, "round_to": 0}, "round_to must be"),
        ({"ratio": 0.5, "importance": "l2"}, "importance is one of"),
        ({"ratio": 0.5, "importance": "taylor"}, "needs loss="),
        ({"ratio": 0.5, "importance": "batchnorm"}, "no batch norm scales the channels of c1"),
        ({"ratio": 0.5, "importance": lambda model, graph: torch.ones(3)}, "one score a number"),
        ({"ratio": 0.5, "skip": ["c9"]}, "no part 'c9' to skip"),
        ({"ratio": 0.5, "skip": "c1"}, "got the text 'c1'"),
        ({"ratio": 0.5, "example_input": torch.rand(0, 1, 28, 28)}, "example_input is empty"),
        ({"ratio": 0.5, "steps": 2}, "recover="),
    ],
)
def test_bad_arguments_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        prune_channels(LeNet5(), **{"example_input": torch.rand(DIGIT)} | options)
