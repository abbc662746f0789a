"""Pruning networks of all kinds: what is followed, what stays whole, and what is said of it."""

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
import torchvision.models as tv
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils import prune as reference

import edu_lib as edu
from edu_lib.techniques.factorization import factor, separate
from edu_lib.techniques.pruning import (
    NotFollowed,
    layers_to_skip,
    masks_of,
    plan_channels,
    prune,
    prune_channels,
    remove_channels,
    sparsity_of,
    trace_channels,
    zero_channels,
)
from edu_lib.techniques.quantization import quantize_static, quantize_weights
from edu_lib.techniques.weight_sharing import codebooks, share_weights

X = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A network from a function of itself and its inputs."""

    def __init__(self, run, **parts):
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs):
        return self.run(self, *inputs)


def conv(inputs, outputs, size=3):
    return nn.Conv2d(inputs, outputs, size, padding=size // 2)


def leaves(outputs):
    return [each for each in torch.utils._pytree.tree_leaves(outputs) if torch.is_tensor(each)]


def halved(model, inputs=X, **options):
    """The network at ratio 0.5, after it was held against the network with zeroed channels."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    model.eval()
    plan = plan_channels(model, inputs, ratio=0.5, **options)
    smaller, zeroed = remove_channels(model, plan), zero_channels(model, plan)
    with torch.no_grad():
        for got, expected in zip(leaves(smaller(*inputs)), leaves(zeroed(*inputs)), strict=True):
            scale = float(expected.abs().max().clamp(min=1))
            torch.testing.assert_close(got / scale, expected / scale, rtol=0, atol=1e-5)
    again = prune_channels(model, inputs, ratio=0.5, **options)
    for key, value in again.state_dict().items():
        assert torch.equal(value, smaller.state_dict()[key]), key
    if len(inputs) == 1:
        shape = (1, *inputs[0].shape[1:])
        saved = edu.count_cost(model, shape).macs - edu.count_cost(smaller, shape).macs
        graph = plan.graph
        assert saved == graph.macs(graph.none_removed()) - graph.macs(plan.removed)
    copy.deepcopy(smaller).train()(*inputs)
    return smaller


# Ten networks of torchvision


def shallow_densenet():
    return tv.DenseNet(growth_rate=8, block_config=(2, 2), num_init_features=16, num_classes=10)


def shallow_resnext():
    block = tv.resnet.Bottleneck
    return tv.ResNet(block, [1, 1, 1, 1], num_classes=10, groups=8, width_per_group=8)


def with_small_classifier(make, in_features):
    """A network whose linear layers of 4,096 units are left out: they take 500 MB."""
    with torch.device("meta"):
        model = make()
        model.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(in_features, 64), nn.ReLU(), nn.Linear(64, 10)
        )
    model.to_empty(device="cpu")
    for layer in model.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    return model


OUTSIDERS = {
    "alexnet": lambda: with_small_classifier(tv.alexnet, 256 * 6 * 6),
    "vgg11_bn": lambda: with_small_classifier(lambda: tv.vgg11_bn(init_weights=False), 512 * 7 * 7),
    "resnet18": lambda: tv.resnet18(num_classes=10),
    "resnext": shallow_resnext,
    "densenet": shallow_densenet,
    "squeezenet1_1": lambda: tv.squeezenet1_1(num_classes=10),
    "googlenet": lambda: tv.googlenet(num_classes=10, aux_logits=True, init_weights=False),
    "mobilenet_v2": lambda: tv.mobilenet_v2(num_classes=10),
    "mobilenet_v3_small": lambda: tv.mobilenet_v3_small(num_classes=10),
    "mnasnet0_5": lambda: tv.mnasnet0_5(num_classes=10),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTSIDERS)
def test_networks_of_torchvision_at_half_their_channels(name):
    torch.manual_seed(0)
    model, images = OUTSIDERS[name]().eval(), torch.rand(2, 3, 64, 64)
    plan = plan_channels(model, images, ratio=0.5)
    smaller = remove_channels(model, plan)
    with torch.no_grad():
        got, expected = smaller(images), zero_channels(model, plan)(images)
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert plan.mac_share < 0.6
    before, after = copy.deepcopy(model).train()(images), smaller.train()(images)
    assert [each.shape for each in leaves(after)] == [each.shape for each in leaves(before)]


