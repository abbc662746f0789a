"""Costs are counted right: against PyTorch's own counter, and by hand."""

import copy

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from edu_lib.measure.cost import count_cost

NETWORKS = {
    "alexnet": {},
    "vgg11": {},
    "resnet18": {},
    "resnet50": {},
    "resnext50_32x4d": {},
    "mobilenet_v2": {},
    "mobilenet_v3_small": {},
    "squeezenet1_1": {},
    "densenet121": {},
    "shufflenet_v2_x1_0": {},
    "efficientnet_b0": {},
    "googlenet": {"init_weights": False, "aux_logits": False},
    "regnet_y_400mf": {},
    "mnasnet0_5": {},
    "convnext_tiny": {},
    "vit_b_16": {},
}


def independent_macs(model: nn.Module, X: torch.Tensor) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(X)
    return counter.get_total_flops() / 2


@pytest.mark.parametrize("name", NETWORKS)
def test_macs_equal_the_counter_of_pytorch_on_torchvision_networks(name):
    model = getattr(torchvision.models, name)(weights=None, **NETWORKS[name]).to("meta")
    shape = (2, 3, 224, 224)
    cost = count_cost(model, shape)
    assert cost.macs == independent_macs(model, torch.zeros(shape, device="meta"))
    assert cost.macs == sum(layer.macs for layer in cost.layers)
    assert cost.params == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(6, 8, (3, 5), stride=2, padding=1, groups=2), (2, 6, 11, 13)),
        (nn.Conv2d(4, 4, 3, groups=4, dilation=2), (1, 4, 9, 9)),
        (nn.Conv1d(3, 5, 4), (2, 3, 20)),
        (nn.Conv3d(2, 3, 2), (1, 2, 4, 5, 6)),
        (nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2, output_padding=1), (1, 6, 5, 7)),
        (nn.Linear(7, 3), (4, 5, 7)),
    ],
)
def test_macs_equal_the_counter_of_pytorch_on_single_layers(layer, shape):
    assert count_cost(layer, shape).macs == independent_macs(layer, torch.zeros(shape))


def test_macs_of_the_first_lenet_layer_by_hand():
    cost = count_cost(nn.Conv2d(1, 6, 5, padding=2), (1, 1, 28, 28))
    assert (cost.macs, cost.params, cost.bytes) == (28 * 28 * 6 * 25, 156, 624)
    assert cost.layers[0].output_shape == (1, 6, 28, 28)


class Functional(nn.Module):
    """Computes without layers: a convolution, an einsum and attention."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.ones(4, 2, 3, 3))

    def forward(self, X):
        maps = F.conv2d(X, self.kernel, padding=1).flatten(2)
        scores = torch.einsum("ncp,ndp->ncd", maps, maps)
        return F.scaled_dot_product_attention(scores, scores, scores)


def test_what_is_computed_outside_layers_is_counted_too():
    cost = count_cost(Functional(), (1, 2, 6, 6))
    convolution, product, attention = 36 * 4 * 2 * 9, 4 * 4 * 36, 2 * 4 * 4 * 4
    assert cost.macs == convolution + product + attention
    assert cost.params == 72


class OwnRule(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, X):
        return self.inner(X)

    def count_macs(self, input, output):
        return 7 * len(input) + output.shape[1]


def test_a_module_with_its_own_rule_is_asked_and_its_parts_are_not_counted_again():
    cost = count_cost(nn.Sequential(OwnRule(), nn.Linear(4, 2)), (3, 4))
    assert [(layer.name, layer.macs) for layer in cost.layers] == [("0", 25), ("1", 24)]
    assert cost.params == 20 + 10


def test_a_layer_called_twice_counts_macs_twice_and_parameters_once():
    shared = nn.Linear(4, 4)
    cost = count_cost(nn.Sequential(shared, nn.ReLU(), shared), (1, 4))
    assert (cost.macs, cost.params) == (32, 20)


def test_tied_weights_count_once():
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    second.weight = first.weight
    cost = count_cost(nn.Sequential(first, second), (1, 4))
    assert (cost.macs, cost.params, cost.bytes) == (32, 16, 64)


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(4, 2), nn.Linear(4, 3)

    def forward(self, X):
        return self.used(X)


def test_a_layer_that_is_not_run_keeps_its_parameters_in_the_table():
    cost = count_cost(Unused(), (1, 4))
    assert (cost.params, cost.macs) == (25, 8)
    assert "not run" in repr(cost)


class Skip(nn.Module):
    """relu(relu(X)) + X: the skip keeps X alive beside both results."""

    def forward(self, X):
        return torch.relu(torch.relu(X)) + X


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(
    ("model", "tensors"),
    [
        (nn.Sequential(), 1),
        (nn.Sequential(nn.ReLU(inplace=True)), 1),
        (nn.Sequential(nn.Flatten(), nn.Unflatten(1, (1, 100))), 1),
        (nn.Sequential(nn.ReLU()), 2),
        (Skip(), 3),
    ],
    ids=["empty", "in-place", "views", "one result", "skip"],
)
def test_peak_activations_by_hand_in_tensors_of_the_input_size(model, tensors, device):
    model.register_buffer("place", torch.zeros(0, device=device))
    model.register_parameter("dtype", nn.Parameter(torch.zeros(1, device=device)))
    assert count_cost(model, (1, 100)).peak_activation_bytes == tensors * 400


def test_peak_activations_of_a_network_by_hand():
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.MaxPool2d(2))
    # the input is held by the caller while the batch norm reads and writes 8 maps
    assert count_cost(model, (1, 1, 10, 10)).peak_activation_bytes == 4 * (100 + 800 + 800)
    # bytes: 80 weights and biases, 4 x 8 of the batch norm, one 64-bit counter
    assert count_cost(model, (1, 1, 10, 10)).bytes == 4 * (80 + 32) + 8


def test_the_model_comes_back_as_it_was_even_after_an_error():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.Flatten())
    model[2].eval()
    before = copy.deepcopy(model.state_dict())
    count_cost(model, (2, 1, 8, 8))
    with pytest.raises(ValueError, match=r"does not take an input of shape \(2, 3, 8, 8\)"):
        count_cost(model, (2, 3, 8, 8))
    assert [module.training for module in model] == [True, True, False, True]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_the_table_shows_every_layer_and_the_totals():
    model = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Flatten(), nn.Linear(3456, 10))
    text = repr(count_cost(model, (1, 1, 28, 28)))
    assert "1x6x24x24" in text
    assert "86,400" in text
    assert "120,960" in text.splitlines()[-2]
    assert "1x1x28x28" in text.splitlines()[-1]
