"""A slanted digit stands upright, by an independent reference and by what a reader expects."""

import numpy as np
import pytest
import torch
from torch import fx

import edu_lib as edu
from edu_lib.models import TinyNet
from edu_lib.models.deskew import Deskew, deskew


def slant(image: torch.Tensor) -> float:
    """mu_11 / mu_02 of one image [H, W], by NumPy."""
    a = image.double().numpy()
    y, x = np.mgrid[: a.shape[0], : a.shape[1]]
    y_mean, x_mean = (a * y).sum() / a.sum(), (a * x).sum() / a.sum()
    return (a * (y - y_mean) * (x - x_mean)).sum() / (a * (y - y_mean) ** 2).sum()


def sheared_by_numpy(image: torch.Tensor) -> np.ndarray:
    """Line by line with np.interp."""
    a = image.double().numpy()
    places = np.arange(a.shape[1])
    y_mean = (a * np.arange(a.shape[0])[:, None]).sum() / a.sum()
    lines = [
        np.interp(places + slant(image) * (y - y_mean), places, line, left=0, right=0)
        for y, line in enumerate(a)
    ]
    return np.stack(lines)


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    return edu.mnist().validation.X[:50]


def test_each_line_is_where_numpy_puts_it(digits):
    upright = deskew(digits)
    assert upright.shape == digits.shape
    for image, found in zip(digits, upright, strict=True):
        np.testing.assert_allclose(found[0].numpy(), sheared_by_numpy(image[0]), atol=1e-4)


def test_slanted_digits_stand_upright(digits):
    before = np.abs([slant(image[0]) for image in digits])
    after = np.abs([slant(image[0]) for image in deskew(digits)])
    assert before.max() > 0.3
    assert after.max() < 0.05


def test_upright_and_empty_images_stay():
    upright = torch.zeros(2, 1, 28, 28)
    upright[0, 0, 5:20, 12:15] = 1.0
    torch.testing.assert_close(deskew(upright), upright, atol=1e-5, rtol=0)


def test_an_image_has_no_influence_on_its_neighbours(digits):
    torch.testing.assert_close(deskew(digits)[3:4], deskew(digits[3:4]))


def test_a_traced_network_keeps_it_as_one_step(digits):
    traced = fx.symbolic_trace(TinyNet().eval())
    assert any(node.target is deskew for node in traced.graph.nodes)
    torch.testing.assert_close(fx.symbolic_trace(Deskew())(digits), deskew(digits))


def test_tiny_net_reads_a_slanted_bar_like_an_upright_one():
    torch.manual_seed(0)
    model = TinyNet().eval()
    upright = torch.zeros(1, 1, 28, 28)
    upright[0, 0, 4:24, 13:15] = 1.0
    slanted = torch.zeros_like(upright)
    for y in range(4, 24):
        offset = (13.5 - y) * 0.4
        whole, share = int(np.floor(offset)), offset - np.floor(offset)
        slanted[0, 0, y] += (1 - share) * torch.roll(upright[0, 0, y], whole)
        slanted[0, 0, y] += share * torch.roll(upright[0, 0, y], whole + 1)
    expected = model(upright)
    assert (model(slanted) - expected).abs().max() < 0.2 * expected.abs().max()
