"""Weight-only, ternary and binary layers, against torchao and NumPy."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import edu_lib as edu
from edu_lib.layers import first_and_last
from edu_lib.models import LeNet5, LeNet1998, LeNet300100, SmallAlexNet
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.quantization import (
    BinaryLayer,
    TernaryLayer,
    WeightOnlyLayer,
    binarize,
    pack_signs,
    quantize_static,
    quantize_weights,
    ternarize,
    ternary_weight,
    xnor_dot,
)
from edu_lib.techniques.quantization.weight_only import pack_nibbles, unpack_nibbles


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def linear(inputs, outputs):
    torch.manual_seed(0)
    return nn.Linear(inputs, outputs)


# Weight-only


@pytest.mark.parametrize(("bits", "block_size"), [(8, None), (8, 32), (4, 32), (3, 16)])
def test_weights_are_those_of_torchao(bits, block_size):
    from torchao.quantization.quant_primitives import (
        MappingType,
        choose_qparams_affine,
        dequantize_affine,
        quantize_affine,
    )

    layer = linear(96, 10)
    block, qmax = (1, block_size or 96), 2 ** (bits - 1) - 1
    W = layer.weight.detach()
    scale, zero_point = choose_qparams_affine(
        W, MappingType.SYMMETRIC, block, torch.int8, -qmax, qmax, eps=1e-12
    )
    q = quantize_affine(W, block, scale, zero_point, torch.int8, -qmax, qmax)
    expected = dequantize_affine(q, block, scale, zero_point, torch.int8, -qmax, qmax)
    ours = WeightOnlyLayer(layer, bits, block_size)
    # torchao divides by half of an odd range more than ours has; steps agree, ties may not
    torch.testing.assert_close(ours.scale, scale.flatten(), rtol=0.01, atol=0)
    assert (ours.weight - expected).abs().max() <= 0.6 * scale.max()
    X = normal(4, 96)
    torch.testing.assert_close(ours(X), F.linear(X, ours.weight, layer.bias))


def test_blocks_that_do_not_fill_a_channel_and_convolutions():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 5, 3, stride=2, padding=1)
    ours = WeightOnlyLayer(conv, 4, block_size=10)  # 27 inputs: 10 + 10 + 7
    assert ours.scale.shape == (15,)
    blocks = F.pad(conv.weight.detach().flatten(1), (0, 3)).view(15, 10)
    scale = blocks.abs().amax(1, keepdim=True) / 7
    expected = ((blocks / scale).round() * scale).view(5, 30)[:, :27].view(5, 3, 3, 3)
    torch.testing.assert_close(ours.weight, expected)
    X = normal(2, 3, 8, 8)
    torch.testing.assert_close(ours(X), F.conv2d(X, expected, conv.bias, stride=2, padding=1))


def test_two_small_weights_share_a_byte():
    q = torch.arange(-8, 8, dtype=torch.int8)
    assert pack_nibbles(q).numel() == 8
    assert torch.equal(unpack_nibbles(pack_nibbles(q)), q)
    assert unpack_nibbles(pack_nibbles(q[:3])).tolist() == [-8, -7, -6, 0]
    layer = linear(1024, 10)
    assert WeightOnlyLayer(layer, 8).weight_bytes == 10 * 1024 + 4 * 10
    assert WeightOnlyLayer(layer, 4, 32).weight_bytes == 10 * 512 + 4 * 10 * 32


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (LeNet5, (1, 28, 28)),
        (LeNet1998, (1, 28, 28)),
        (LeNet300100, (1, 28, 28)),
        (lambda: SmallAlexNet(width=8), (1, 28, 28)),
        (lambda: RoadNet(width=0.125, kind="inverted"), (3, 32, 64)),
    ],
)
def test_networks_of_the_kit_keep_their_answers_with_integer_weights(build, shape):
    torch.manual_seed(0)
    model, X = build().eval(), torch.rand(2, *shape)
    before = copy.deepcopy(model.state_dict())
    rounded = quantize_weights(model, 8)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not any(isinstance(m, nn.Conv2d | nn.Linear) for m in rounded.modules())
    y, y_hat = model(X), rounded(X)
    if not isinstance(y, dict):
        y, y_hat = {"y": y}, {"y": y_hat}
    for name, value in y.items():
        assert (value - y_hat[name]).norm() / value.norm() < 0.05
    coarse = quantize_weights(model, 4, block_size=32)
    assert sum(m.nbytes for m in coarse.buffers()) < sum(m.nbytes for m in rounded.buffers())


# Ternary


def test_ternary_weights_are_those_of_the_formula_in_numpy():
    W = normal(4, 3, 3, 3)
    codes, scale = ternary_weight(W)
    for i, w in enumerate(W.numpy().reshape(4, -1)):
        delta = 0.7 * np.abs(w).mean()
        expected = np.sign(w) * (np.abs(w) > delta)
        np.testing.assert_array_equal(codes[i].numpy().ravel(), expected)
        assert scale[i] == pytest.approx(np.abs(w)[np.abs(w) > delta].mean())


def test_the_threshold_is_close_to_the_best_there_is():
    W = normal(1, 5000)
    codes, scale = ternary_weight(W)
    error = (W - scale * codes).square().mean()
    best = 1.0
    for delta in np.linspace(0.05, 2, 100):
        kept = W.abs() > delta
        best = min(best, (W - W.sign() * kept * W.abs()[kept].mean()).square().mean().item())
    assert error < 1.02 * best


def test_a_ternary_network_trains_and_only_its_ends_stay_float():
    torch.manual_seed(0)
    model = LeNet5()
    ternary = ternarize(model, skip=first_and_last(model))
    assert isinstance(ternary.c1, nn.Conv2d)
    assert isinstance(ternary.output, nn.Linear)
    assert [type(ternary.get_submodule(n)) for n in ("c3", "c5", "f6")] == [TernaryLayer] * 3
    zeros = [(ternary_weight(ternary.get_submodule(n).weight)[0] == 0) for n in ("c3", "c5", "f6")]
    assert 0.3 < torch.cat([each.flatten() for each in zeros]).float().mean() < 0.6
    ternary(torch.rand(2, 1, 28, 28)).sum().backward()
    assert ternary.c3.weight.grad.abs().max() > 0
    codes, scale = ternary_weight(ternary.c3.weight)
    X = torch.rand(1, 6, 12, 12)
    expected = F.conv2d(X, codes * scale.view(-1, 1, 1, 1), ternary.c3.bias)
    torch.testing.assert_close(ternary.c3(X), expected)


# Binary


@pytest.mark.parametrize("n", [1, 63, 64, 100, 500])
def test_xnor_and_popcount_equal_the_dot_product_of_signs(n):
    A, B = normal(5, n).numpy(), normal(7, n, seed=1).numpy()
    signs = [np.where(M >= 0, 1, -1) for M in (A, B)]
    expected = signs[0] @ signs[1].T
    np.testing.assert_array_equal(xnor_dot(pack_signs(A), pack_signs(B), n), expected)


def test_binary_weights_are_the_nearest_there_are():
    layer = BinaryLayer(linear(50, 4))
    X = normal(3, 50)
    W = layer.weight.detach()
    expected = W.abs().mean(1, keepdim=True) * torch.where(W >= 0, 1.0, -1.0)
    torch.testing.assert_close(layer(X), F.linear(X, expected, layer.bias))
    # least squares, with NumPy: the best scale of sign(w) for each channel
    for w, e in zip(W.numpy(), expected.numpy(), strict=True):
        best = np.linalg.lstsq(np.sign(w)[:, None], w, rcond=None)[0][0]
        assert abs(e[0]) == pytest.approx(best, rel=1e-4)


def test_binary_activations_scale_each_window_by_its_mean():
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 3, 3, padding=1)
    layer, X = BinaryLayer(conv, activations=True), normal(2, 4, 6, 6)
    signs = torch.where(X >= 0, 1.0, -1.0)
    weight = conv.weight.abs().mean((1, 2, 3), keepdim=True) * torch.where(
        conv.weight >= 0, 1.0, -1.0
    )
    K = F.avg_pool2d(X.abs().mean(1, keepdim=True), 3, 1, 1)
    expected = F.conv2d(signs, weight, padding=1) * K + conv.bias.view(-1, 1, 1)
    torch.testing.assert_close(layer(X), expected)


@pytest.mark.parametrize("activations", [False, True])
def test_a_binary_network_trains(activations):
    torch.manual_seed(0)
    model = LeNet5()
    binary = binarize(model, activations=activations, skip=first_and_last(model))
    binary(torch.rand(2, 1, 28, 28)).square().sum().backward()
    layers = [m for m in binary.modules() if isinstance(m, BinaryLayer)]
    assert len(layers) == 3
    assert all(layer.weight.grad.abs().max() > 0 for layer in layers)


# Any network


@pytest.mark.parametrize("technique", [quantize_weights, ternarize, binarize])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv1d(4, 6, 3, stride=2, padding=1), (2, 4, 9)),
        (nn.Conv3d(2, 3, 3), (2, 2, 5, 5, 5)),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect", groups=2), (2, 4, 8, 8)),
        (nn.Conv2d(2, 4, 3, padding="same", dilation=2), (2, 2, 8, 8)),
        (nn.Linear(6, 3, bias=False), (2, 5, 6)),
    ],
)
def test_an_ordinary_layer_comes_back_with_the_weights_in_use(technique, layer, shape):
    model, X = nn.Sequential(layer), normal(*shape)
    treated = technique(model)
    plain = edu.to_plain(treated)
    assert type(plain[0]) is type(layer)
    torch.testing.assert_close(plain(X), treated(X))
    # the ordinary layer computes as the one before did with these weights
    layer.weight.data = plain[0].weight.data
    torch.testing.assert_close(plain(X), model(X))


def test_layers_of_other_kinds_stay_and_are_named():
    model = nn.ModuleDict({"read": nn.Conv2d(1, 2, 3), "up": nn.ConvTranspose2d(2, 1, 3)})
    with pytest.warns(UserWarning, match=r"in float stay 'up' \(ConvTranspose2d\)"):
        treated = quantize_weights(model)
    assert isinstance(treated["read"], WeightOnlyLayer)
    assert isinstance(treated["up"], nn.ConvTranspose2d)


def test_recurrent_cells_and_bags_are_named_too():
    model = nn.ModuleDict({"cell": nn.LSTMCell(2, 2), "bag": nn.EmbeddingBag(3, 2),
                           "head": nn.Linear(2, 2)})  # fmt: skip
    with pytest.warns(UserWarning, match=r"stay 'cell' \(LSTMCell\), 'bag' \(EmbeddingBag\)"):
        quantize_weights(model)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv1d(4, 6, 3, stride=2, padding=1), (2, 4, 9)),
        (nn.Conv2d(4, 8, 3, padding=1, groups=4), (2, 4, 6, 6)),
        (nn.Conv2d(4, 6, 3, padding=1, groups=2, padding_mode="reflect"), (2, 4, 6, 6)),
        (nn.Conv3d(2, 3, 3), (1, 2, 5, 5, 5)),
    ],
)
def test_binary_activations_take_every_convolution(layer, shape):
    X = normal(*shape)
    y = binarize(nn.Sequential(layer), activations=True)(X)
    # by hand: each group alone, on the padded input
    pads = layer._reversed_padding_repeated_twice
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    signs, size = F.pad(torch.where(X >= 0, 1.0, -1.0), pads, mode=mode), F.pad(X.abs(), pads, mode)
    weight = layer.weight.detach()
    a = weight.abs().flatten(1).mean(dim=1).view(-1, *[1] * (weight.dim() - 1))
    convolve = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[weight.dim() - 2]
    wanted = []
    for group, kernels in enumerate(torch.where(weight >= 0, a, -a).chunk(layer.groups)):
        channels = slice(group * kernels.shape[1], (group + 1) * kernels.shape[1])
        K = convolve(size[:, channels], torch.ones_like(kernels[:1]) / kernels[0].numel(),
                     stride=layer.stride)  # fmt: skip
        wanted.append(convolve(signs[:, channels], kernels, stride=layer.stride) * K)
    wanted = torch.cat(wanted, 1) + layer.bias.detach().view(-1, *[1] * (weight.dim() - 2))
    torch.testing.assert_close(y, wanted)


class SameConv(nn.Conv2d):
    def forward(self, X):
        return super().forward(F.pad(X, (0, 1, 0, 1)))


# What they refuse


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantize_weights(LeNet5(), 9), "bits must be from 2 to 8, got 9"),
        (lambda: quantize_weights(LeNet5(), 4, block_size=1), "must be 2 or more, got 1"),
        (lambda: quantize_weights(nn.Sequential(nn.LSTM(2, 2))), "Sequential has no layer left"),
        (
            lambda: ternarize(nn.Sequential(nn.ConvTranspose2d(2, 2, 3))),
            "has no layer left to treat",
        ),
        (lambda: ternarize(LeNet5(), skip=["c4"]), "LeNet5 has no part 'c4' to skip"),
        (lambda: ternarize(LeNet5(), skip="c3"), "skip is a collection of names, got the text"),
        (lambda: binarize(nn.Sequential(nn.Linear(2, 2)), skip=["0"]), "has no layer left"),
        (lambda: binarize(nn.Sequential(SameConv(2, 2, 3))), "layer '0' is a SameConv, which comp"),
        (
            lambda: quantize_weights(quantize_static(LeNet5(), normal(4, 1, 28, 28))),
            r"GraphModule is quantized already: edu_lib.to_plain\(model\) first",
        ),
    ],
)
def test_they_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()