# Parts of the channels


def parts_of(sizes, order):
    """A convolution cut into parts of these sizes; the first part passes another convolution."""

    def run(net, x):
        parts = dict(zip("abc", net.conv(x).split(sizes, 1), strict=False))
        parts["a"] = net.mid(parts["a"])
        return net.out(F.relu(net.join(torch.cat([parts[name] for name in order], 1))))

    width = sum(sizes)
    return Net(
        run, conv=conv(3, width), mid=conv(sizes[0], 6),
        join=conv(6 + width - sizes[0], 8, 1), out=conv(8, 2, 1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "order"),
    [([4, 4], "ab"), ([3, 5], "ab"), ([3, 5], "ba"), ([5, 3], "ba"), ([2, 3, 1], "bac")],
)
def test_parts_of_stated_sizes_behind_a_skipped_layer(sizes, order):
    model = parts_of(sizes, order)
    with pytest.raises(ValueError, match=r"split_with_sizes.*skip=\['conv'\]"):
        prune_channels(model, X, ratio=0.5)
    smaller = halved(model, skip=["conv"])
    assert smaller.conv.out_channels == sum(sizes)
    assert smaller.mid.out_channels == 3


CUTS = {
    "narrow": lambda x: torch.cat([x.narrow(1, 3, 5), x.narrow(1, 0, 3)], 1),
    "slice": lambda x: torch.cat([x[:, 5:], x[:, :5]], 1),
    "unbind": lambda x: torch.stack(x.unbind(1)[::-1], 1),
    "uneven chunk": lambda x: torch.cat(x.chunk(3, 1)[::-1], 1),
    "tensor_split at": lambda x: torch.cat(x.tensor_split([2, 3], 1)[::-1], 1),
    "flip": lambda x: x.flip(1),
    "roll": lambda x: x.roll(1, 1),
    "shuffle": lambda x: x.unflatten(1, (2, 4)).transpose(1, 2).flatten(1, 2),
}


@pytest.mark.parametrize("name", CUTS)
def test_channels_picked_by_position_stay_when_skipped(name):
    cut = CUTS[name]
    model = Net(
        lambda net, x: net.out(F.relu(net.b(cut(net.a(x))))),
        a=conv(3, 8), b=conv(8, 6), out=conv(6, 2),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"skip=\['a'\]"):
        prune_channels(model, X, ratio=0.5)
    smaller = halved(model, skip=["a"])
    assert (smaller.a.out_channels, smaller.b.out_channels) == (8, 3)


@pytest.mark.parametrize("cut", [lambda x: x.chunk(2, 1), lambda x: x.tensor_split(2, 1)])
def test_equal_parts_lose_the_same_positions(cut):
    def run(net, x):
        first, second = cut(net.a(x))
        return net.out(torch.cat([second, net.b(first)], 1))

    smaller = halved(Net(run, a=conv(3, 8), b=conv(4, 4), out=conv(8, 2)))
    assert (smaller.a.out_channels, smaller.b.out_channels) == (4, 2)


def test_an_image_of_two_kinds_is_counted_right():
    def run(net, x):
        depth, colour = x.split([1, 3], 1)
        return net.out(torch.cat([net.d(depth), net.c(colour)], 1))

    halved(Net(run, d=conv(1, 8), c=conv(3, 8), out=conv(16, 2)), torch.rand(2, 4, 8, 8))


def test_the_advice_for_a_partial_convolution_works():
    def run(net, x):
        x = net.stem(x)
        some, rest = torch.split(x, [4, 12], 1)
        return net.out(x + net.down(F.relu(net.up(torch.cat([net.part(some), rest], 1)))))

    model = Net(
        run, stem=conv(3, 16), part=conv(4, 4), up=conv(16, 32, 1), down=conv(32, 16, 1),
        out=conv(16, 2),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"skip=\['stem', 'down'\]"):
        prune_channels(model, X, ratio=0.5)
    assert halved(model, skip=["stem", "down"]).up.out_channels == 16


