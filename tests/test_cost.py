"""Costs are counted right: against PyTorch's own counter, and by hand."""

import copy

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import edu_lib as edu
from edu_lib.cost import count_cost
from edu_lib.techniques.pruning import to_csr_linear

NETWORKS = [
    *("alexnet", "vgg16_bn", "resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2"),
    *("mobilenet_v2", "mobilenet_v3_small", "squeezenet1_1", "densenet121", "mnasnet0_5"),
    *("shufflenet_v2_x1_0", "efficientnet_b0", "efficientnet_v2_s", "googlenet"),
    *("convnext_tiny", "vit_b_16", "swin_t", "swin_v2_t", "maxvit_t"),
]


def independent_macs(model: nn.Module, X: torch.Tensor) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(X)
    return counter.get_total_flops() / 2


@pytest.mark.parametrize("name", NETWORKS)
def test_torchvision_networks_cost_what_torchvision_and_pytorchs_counter_say(name):
    options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None, **options)
    published = torchvision.models.get_model_weights(name).DEFAULT
    size = published.transforms.keywords["crop_size"]
    cost = count_cost(model, (1, 3, size, size))
    assert cost.macs == independent_macs(model, torch.zeros(1, 3, size, size, device="meta"))
    assert cost.macs == sum(layer.macs for layer in cost.layers)
    assert round(cost.macs / 1e9, 3) == published.meta["_ops"]
    assert cost.params == published.meta["num_params"]
    assert cost.uncounted == ()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(6, 8, (3, 5), stride=2, padding=1, groups=2), (2, 6, 11, 13)),
        (nn.Conv2d(4, 4, 3, groups=4, dilation=2), (1, 4, 9, 9)),
        (nn.Conv1d(3, 5, 4), (2, 3, 20)),
        (nn.Conv3d(2, 3, 2), (1, 2, 4, 5, 6)),
        (nn.Conv3d(4, 4, (1, 3, 3), groups=2, dilation=(1, 2, 1)), (2, 4, 4, 9, 6)),
        (nn.ConvTranspose1d(3, 5, 4, stride=2, dilation=2), (2, 3, 7)),
        (nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2, output_padding=1), (1, 6, 5, 7)),
        (nn.ConvTranspose3d(2, 3, 2, stride=2), (1, 2, 3, 4, 5)),
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


def recurrent_macs(layers, directions, steps, inputs, hidden, gates):
    """By hand: gates * (inputs + hidden) * hidden for each step, layer and direction."""
    widths = [inputs] + [directions * hidden] * (layers - 1)
    return sum(steps * directions * gates * hidden * (width + hidden) for width in widths)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(
    ("kind", "options", "macs"),
    [
        (nn.LSTM, {}, recurrent_macs(1, 1, 5, 10, 20, gates=4)),
        (nn.LSTM, {"num_layers": 2, "bidirectional": True}, recurrent_macs(2, 2, 5, 10, 20, 4)),
        (nn.LSTM, {"proj_size": 6}, 5 * (4 * 20 * (10 + 6) + 20 * 6)),
        (nn.LSTM, {"bias": False}, recurrent_macs(1, 1, 5, 10, 20, 4)),
        (nn.GRU, {"num_layers": 3}, recurrent_macs(3, 1, 5, 10, 20, gates=3)),
        (nn.RNN, {"nonlinearity": "relu"}, recurrent_macs(1, 1, 5, 10, 20, gates=1)),
    ],
)
def test_recurrent_layers_multiply_by_every_weight_at_every_step(kind, options, macs, device):
    layer = kind(10, 20, batch_first=True, device=device, **options)
    cost = count_cost(layer, (3, 5, 10))
    assert (cost.macs, cost.uncounted) == (3 * macs, ())
    assert cost.params == sum(p.numel() for p in layer.parameters())


def test_a_recurrent_cell_is_counted_too():
    assert count_cost(nn.LSTMCell(10, 20), (3, 10)).macs == 3 * 4 * 20 * (10 + 20)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_attention_is_one_layer_that_holds_its_projections(device):
    N, L, S, E = 2, 7, 5, 12
    layer = nn.MultiheadAttention(E, 3, batch_first=True, device=device)
    query, memory = (torch.zeros(N, length, E, device=device) for length in (L, S))
    cost = count_cost(layer, (query, memory, memory))
    # in-projections of query, key and value, Q K^T and its product with V, out-projection
    assert cost.macs == N * (L + 2 * S) * E * E + N * L * S * 2 * E + N * L * E * E
    assert [layer.kind for layer in cost.layers] == ["MultiheadAttention"]
    assert cost.params == 4 * E * E + 4 * E
    assert cost.input_shape == ((N, L, E), (N, S, E), (N, S, E))


def test_the_encoder_of_a_transformer_is_counted_in_spite_of_its_fast_path():
    N, L, E, hidden = 2, 5, 16, 32
    layer = nn.TransformerEncoderLayer(E, 4, hidden, batch_first=True)
    macs = N * L * (4 * E * E + 2 * E * hidden) + N * L * L * 2 * E
    assert count_cost(layer, (N, L, E)).macs == macs
    assert torch.backends.mha.get_fastpath_enabled()


