"""Choosing layers, and taking wrappers off again."""

import warnings
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

import edu_lib as edu
from edu_lib.copies import copied, evaluation_mode
from edu_lib.layers import choose_layers, replace_layers, to_plain


class Double(nn.Module):
    def forward(self, weight):
        return 2 * weight


class Padded(nn.Conv2d):
    def forward(self, X):
        return super().forward(nn.functional.pad(X, (0, 1, 0, 1)))


class Named(nn.Conv2d):
    """A subclass that computes what Conv2d computes."""


def network():
    torch.manual_seed(0)
    parts = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    return nn.Sequential(parts, nn.ConvTranspose2d(8, 4, 2), nn.Flatten(), nn.LazyLinear(5))


def ready(model):
    X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    model(X)
    return model.eval(), X


def test_a_part_that_is_skipped_takes_its_layers_along():
    assert [*choose_layers(ready(network())[0])] == ["0.0", "0.2", "1", "3"]
    assert [*choose_layers(ready(network())[0], skip=["0"])] == ["1", "3"]
    assert [*choose_layers(network(), (nn.Conv2d,), skip=("0.2",))] == ["0.0"]


@pytest.mark.parametrize(("skip", "says"), [("0", r"write \['0'\]"), (["01"], "no part '01'")])
def test_a_wrong_skip_is_refused(skip, says):
    with pytest.raises(ValueError, match=says):
        choose_layers(network(), skip=skip)


def test_a_subclass_counts_by_what_it_computes():
    assert [*choose_layers(nn.Sequential(Named(3, 4, 3)))] == ["0"]
    with pytest.raises(ValueError, match=r"layer '0' is a Padded, .* name it in skip"):
        choose_layers(nn.Sequential(Padded(3, 4, 3)))
    assert choose_layers(nn.Sequential(Padded(3, 4, 3)), skip=["0"]) == {}


def test_a_layer_in_two_places_is_replaced_once():
    layer = nn.Linear(4, 4)
    replaced = replace_layers(
        nn.Sequential(layer, nn.ReLU(), layer), lambda _: nn.Identity(), (nn.Linear,)
    )
    assert replaced[0] is replaced[2]
    assert isinstance(replaced[0], nn.Identity)
    with pytest.raises(ValueError, match="needs Conv2d"):
        replace_layers(nn.Sequential(layer), lambda layer: layer, (nn.Conv2d,))


WRAPS = {
    "parametrization": lambda conv: parametrize.register_parametrization(conv, "weight", Double()),
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "PyTorch's mask": lambda conv: prune.l1_unstructured(conv, "weight", 0.5),
    "old weight norm": nn.utils.weight_norm,
    "old spectral norm": nn.utils.spectral_norm,
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("name", WRAPS)
def test_wrappers_go_and_the_answer_stays(name):
    model, X = ready(network())
    WRAPS[name](model[0][0])
    model.train()(X)
    y = model.eval()(X)
    plain = to_plain(model)
    assert type(plain[0][0]) is nn.Conv2d
    assert {*dict(plain.named_parameters())} == {*dict(ready(network())[0].named_parameters())}
    assert not plain[0][0]._forward_pre_hooks
    torch.testing.assert_close(plain(X), y)
    torch.testing.assert_close(model(X), y)


def test_frozen_weights_stay_frozen():
    model = ready(network())[0].requires_grad_(False)
    parametrize.register_parametrization(model[1], "weight", Double())
    assert not any(each.requires_grad for each in to_plain(model).parameters())


def test_tied_weights_stay_tied():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    for layer in model:
        parametrize.register_parametrization(layer, "weight", Double())
    plain = to_plain(model)
    assert plain[0].weight is plain[1].weight


class Tied(nn.Module):
    """Two layers of one weight, and one of the two that stands in two places."""

    def __init__(self, bias=True):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4, bias=bias), nn.Linear(4, 4, bias=bias)
        self.b.weight, self.again = self.a.weight, self.b

    def forward(self, X):
        return self.again(self.b(self.a(X)))


@pytest.mark.parametrize("technique", [edu.ternarize, edu.binarize, edu.quantize_weights])
def test_layers_that_share_one_weight_go_on_sharing_it(technique):
    model, X = Tied(), torch.randn(3, 4)
    treated = technique(model)
    assert treated.again is treated.b
    stored = [*treated.a.parameters(), *treated.a.buffers()], [*treated.b.parameters(),
                                                             *treated.b.buffers()]  # fmt: skip
    alike = [one is other for one, other in zip(*stored, strict=True)]
    assert sum(alike) == len(alike) - 1  # all but the bias
    plain = to_plain(treated)
    assert plain.again is plain.b
    assert plain.a.weight is plain.b.weight
    assert plain.a.bias is not plain.b.bias
    torch.testing.assert_close(plain(X), treated(X))


@pytest.mark.parametrize("technique", [edu.ternarize, edu.binarize, edu.quantize_weights])
def test_a_frozen_layer_stays_frozen_through_a_technique_and_back(technique):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[0].requires_grad_(False)
    plain = to_plain(technique(model))
    assert [each.requires_grad for each in plain.parameters()] == [False, False, True, True]


class Keeping(nn.Module):
    """Keeps its feature map where it is told to."""

    def __init__(self, keep):
        super().__init__()
        self.conv, self.head, self.keep = nn.Conv2d(3, 8, 3), nn.Linear(8, 4), keep
        self.kept = None

    def forward(self, X):
        y = self.conv(X).relu()
        self.kept = self.keep(y)
        return self.head(y.mean((2, 3)))


@pytest.mark.parametrize("keep", [lambda y: y, lambda y: [y], lambda y: {"conv": (y, 1)}])
def test_a_network_that_keeps_a_feature_map_is_copied(keep):
    model, X = Keeping(keep), torch.randn(4, 3, 8, 8)
    y = model(X)
    assert torch.equal(copied(model)(X), y)
    assert copied(model).kept is not model.kept
    # and the techniques and measurements that begin with a copy take it
    edu.quantize_static(model, X)
    edu.prune_channels(model, X, ratio=0.5)
    edu.pytorch_runner(model, X)
    edu.measure.time_layers(model, X, repeats=1)
    edu.RateDistortion(model)


def test_after_an_evaluation_each_part_has_its_own_mode_again():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)).train()
    model[1].eval()
    with evaluation_mode(model):
        assert not any(part.training for part in model.modules())
    assert [part.training for part in model.modules()] == [True, True, False]


def test_a_layer_of_a_technique_gives_its_plain_layer():
    class Wrapped(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer

        def plain_layer(self):
            return self.layer

    model = nn.Sequential(Wrapped(nn.Linear(3, 3)), nn.ReLU())
    assert isinstance(to_plain(model)[0], nn.Linear)
    assert isinstance(to_plain(Wrapped(nn.Linear(3, 3))), nn.Linear)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize(
    "technique", [edu.ternarize, edu.binarize, partial(edu.factor, ranks=2), edu.quantize_weights]
)
def test_what_stands_in_a_transformer_is_called_not_read(technique, norm_first):
    """PyTorch's fast way of an encoder layer takes the weights of its linear layers."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=norm_first)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    X = torch.randn(4, 6, 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # attention stays float
        treated = technique(model).eval()
    with torch.no_grad():  # which is when the fast way is taken
        answer, plain = treated(X), edu.to_plain(treated)(X)
    torch.testing.assert_close(answer, treated(X).detach())
    if technique in (edu.ternarize, edu.binarize):
        torch.testing.assert_close(answer, plain)
        assert (answer - model(X)).abs().max() > 0.1