def test_a_size_written_into_a_view_comes_with_advice_that_works():
    model = Net(
        lambda net, x: net.out(net.a(F.relu(net.first(x))).view(-1, 8 * 64)),
        first=conv(3, 8), a=conv(8, 8), out=nn.Linear(8 * 64, 2),
    )  # fmt: skip
    images = torch.rand(2, 3, 8, 8)
    with pytest.raises(ValueError, match=r"written into it.*skip=\['a'\]"):
        prune_channels(model, images, ratio=0.5)
    smaller = halved(model, images, skip=["a"])
    assert (smaller.first.out_channels, smaller.a.out_channels) == (4, 8)


# One map for all channels

GATES = {
    "times": lambda x, gate: x * torch.sigmoid(gate),
    "times, turned": lambda x, gate: torch.sigmoid(gate) * x,
    "plus": lambda x, gate: x + gate,
    "where": lambda x, gate: torch.where(gate > 0, x, gate),
    "expanded": lambda x, gate: x * gate.expand_as(x),
    "softmax of places": lambda x, gate: x * gate.flatten(2).softmax(-1).view_as(gate),
}


@pytest.mark.parametrize("name", GATES)
def test_a_gate_of_one_channel_ties_no_channels(name):
    apply = GATES[name]
    model = Net(
        lambda net, x: net.out(apply(F.relu(net.a(x)), net.gate(F.relu(net.psi(x))))),
        a=conv(3, 16), psi=conv(3, 8, 1), gate=conv(8, 1, 1), out=conv(16, 2),
    )  # fmt: skip
    smaller = halved(model)
    assert (smaller.a.out_channels, smaller.psi.out_channels) == (8, 4)
    assert smaller.gate.out_channels == 1


# Other layers


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.e1, self.e2 = conv(3, 8), conv(8, 16)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.d, self.out = conv(16, 8), conv(8, 2, 1)

    def forward(self, x):
        a = F.relu(self.e1(x))
        b = F.relu(self.e2(F.max_pool2d(a, 2)))
        return self.out(F.relu(self.d(torch.cat([a, self.up(b)], 1))))


def test_a_unet_loses_channels_of_its_transposed_convolution():
    smaller = halved(UNet())
    assert (smaller.up.in_channels, smaller.up.out_channels) == (8, 4)
    assert smaller.up.weight.shape == (8, 4, 2, 2)
    for share in (0.3, 0.5):
        left = edu.count_cost(prune_channels(UNet(), X, mac_share=share), (1, 3, 16, 16)).macs
        assert left <= share * edu.count_cost(UNet(), (1, 3, 16, 16)).macs


@pytest.mark.parametrize("groups", [2, 8])
def test_a_transposed_convolution_in_groups(groups):
    up = nn.ConvTranspose2d(8, 16, 3, 2, groups=groups)
    smaller = halved(nn.Sequential(conv(3, 8), up, conv(16, 2)))
    assert smaller[1].in_channels == 4
    assert smaller[1].out_channels == 8
    assert smaller[1].groups == min(groups, 4)


@pytest.mark.parametrize("dims", [1, 3])
def test_other_numbers_of_dimensions(dims):
    convolution = (nn.Conv1d, None, nn.Conv3d)[dims - 1]
    transposed = (nn.ConvTranspose1d, None, nn.ConvTranspose3d)[dims - 1]
    norm = (nn.BatchNorm1d, None, nn.BatchNorm3d)[dims - 1]
    pool = (nn.MaxPool1d, None, nn.MaxPool3d)[dims - 1]
    model = nn.Sequential(
        convolution(3, 8, 3, padding=1), norm(8), nn.ReLU(), pool(2), transposed(8, 8, 2, 2),
        convolution(8, 2, 1),
    )  # fmt: skip
    smaller = halved(model, torch.rand(2, 3, *[8] * dims))
    assert smaller[0].out_channels == smaller[4].out_channels == 4


def rows(net, x):
    """[N, C, H, W] to [N, H * W, C]."""
    return net.stem(x).flatten(2).transpose(1, 2)


HARD = {
    "lstm": (nn.LSTM(8, 6, batch_first=True), lambda net, x: net.odd(rows(net, x))[0][:, -1]),
    "mha": (
        nn.MultiheadAttention(8, 2, batch_first=True),
        lambda net, x: net.odd(*[rows(net, x)] * 3)[0].mean(1),
    ),
    "layer norm": (nn.LayerNorm(8), lambda net, x: net.odd(rows(net, x)).mean(1)),
    "group norm": (nn.GroupNorm(2, 8), lambda net, x: net.odd(net.stem(x)).mean((2, 3))),
}


