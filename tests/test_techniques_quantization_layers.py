"""Weight-only, ternary and binary layers, against torchao and NumPy."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edu_lib.models import LeNet5, LeNet1998, LeNet300100, SmallAlexNet
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.quantization import (
    BinaryLayer,
    TernaryLayer,
    WeightOnlyLayer,
    binarize,
    pack_signs,
    quantize_weights,
    run_xnor,
    ternarize,
    ternary_weight,
    ternary_zeros,
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
    ternary = ternarize(model)
    assert isinstance(ternary.c1, nn.Conv2d)
    assert isinstance(ternary.output, nn.Linear)
    assert [type(ternary.get_submodule(n)) for n in ("c3", "c5", "f6")] == [TernaryLayer] * 3
    assert 0.3 < ternary_zeros(ternary) < 0.6
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


def test_the_xor_kernel_computes_what_the_layer_does():
    layer, X = BinaryLayer(linear(130, 9), activations=True), normal(6, 130)
    torch.testing.assert_close(run_xnor(layer, X), layer(X).detach())
    with pytest.raises(ValueError, match="takes a linear BinaryLayer with activations=True"):
        run_xnor(BinaryLayer(linear(130, 9)), X)


@pytest.mark.parametrize("activations", [False, True])
def test_a_binary_network_trains(activations):
    torch.manual_seed(0)
    binary = binarize(LeNet5(), activations=activations)
    binary(torch.rand(2, 1, 28, 28)).square().sum().backward()
    layers = [m for m in binary.modules() if isinstance(m, BinaryLayer)]
    assert len(layers) == 3
    assert all(layer.weight.grad.abs().max() > 0 for layer in layers)


# What they refuse


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantize_weights(LeNet5(), 9), "bits must be from 2 to 8, got 9"),
        (lambda: quantize_weights(LeNet5(), 4, block_size=1), "must be 2 or more, got 1"),
        (lambda: quantize_weights(nn.Sequential(nn.LSTM(2, 2))), "layer '0' is a LSTM"),
        (lambda: ternarize(nn.Sequential(nn.ConvTranspose2d(2, 2, 3))), "is a ConvTranspose2d"),
        (lambda: ternarize(LeNet5(), skip=["c4"]), "LeNet5 has no layer 'c4' to skip"),
        (lambda: ternarize(LeNet5(), skip="c3"), "must be a list of names, got the string"),
        (lambda: binarize(nn.Sequential(nn.Linear(2, 2))), "has no Conv2d or Linear left"),
        (
            lambda: binarize(nn.Sequential(nn.Conv2d(2, 2, 3, padding_mode="reflect")), skip=()),
            "layer '0' pads with reflect",
        ),
    ],
)
def test_they_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()