class Named(nn.Module):
    """Takes word numbers and weights by name, returns a dict."""

    def __init__(self):
        super().__init__()
        self.words, self.mix = nn.Embedding(50, 8), nn.Bilinear(8, 3, 4)

    def forward(self, tokens, weights=None):
        return {"mixed": (self.mix(self.words(tokens), weights), tokens)}


def test_several_inputs_integers_names_and_nested_outputs():
    tokens, weights = torch.zeros(6, dtype=torch.int64), torch.ones(6, 3)
    for inputs in ((tokens, weights), {"tokens": tokens, "weights": weights}):
        cost = count_cost(Named(), inputs)
        assert cost.macs == 6 * 8 * 3 * 4
        assert cost.params == 50 * 8 + 4 * 8 * 3 + 4
        assert cost.layers[-1].output_shape == (6, 4)
        assert "One forward of 6 and 6x3:" in repr(cost)
    assert count_cost(nn.Embedding(5, 2), torch.zeros(3, dtype=torch.int64)).macs == 0


def test_an_input_of_no_known_kind_is_refused():
    with pytest.raises(ValueError, match="a shape, a tensor, a tuple or a dict of inputs, got int"):
        count_cost(nn.ReLU(), 3)
    with pytest.raises(ValueError, match="does not take an input of shape"):
        count_cost(Named(), {"words": torch.zeros(1)})


class Products(nn.Module):
    """Products of matrices outside any layer."""

    def forward(self, X):
        a = torch.addbmm(X[0], X, X.transpose(1, 2) @ X)
        return torch.tensordot(a, X[0], dims=1) + torch.addmv(X[0, 0], X[0], X[0, 1])


def test_products_outside_layers_by_hand():
    n = 4
    assert count_cost(Products(), (3, n, n)).macs == 3 * n**3 + 3 * n**3 + n**3 + n * n


class Spectrum(nn.Module):
    def forward(self, X):
        return torch.fft.rfft2(X).abs()


class Deformed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torchvision.ops.DeformConv2d(2, 3, 3, padding=1)

    def forward(self, X):
        offsets = X.new_zeros(len(X), 18, *X.shape[2:])
        return torchvision.ops.roi_align(self.conv(X, offsets), [X.new_tensor([[0, 0, 2, 2.0]])], 2)


def test_what_no_rule_knows_is_named_and_never_silently_0():
    cost = count_cost(nn.Sequential(nn.Conv2d(1, 2, 3), Spectrum()), (1, 1, 8, 8))
    assert cost.uncounted == ("1 (aten._fft_r2c)",)
    assert "MACs not counted, since no rule knows them: 1 (aten._fft_r2c)" in repr(cost)
    deformed = count_cost(Deformed(), (1, 2, 6, 6))
    assert (deformed.macs, deformed.uncounted) == (36 * 3 * 2 * 9, ())


def test_an_operation_of_another_library_is_named():
    @torch.library.custom_op("thirty_frames_test::twice", mutates_args=())
    def twice(X: torch.Tensor) -> torch.Tensor:
        return 2 * X

    class Foreign(nn.Module):
        def forward(self, X):
            return twice(X)

    assert count_cost(Foreign(), (1, 4)).uncounted == ("(model) (thirty_frames_test.twice)",)


def two_layers():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10)).eval()


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda model: edu.quantize_static(model, torch.rand(4, 3, 8, 8)),
        lambda model: edu.quantize_weights(model, 8),
        lambda model: edu.quantize_weights(model, 3, block_size=16),
        lambda model: edu.prune(model, 0.5),
        lambda model: edu.share_weights(model, 4),
    ],
    ids=["int8", "8-bit weights", "3-bit weights", "masks", "codebooks"],
)
def test_weights_count_by_their_number_however_they_are_stored(rewrite):
    model = two_layers()
    plain, rewritten = (count_cost(each, (1, 3, 8, 8)) for each in (model, rewrite(model)))
    assert plain.params == 8 * 27 + 8 + 2880 + 10
    assert (rewritten.params, rewritten.macs) == (plain.params, plain.macs)
    compared = repr(
        edu.compare_cards(edu.Card("a", {"%": 1}, plain), edu.Card("b", {"%": 1}, rewritten))
    )
    assert "inf" not in compared


@pytest.mark.parametrize(
    ("wrap", "macs"),
    # the largest singular value is found anew in every forward: W v, then u (W v)
    [(torch.nn.utils.weight_norm, 24), (torch.nn.utils.spectral_norm, 24 + 24 + 4)],
)
@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_a_weight_that_a_hook_computes_counts_as_the_parameters_that_hold_it(wrap, macs):
    layer = wrap(nn.Linear(6, 4))
    cost = count_cost(layer, (1, 6))
    assert cost.params == sum(p.numel() for p in layer.parameters())
    assert cost.macs == macs


def test_the_nonzeros_of_a_sparse_layer_are_its_parameters():
    layer = nn.Linear(6, 4, bias=False)
    layer.weight.data[:, ::2] = 0
    assert count_cost(to_csr_linear(layer), (1, 6)).params == 12


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


def test_a_module_with_its_own_rule_that_is_not_run_keeps_its_parameters_too():
    model = Unused()
    model.unused = OwnRule()
    assert count_cost(model, (1, 4)).params == 10 + 20


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