@pytest.mark.parametrize("name", HARD)
def test_what_cannot_be_followed_is_named_and_stays_when_skipped(name):
    odd, middle = HARD[name]
    torch.manual_seed(0)
    model = Net(
        lambda net, x: net.out(F.relu(net.fc(middle(net, F.relu(net.first(x)))))),
        first=conv(3, 8), stem=nn.Conv2d(8, 8, 4, 4), odd=odd,
        fc=nn.Linear(6 if name == "lstm" else 8, 8), out=nn.Linear(8, 2),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"odd .*skip=\['stem'\]"):
        prune_channels(model, X, ratio=0.5)
    for skip in (["stem"], ["odd"]):
        smaller = halved(model, skip=skip)
        assert smaller.first.out_channels == smaller.fc.out_features == 4
        assert smaller.stem.out_channels == 8


def test_channels_of_the_input_need_no_layer_to_be_skipped():
    def gray(net, x):
        return net.out(net.first(torch.roll(x[:, :1].expand(-1, 3, -1, -1), 1, 3)))

    model = Net(gray, first=conv(3, 8), out=nn.Conv2d(8, 4, 1))
    assert layers_to_skip(model, X) == []
    assert halved(model).first.out_channels == 4


def test_all_layers_to_skip_are_found_at_once():
    torch.manual_seed(0)

    def run(net, x):
        x = cut(F.relu(net.first(x)))
        x = net.norm(F.relu(net.second(x)).flatten(2).transpose(1, 2)).mean(1)
        return net.out(F.relu(net.fc(x)))

    cut = CUTS["shuffle"]
    model = Net(
        run, first=conv(3, 8), second=nn.Conv2d(8, 8, 4, 4), norm=nn.LayerNorm(8),
        fc=nn.Linear(8, 8), out=nn.Linear(8, 2),
    )  # fmt: skip
    with pytest.raises(NotFollowed) as refusal:
        prune_channels(model, X, ratio=0.5)
    skip = layers_to_skip(model, X)
    assert set(refusal.value.skip) <= set(skip) == {"first", "second"}
    smaller = halved(model, skip=skip)
    assert (smaller.first.out_channels, smaller.fc.out_features) == (8, 4)
    assert layers_to_skip(nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 2)), X) == []


