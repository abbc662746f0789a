"""Winograd's convolution equals the direct one, on every shape and in every network of the kit."""

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from edu_lib.cost import count_cost
from edu_lib.layers import to_plain
from edu_lib.models.vgg import VGG
from edu_lib.techniques import winograd as technique
from edu_lib.techniques.distillation import FeatureTap
from edu_lib.techniques.winograd import A_T, B_T, G, WinogradConv2d, winograd


def test_the_three_matrices_filter_one_line_of_six_with_three_weights():
    generator = torch.Generator().manual_seed(0)
    d = torch.rand(6, dtype=torch.float64, generator=generator)
    g = torch.rand(3, dtype=torch.float64, generator=generator)
    # y = A^T [(G g) * (B^T d)]: six multiplications in place of twelve
    y = A_T @ ((G @ g) * (B_T @ d))
    torch.testing.assert_close(y, d.unfold(0, 3, 1) @ g)


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("size", [(8, 8), (14, 14), (7, 9), (5, 3)])
def test_it_equals_the_direct_convolution_in_double_precision(size, padding):
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 20, 3, padding=padding).double()
    X = torch.randn(3, 16, *size, dtype=torch.float64)
    y = WinogradConv2d(conv)(X)
    torch.testing.assert_close(y, conv(X).detach(), rtol=0, atol=1e-12)
    assert y.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("strip_bytes", "strips"), [(1, 10), (60_000, 3), (10**9, 1)])
def test_the_result_does_not_depend_on_how_it_is_cut(monkeypatch, strip_bytes, strips):
    monkeypatch.setattr(technique, "STRIP_BYTES", strip_bytes)
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 16, 3, padding=1, bias=False).double()
    X = torch.randn(5, 16, 13, 10, dtype=torch.float64)
    layer = WinogradConv2d(conv)
    assert len(list(layer._strips(5, 4, 3))) == strips
    torch.testing.assert_close(layer(X, relu=True), conv(X).detach().relu(), rtol=0, atol=1e-12)


def test_in_single_precision_it_is_off_by_rounding_alone():
    torch.manual_seed(0)
    conv = nn.Conv2d(128, 128, 3, padding=1)
    X = torch.randn(1, 128, 28, 28)
    exact = nn.Conv2d(128, 128, 3, padding=1).double()
    exact.load_state_dict(conv.state_dict())
    y = exact(X.double()).detach()
    error = (WinogradConv2d(conv)(X) - y).abs().max() / y.abs().max()
    assert error < 2e-5


def test_a_vgg_keeps_its_outputs_and_its_first_layer_stays_direct():
    torch.manual_seed(0)
    model = VGG((16, 32, "pool", 32, 48, "pool"), num_classes=10)
    model.avgpool, model.classifier = nn.AdaptiveAvgPool2d(1), nn.Linear(48, 10)
    X = torch.randn(2, 3, 20, 24)
    fast = winograd(model)
    kinds = [type(layer).__name__ for layer in fast.features]
    assert kinds[:4] == ["Conv2d", "ReLU", "WinogradConv2d", "ReLU"]
    torch.testing.assert_close(fast(X), model.eval()(X), rtol=1e-4, atol=1e-5)
    assert all(isinstance(layer, nn.Conv2d) for layer in model.features[0:3:2])
    assert not model.features[1].inplace


def conv16(**options):
    return nn.Conv2d(16, 16, 3, padding=1, **options)


def same_answers(model, X):
    fast = winograd(model)
    with torch.inference_mode():
        torch.testing.assert_close(fast(X), model.eval()(X), rtol=1e-4, atol=1e-4)
    return fast


def test_a_module_may_stand_twice_in_a_sequential():
    torch.manual_seed(0)
    X, pool, conv = torch.randn(2, 16, 16, 16), nn.AvgPool2d(2), conv16()
    same_answers(nn.Sequential(conv16(), pool, conv16(), pool, nn.ReLU()), X)
    fast = same_answers(nn.Sequential(conv16(), conv, conv, nn.ReLU()), X)
    assert fast[1] is fast[2]


class Walked(nn.Module):
    """Takes its layers one by one, and reads what the convolutions give before the ReLU."""

    def __init__(self, *layers):
        super().__init__()
        self.features = nn.Sequential(*layers)

    def forward(self, X):
        outputs = []
        for layer in self.features:
            X = layer(X)
            outputs.append(X)
        return torch.cat(outputs, 1)


