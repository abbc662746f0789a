"""Grids of integers and their ranges, against PyTorch's and NumPy's own."""

import numpy as np
import pytest
import torch

from edu_lib.techniques.quantization import (
    affine_qparams,
    dequantize,
    entropy_range,
    fake_quantize,
    minmax_range,
    mse_range,
    percentile_range,
    quantize,
    symmetric_qparams,
    weight_qparams,
)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# Grids


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize(("low", "high"), [(-1.5, 2.5), (0.0, 6.0), (-3.0, -1.0), (0.5, 2.0)])
def test_affine_qparams_quantizes_as_pytorch_does(low, high, bits):
    grid = affine_qparams(torch.tensor(low), torch.tensor(high), bits)
    X = normal(4000) * 2
    theirs = torch.fake_quantize_per_tensor_affine(
        X, grid.scale, grid.zero_point, grid.qmin, grid.qmax
    )
    ours = fake_quantize(X, grid)
    # PyTorch multiplies by 1 / scale where we divide: a half can go the other way
    assert (ours - theirs).abs().max() <= grid.scale * 1.001
    assert ((ours - theirs).abs() > grid.scale / 2).float().mean() < 1e-3
    assert grid.bits == bits
    assert fake_quantize(torch.zeros(1), grid) == 0


def test_affine_qparams_takes_the_scale_and_zero_point_of_torchao():
    from torchao.quantization.quant_primitives import MappingType, choose_qparams_affine

    X = normal(1, 500) * 3 + 1
    scale, zero_point = choose_qparams_affine(
        X, MappingType.ASYMMETRIC, (1, 500), torch.uint8, eps=1e-12
    )
    grid = affine_qparams(*minmax_range(X))
    torch.testing.assert_close(grid.scale, scale.squeeze())
    assert grid.zero_point == zero_point.squeeze()


@pytest.mark.parametrize("bits", [2, 4, 7, 8])
def test_weight_qparams_is_that_of_pytorch_per_channel(bits):
    W = normal(6, 3, 5, 5) * torch.tensor([0.01, 0.1, 1, 2, 5, 10]).view(-1, 1, 1, 1)
    grid = weight_qparams(W, bits)
    assert grid.qmax == -grid.qmin == 2 ** (bits - 1) - 1
    theirs = torch.fake_quantize_per_channel_affine(
        W, grid.scale, grid.zero_point, 0, grid.qmin, grid.qmax
    )
    torch.testing.assert_close(fake_quantize(W, grid), theirs)
    # the largest weight of each channel is exactly on the grid
    peak = fake_quantize(W, grid).abs().flatten(1).amax(1)
    torch.testing.assert_close(peak, W.abs().flatten(1).amax(1))


def test_one_scale_a_channel_loses_less_than_one_a_layer():
    W = normal(4, 8, 3, 3) * torch.tensor([0.01, 0.1, 1, 10]).view(-1, 1, 1, 1)

    def error(per_channel):
        lost = fake_quantize(W, weight_qparams(W, 8, per_channel)) - W
        return lost.flatten(1).norm(dim=1) / W.flatten(1).norm(dim=1)

    assert error(per_channel=True).max() < 0.01
    assert error(per_channel=False).max() > 0.5


def test_integers_come_back_from_their_numbers():
    grid = symmetric_qparams(torch.tensor(1.0), bits=4)
    q = torch.arange(-7, 8, dtype=torch.int32)
    assert torch.equal(quantize(dequantize(q, grid), grid), q)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: affine_qparams(torch.tensor(0.0), torch.tensor(1.0), 9), "from 1 to 8, got 9"),
        (
            lambda: affine_qparams(torch.tensor(2.0), torch.tensor(1.0)),
            "low end above its high end",
        ),
        (lambda: affine_qparams(torch.tensor(0.0), torch.tensor(float("inf"))), "is not finite"),
        (lambda: symmetric_qparams(torch.tensor(1.0), 1), "from 2 to 8, got 1"),
        (lambda: symmetric_qparams(torch.tensor(float("nan"))), "are not finite"),
    ],
)
def test_grids_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Ranges


def test_percentile_is_that_of_numpy():
    values = normal(10_001) ** 3
    low, high = percentile_range(values, percent=99.9)
    expected = np.percentile(values.numpy(), [0.1, 99.9])
    np.testing.assert_allclose([low, high], expected, rtol=1e-5)
    assert percentile_range(values, percent=100) == minmax_range(values)
    with pytest.raises(ValueError, match="above 50 and at most 100, got 12"):
        percentile_range(values, percent=12)


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_mse_range_is_the_best_of_a_brute_force_search_with_pytorch(bits):
    values = normal(3000) ** 3
    low, high = values.min(), values.max()

    def error(low, high):
        grid = affine_qparams(low, high, bits)
        rounded = torch.fake_quantize_per_tensor_affine(
            values, grid.scale, grid.zero_point, 0, grid.qmax
        )
        return (rounded - values).square().mean()

    best = min(error(low * s, high * s) for s in np.linspace(0.005, 1, 400))
    assert error(*mse_range(values, bits)) <= best * 1.05
    if bits < 8:
        assert error(*mse_range(values, bits)) < 0.8 * error(low, high)


def test_entropy_range_cuts_outliers_as_onnxruntimes_calibration_does():
    from onnxruntime.quantization.calibrate import HistogramCollector

    values = normal(200_000).abs()
    values[:4] = 12.0  # outliers
    theirs = HistogramCollector("entropy", False, 128, 128, 99.99, "same")
    counts, edges = np.histogram(values.numpy(), 2048, (0, 12.0))
    symmetric = np.concatenate([counts[::-1], counts]), np.concatenate([-edges[:0:-1], edges])
    _, threshold, *_ = theirs.get_entropy_threshold((*symmetric, -12.0, 12.0, 12.0), 128)
    low, high = entropy_range(values, 7)  # 128 levels, as on either side of zero there
    assert low == 0
    assert 3 < high < 8
    assert high == pytest.approx(float(threshold), rel=0.25)


def test_many_exact_zeros_do_not_mislead_the_entropy_range():
    values = torch.cat([torch.zeros(90_000), normal(10_000).abs() + 0.5])
    assert entropy_range(values)[1] > 0.75 * values.max()
    assert entropy_range(torch.zeros(10)) == (0, 0)