class Filter(nn.Module):
    """A part that owns a filter, and has a layer besides."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 3, 3, 3))
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return F.relu(self.norm(F.conv2d(x, self.weight)))


class Standardised(nn.Conv2d):
    """Weight standardisation: another weight than the stored one is used."""

    def forward(self, x):
        w = self.weight
        w = (w - w.mean((1, 2, 3), keepdim=True)) / (w.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(x, w, self.bias, self.stride, self.padding)


def test_a_filter_of_ones_own_is_pruned_and_a_computed_one_stays():
    smaller = halved(nn.Sequential(Filter(), conv(8, 2)))
    assert smaller[0].weight.shape == (4, 3, 3, 3)
    model = nn.Sequential(conv(3, 8), Standardised(8, 8, 3), nn.ReLU(), conv(8, 8), conv(8, 2))
    with pytest.raises(ValueError, match=r"1 \(Standardised.*skip=\['0'\]"):
        prune_channels(model, X, ratio=0.5)
    smaller = halved(model, skip=["0"])
    assert [smaller[i].out_channels for i in (0, 1, 3)] == [8, 8, 4]
    with pytest.raises(ValueError, match="'1' is a Standardised"):
        prune(model, 0.5)
    assert sparsity_of(prune(model, 0.5, skip=["1"])) < 0.5


def test_shared_layers_lose_the_same_channels_and_stay_shared():
    model = Net(
        lambda net, x: net.end(net.again(net.again(net.start(x)))),
        start=conv(3, 8), again=conv(8, 8), end=conv(8, 2),
    )  # fmt: skip
    smaller = halved(model)
    assert smaller.again.weight.shape == (4, 4, 3, 3)
    tied = Net(
        lambda net, x: net.end(net.b(net.a(net.start(x)))),
        start=conv(3, 8), a=conv(8, 8), b=conv(8, 8), end=conv(8, 2),
    )  # fmt: skip
    tied.b.weight = tied.a.weight
    smaller = halved(tied)
    assert smaller.a.weight is smaller.b.weight
    assert smaller.a.out_channels == smaller.b.out_channels == smaller.b.in_channels == 4


# Inputs, outputs, modes


def test_several_inputs_integers_and_outputs_by_name():
    def run(net, x, kind):
        features = F.relu(net.a(x)) + net.code(kind)[:, :, None, None]
        return {"maps": net.b(features), "scores": (net.fc(features.mean((2, 3))), kind)}

    model = Net(run, a=conv(3, 8), code=nn.Embedding(5, 8), b=conv(8, 6), fc=nn.Linear(8, 4))
    inputs = (X, torch.tensor([1, 4]))
    with pytest.raises(ValueError, match="no channel that could go"):
        prune_channels(model, inputs, ratio=0.5)

    def longer(net, x, kind):
        return run(net, F.relu(net.first(x)), kind)

    model = Net(
        longer, first=conv(3, 8), a=conv(8, 8), code=nn.Embedding(5, 8), b=conv(8, 6),
        fc=nn.Linear(8, 4),
    )  # fmt: skip
    smaller = halved(model, inputs)
    assert (smaller.first.out_channels, smaller.a.out_channels) == (4, 8)


class Supervised(nn.Module):
    """A second head that answers in training alone."""

    def __init__(self):
        super().__init__()
        self.a, self.b = conv(3, 16), conv(16, 32)
        self.aux, self.h = nn.Linear(16, 10), nn.Linear(32, 10)

    def forward(self, x):
        a = F.relu(self.a(x))
        y = self.h(F.relu(self.b(a)).mean((2, 3)))
        return (y, self.aux(a.mean((2, 3)))) if self.training else y


def test_a_head_of_training_alone_follows():
    model = Supervised()
    smaller = halved(model)
    assert smaller.aux.weight.shape == (10, 8)
    whole, zeroed = smaller.train()(X), zero_channels(model, plan_channels(model, X, ratio=0.5))
    for got, expected in zip(whole, zeroed.train()(X), strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


def test_features_that_training_hands_out_stay_whole():
    def run(net, x):
        a = F.relu(net.a(x))
        y = net.out(F.relu(net.b(a)))
        return (y, a) if net.training else y

    smaller = halved(Net(run, a=conv(3, 8), b=conv(8, 8), out=conv(8, 2)))
    assert (smaller.a.out_channels, smaller.b.out_channels) == (8, 4)


def test_training_that_needs_targets_is_said():
    def run(net, x, targets=None):
        if net.training:
            return F.cross_entropy(net.aux(net.a(x)), targets)
        return net.out(F.relu(net.a(x)))

    model = Net(run, a=conv(3, 8), aux=conv(8, 2), out=conv(8, 2))
    with pytest.raises(ValueError, match=r"aux.weight is not used in evaluation.*skip=\['aux'\]"):
        prune_channels(model.eval(), X, ratio=0.5)
    plan = plan_channels(model, X, ratio=0.5, skip=["aux"])
    assert remove_channels(model, plan).a.out_channels == 4


def test_a_skipped_part_keeps_all_its_channels():
    model = nn.Sequential(nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 8)), conv(8, 8), conv(8, 2))
    smaller = halved(model, skip=["0"])
    assert [smaller[0][0].out_channels, smaller[0][2].out_channels] == [8, 8]
    assert smaller[1].out_channels == 4


# Single weights


def test_transposed_convolutions_are_pruned_and_shared():
    torch.manual_seed(0)
    model = nn.Sequential(conv(3, 16), nn.ReLU(), nn.ConvTranspose2d(16, 16, 4, 2, 1), conv(16, 2))
    plain = edu.to_plain(prune(model, 0.9, scope="layer"))
    for layer in (plain[0], plain[2], plain[3]):
        assert (layer.weight == 0).float().mean().item() == pytest.approx(0.9, abs=0.01)
    assert sparsity_of(plain) == pytest.approx(0.9, abs=0.01)
    shared = edu.to_plain(share_weights(model, 4))
    assert [len(shared[i].weight.unique()) for i in (0, 2, 3)] == [4, 4, 4]


@pytest.mark.parametrize(
    "odd", [nn.LSTM(8, 4), nn.GRUCell(4, 4), nn.MultiheadAttention(8, 2), nn.Embedding(4, 8)]
)
@pytest.mark.parametrize(
    "treat", [lambda m, **o: prune(m, 0.5, **o), lambda m, **o: share_weights(m, 4, **o)]
)
def test_weights_that_would_be_passed_by_are_named(odd, treat):
    model = nn.ModuleDict({"conv": conv(3, 8), "odd": odd})
    with pytest.raises(ValueError, match=f"'odd' is a {type(odd).__name__}.*skip"):
        treat(model)
    treated = treat(model, skip=["odd"])
    for key, value in treated["odd"].state_dict().items():
        assert torch.equal(value, odd.state_dict()[key])
    assert treated["conv"].weight.unique().numel() < model["conv"].weight.numel()


def test_parameters_of_no_layer_are_told():
    model = nn.Sequential(Filter(), conv(8, 2))
    for treat in (lambda: prune(model, 0.5), lambda: share_weights(model, 4)):
        with pytest.warns(UserWarning, match="no layer stay as they are: 0.weight"):
            treat()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prune(model, 0.5, skip=["0"])


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.e, self.d = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
        self.d.weight = self.e.weight

    def forward(self, x):
        return self.d(F.relu(self.e(x)))


TREATED = {
    "masked": lambda m: prune(m, 0.5),
    "masked for good": lambda m: edu.to_plain(prune(m, 0.5)),
    "shared": lambda m: share_weights(m, 4),
    "shared for good": lambda m: edu.to_plain(share_weights(m, 4)),
    "shared, then masked": lambda m: edu.to_plain(prune(share_weights(m, 4), 0.5)),
    "factored": lambda m: factor(m, 3),
}


@pytest.mark.parametrize("name", TREATED)
def test_tied_layers_stay_tied_through_training(name):
    torch.manual_seed(0)
    treated = TREATED[name](Tied())
    optimizer = torch.optim.SGD(treated.parameters(), 0.1)
    inputs = torch.randn(8, 16)
    for _ in range(3):
        optimizer.zero_grad()
        (treated(inputs) - inputs).square().mean().backward()
        optimizer.step()
    weights = [
        part.kernel() if hasattr(part, "kernel") else part.weight for part in (treated.e, treated.d)
    ]
    assert torch.equal(*weights)
    assert sum(each.numel() for each in treated.parameters()) <= 256


@pytest.mark.parametrize("name", [*TREATED, "channels", "separated"])
def test_frozen_layers_stay_frozen(name):
    model = nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 8), nn.ReLU(), conv(8, 2))
    model[0].requires_grad_(False)
    treat = TREATED | {
        "channels": lambda m: prune_channels(m, X, ratio=0.5),
        "separated": separate,
    }
    treated = treat[name](model)
    assert not any(each.requires_grad for each in treated[0].parameters())
    assert all(each.requires_grad for each in treated[2].parameters())


NORMED = {
    "torch.nn.utils.prune": lambda c: reference.l1_unstructured(c, "weight", 0.5),
    "weight_norm, old": nn.utils.weight_norm,
    "spectral_norm, old": nn.utils.spectral_norm,
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
}


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.parametrize("name", NORMED)
def test_computed_weights_are_told_and_made_plain(name):
    torch.manual_seed(0)
    model = nn.Sequential(NORMED[name](conv(3, 8)), nn.ReLU(), conv(8, 2)).eval()
    plain = edu.to_plain(model)
    torch.testing.assert_close(plain(X), model(X))
    for treat in (lambda m: prune_channels(m, X, ratio=0.5), separate):
        with pytest.raises(ValueError, match=r"'0' has no ordinary weight.*to_plain\(model\)"):
            treat(model)
        treat(plain)
    if "old" in name or name.startswith("torch"):
        with pytest.raises(ValueError, match=r"'0' has a weight that a hook.*to_plain\(model\)"):
            prune(model, 0.5)
    else:
        pruned = prune(model, 0.5)
        assert sparsity_of(edu.to_plain(pruned)) == pytest.approx(0.5, abs=0.01)
    assert len(edu.to_plain(share_weights(model, 4))[0].weight.unique()) <= 5


# One after the other


def test_sharing_and_pruning_in_both_orders():
    torch.manual_seed(0)
    model = nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 8), conv(8, 2)).eval()
    both = prune(share_weights(model, 4), 0.5)
    assert sparsity_of(both) == pytest.approx(0.5, abs=0.01)
    for name, (values, codes) in codebooks(both).items():
        assert torch.equal(values[codes], both.get_submodule(name).weight)
    other = share_weights(prune(model, 0.5), 4)
    assert sparsity_of(other) == pytest.approx(0.5, abs=0.01)
    for treated in (both, other):
        with pytest.raises(ValueError, match=r"edu_lib.to_plain\(model\)"):
            prune_channels(treated, X, ratio=0.5)
        assert prune_channels(edu.to_plain(treated), X, ratio=0.5)[0].out_channels == 4


def test_the_same_technique_twice():
    torch.manual_seed(0)
    model = nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 8), conv(8, 2)).eval()
    assert sparsity_of(prune(prune(model, 0.5), 0.8)) == pytest.approx(0.8, abs=0.01)
    shared = share_weights(share_weights(model, 8), 4)
    assert all(len(values) == 5 for values, _ in codebooks(shared).values())
    twice = prune_channels(prune_channels(model, X, ratio=0.5), X, ratio=0.5)
    assert [layer.out_channels for layer in twice if isinstance(layer, nn.Conv2d)] == [2, 2, 2]
    thin = factor(factor(model, 2), 1)
    assert thin(X).shape == model(X).shape


class Wrapped(nn.Module):
    """A layer as a technique puts it in place of a convolution: it can give that back."""

    def __init__(self, layer):
        super().__init__()
        self.weight = nn.Parameter(layer.weight.detach().round(decimals=1))
        self.layer = [layer]

    def plain_layer(self):
        return copy.deepcopy(self.layer[0])

    def forward(self, x):
        return F.conv2d(x, self.weight, padding=1)


@pytest.mark.parametrize(
    "treat",
    [
        lambda m, **o: prune(m, 0.5, **o),
        lambda m, **o: share_weights(m, 4, **o),
        lambda m, **o: prune_channels(m, X, ratio=0.5, **o),
        separate,
        lambda m, **o: factor(m, 1, **o),
    ],
)
def test_a_wrapped_layer_is_told_or_skipped(treat):
    model = nn.Sequential(conv(3, 8), Wrapped(conv(8, 8)), nn.ReLU(), conv(8, 8), conv(8, 2)).eval()
    with pytest.raises(ValueError, match=r"'1' is a Wrapped already: edu_lib.to_plain\(model\)"):
        treat(model)
    treated = treat(model, skip=["1"])
    assert treated(X).shape == model(X).shape
    assert torch.equal(treated[1].weight, model[1].weight)
    assert masks_of(edu.to_plain(model)).keys() == {"0", "1", "3", "4"}


@pytest.mark.parametrize(
    "quantized", [lambda m: quantize_static(m, X), lambda m: quantize_weights(m, 8)]
)
@pytest.mark.parametrize(
    "treat",
    [
        lambda m: prune(m, 0.5),
        lambda m: share_weights(m, 4),
        lambda m: prune_channels(m, X, ratio=0.5),
        separate,
        lambda m: factor(m, 1),
    ],
)
def test_quantization_comes_last_or_is_taken_off(treat, quantized):
    torch.manual_seed(0)
    model = nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 8), nn.ReLU(), conv(8, 2)).eval()
    few_bits = quantized(model)
    with pytest.raises(ValueError, match=r"already: edu_lib.to_plain\(model\)"):
        treat(few_bits)
    assert treat(edu.to_plain(few_bits))(X).shape == model(X).shape
    treated = treat(model)
    difference = quantized(treated)(X) - treated(X)
    assert difference.norm() < 0.1 * treated(X).norm()


def test_groups_are_read_from_the_graph_of_both_modes():
    graph = trace_channels(Supervised(), X)
    assert [group.layers("reads") for group in graph.groups] == [["b", "aux"], ["h"]]
