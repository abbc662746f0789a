"""The LeNets: the counts of the papers, and each 1998 layer against an independent computation."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from edu_lib.models import LeNet5, LeNet5Caffe, LeNet1998, LeNet300100, map_loss
from edu_lib.models.lenet1998 import (
    RadialBasis,
    ScaledTanh,
    Subsampling,
    TableConv2d,
    c3_table,
    count_connections,
    digit_bitmaps,
)


def count_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("model", "parameters"),
    [(LeNet1998, 60_000), (LeNet5, 61_706), (LeNet5Caffe, 431_080), (LeNet300100, 266_610)],
)
def test_parameters_are_those_of_the_literature(model, parameters):
    network = model()
    assert count_parameters(network) == parameters
    assert network(torch.rand(3, 1, 28, 28)).shape == (3, 10)


@pytest.mark.parametrize(
    ("model", "macs"), [(LeNet5, 416_520), (LeNet5Caffe, 2_293_000), (LeNet300100, 266_200)]
)
def test_macs_are_those_the_docstring_says(model, macs):
    with FlopCounterMode(display=False) as counter:
        model()(torch.rand(1, 1, 28, 28))
    assert counter.get_total_flops() == 2 * macs
    assert f"{macs:,} MACs" in model.__doc__


def test_lenet1998_has_the_papers_count_in_every_layer():
    network = LeNet1998()
    layers = ("c1", "s2", "c3", "s4", "c5", "f6", "output")
    counts = [count_parameters(getattr(network, layer)) for layer in layers]
    assert counts == [156, 12, 1_516, 32, 48_120, 10_164, 0]
    connections = count_connections(network)
    assert connections["C1"] == 122_304
    assert connections["C3"] == 151_600
    assert sum(connections.values()) == 340_908


def test_c3_table_is_as_the_text_of_the_paper_describes_it():
    table = c3_table()
    assert table.shape == (16, 6)
    # six maps read three neighbours, six read four neighbours, three read four, the last reads all
    assert table.sum(dim=1).tolist() == [3] * 6 + [4] * 9 + [6]
    assert table.sum(dim=0).tolist() == [10] * 6
    assert len({tuple(row) for row in table.tolist()}) == 16


def test_table_convolution_equals_a_dense_one_with_zeros():
    torch.manual_seed(0)
    table = c3_table()
    layer = TableConv2d(table, kernel_size=5)
    X = torch.randn(2, 6, 14, 14)
    expected = torch.stack([layer.bias[o] + torch.zeros(2, 10, 10) for o in range(16)], dim=1)
    for kernel, (o, i) in zip(layer.kernels, table.nonzero(), strict=True):
        expected[:, o] += F.conv2d(X[:, i : i + 1], kernel[None, None])[:, 0]
    torch.testing.assert_close(layer(X), expected, rtol=1e-4, atol=1e-4)
    layer(X).sum().backward()
    assert layer.kernels.grad.abs().min() > 0


def test_subsampling_adds_four_neighbours():
    layer = Subsampling(1)
    with torch.no_grad():
        layer.coefficient.fill_(0.5)
        layer.bias.fill_(1.0)
    X = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert layer(X).item() == 0.5 * (1 + 2 + 3 + 4) + 1


def test_scaled_tanh_maps_one_to_one():
    values = ScaledTanh()(torch.tensor([-1.0, 0.0, 1.0]))
    torch.testing.assert_close(values, torch.tensor([-1.0, 0.0, 1.0]), atol=1e-4, rtol=0)


def test_radial_basis_equals_cdist_and_knows_each_drawing():
    bitmaps = digit_bitmaps()
    layer = RadialBasis(bitmaps)
    X = torch.randn(5, 84)
    torch.testing.assert_close(layer(X), -torch.cdist(X, bitmaps).square(), rtol=1e-4, atol=1e-3)
    assert layer(bitmaps).argmax(dim=1).tolist() == list(range(10))


def test_map_loss_is_equation_9():
    torch.manual_seed(0)
    penalties, y = torch.rand(4, 10) * 20, torch.tensor([1, 0, 9, 5])
    rubbish = torch.tensor(-10.0).exp()
    expected = torch.stack(
        [
            row[label] + (rubbish + (-row).exp().sum()).log()
            for row, label in zip(penalties, y, strict=True)
        ]
    ).mean()
    torch.testing.assert_close(map_loss(-penalties, y, rubbish_penalty=10.0), expected)