def test_who_reads_a_convolution_gets_it_before_the_relu():
    torch.manual_seed(0)
    X = torch.randn(1, 16, 12, 12)
    same_answers(Walked(conv16(), nn.ReLU(), conv16(), nn.ReLU()), X)
    same_answers(Walked(conv16(), nn.Conv2d(16, 16, 1), nn.ReLU()), X)
    model = nn.Sequential(conv16(), nn.ReLU(), nn.Conv2d(16, 16, 1), nn.ReLU())
    fast = same_answers(model, X)
    names = ["0", "1", "2", "3"]
    with FeatureTap(model, names) as taken, FeatureTap(fast, names) as ours, torch.no_grad():
        model(X), fast(X)
    for name in names:
        torch.testing.assert_close(ours[name], taken[name], rtol=1e-4, atol=1e-4)


def test_nobody_reads_it_and_the_relu_is_done_in_the_same_memory(monkeypatch):
    model = nn.Sequential(conv16(), nn.ReLU(), nn.Conv2d(16, 16, 1), nn.ReLU())
    fast, X = winograd(model), torch.randn(1, 16, 12, 12)
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, X: pytest.fail("one pass too many"))
    assert fast(X).min() == 0


def test_it_goes_back_to_what_it_was_made_of():
    torch.manual_seed(0)
    inner = nn.Sequential(conv16(bias=False), nn.ReLU()).requires_grad_(False)
    model, X = nn.Sequential(inner, conv16(), nn.ReLU()), torch.randn(1, 16, 8, 8)
    plain = to_plain(winograd(model))
    assert type(plain) is type(plain[0]) is nn.Sequential
    assert {*plain.state_dict()} == {*model.state_dict()}
    assert [p.requires_grad for p in plain.parameters()] == [False, True, True]
    assert torch.equal(plain(X), model(X))


def test_it_counts_the_weights_that_it_stands_for():
    model = nn.Sequential(conv16(bias=False), nn.ReLU(), conv16())
    direct, ours = (count_cost(each, (1, 16, 8, 8)) for each in (model, winograd(model)))
    assert ours.params == direct.params == sum(each.numel() for each in model.parameters())


def test_one_image_and_one_layer_are_taken_and_a_map_too_small_is_refused():
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 16, 3)
    fast, X = winograd(conv), torch.randn(16, 9, 9)
    torch.testing.assert_close(fast(X), conv(X).detach(), rtol=1e-4, atol=1e-5)
    assert fast(torch.zeros(0, 16, 9, 9)).shape == (0, 16, 7, 7)
    with pytest.raises(ValueError, match="2x2 with padding 0 is smaller than a window of 3x3"):
        fast(torch.zeros(1, 16, 2, 2))


def test_skip_connections_and_strides_are_left_as_they_are():
    torch.manual_seed(0)
    model = resnet18(weights=None, num_classes=10).eval()
    fast = winograd(model)
    treated = [name for name, part in fast.named_modules() if isinstance(part, WinogradConv2d)]
    strides = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.stride != (1, 1)]
    assert len(treated) == 13
    assert len([m for m in fast.modules() if isinstance(m, nn.Conv2d)]) == len(strides)
    X = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(fast(X), model(X), rtol=1e-3, atol=1e-4)


def test_the_workspace_follows_the_batch_and_the_precision():
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 16, 3, padding=1)
    layer = WinogradConv2d(conv)
    for size in (8, 40, 8):
        X = torch.randn(2, 16, size, size)
        torch.testing.assert_close(layer(X), conv(X).detach(), rtol=0, atol=1e-5)
    X = torch.randn(1, 16, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(layer.double()(X), conv.double()(X).detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(16, 16, 3, stride=2, padding=1),
        nn.Conv2d(16, 16, 5, padding=2),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.Conv2d(16, 16, 3, dilation=2),
        nn.Conv2d(3, 64, 3, padding=1),
        nn.Conv2d(16, 16, 3, padding="same"),
        nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect"),
    ],
)
def test_what_it_cannot_treat_is_refused_when_nothing_else_is_there(layer):
    with pytest.raises(ValueError, match="changes nothing here"):
        winograd(nn.Sequential(layer, nn.ReLU()))


def test_its_multiplications_are_a_quarter_of_those_of_the_direct_convolution():
    macs = {}
    for name, layer in (("direct", conv := nn.Conv2d(64, 64, 3)), ("ours", WinogradConv2d(conv))):
        macs[name] = count_cost(nn.Sequential(layer), (1, 64, 18, 18)).macs
    products = 36 * 16 * 64 * 64  # 36 points of 4x4 tiles, each a product of channels
    transforms = 36 * 36 * 16 * 64 + 16 * 36 * 16 * 64
    assert macs["ours"] == products + transforms
    assert macs["direct"] == 4 * products


def test_it_is_made_for_inference_and_says_so():
    layer = WinogradConv2d(nn.Conv2d(16, 16, 3))
    assert not layer.training
    with pytest.raises(ValueError, match="cannot be trained"):
        layer.train()(torch.zeros(1, 16, 8, 8))
