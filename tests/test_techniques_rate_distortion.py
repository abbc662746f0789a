"""techniques.rate_distortion: levels times learned steps, and what they cost."""

import copy
import math

import pytest
import torch
from torch import nn

from edu_lib.deploy import container
from edu_lib.layers import to_plain
from edu_lib.models import LeNet300100
from edu_lib.techniques.rate_distortion import Rated, RateDistortion, few_digits


@pytest.fixture
def model() -> LeNet300100:
    torch.manual_seed(0)
    return LeNet300100()


def test_training_returns_outputs_and_bits_and_evaluation_outputs(model):
    X = torch.rand(4, 1, 28, 28)
    coded = RateDistortion(model)
    rated = coded.train()(X)
    assert isinstance(rated, Rated)
    assert rated.outputs.shape == (4, 10)
    torch.testing.assert_close(coded.eval()(X), rated.outputs)


def test_bits_are_those_of_the_formula(model):
    coded = RateDistortion(model).train()
    expected = 0.0
    steps = coded.levels()
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            z = weight.detach() / steps[name][1]
            expected += sum(math.log2(1 + 4 * abs(value)) for value in z.flatten()[:2000].tolist())
            z = z.flatten()[2000:]
            expected += float((1 + 4 * z.abs()).log2().sum())
    bits = float(coded(torch.rand(1, 1, 28, 28)).bits.detach())
    assert bits == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_finished_network_answers_as_the_coded_one_and_fits_in_a_file(model):
    X = torch.rand(4, 1, 28, 28)
    before = copy.deepcopy(model.state_dict())
    coded = RateDistortion(model).eval()
    finished = to_plain(coded)
    torch.testing.assert_close(finished(X), coded(X))
    stored = {name: container.Levels(*pair) for name, pair in coded.levels().items()}
    loaded = container.loads(container.dumps(finished, tensors=stored))
    assert torch.equal(loaded(X), finished(X))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_every_finished_weight_is_a_whole_number_of_steps(model):
    coded = RateDistortion(model)
    for name, weight in to_plain(coded).named_parameters():
        levels, step = coded.levels()[name]
        assert levels.dtype == torch.int32
        torch.testing.assert_close(weight.detach(), levels * step)
    z = model.fc1.weight.detach() / coded.levels()["fc1.weight"][1]
    inside = z.abs() < 0.58 - 1e-4
    assert not coded.levels()["fc1.weight"][0][inside].any()


def test_the_steps_gradient_is_that_of_learned_step_size_quantization():
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 0.74)
    coded = RateDistortion(layer, dead_zone=0.0).train()
    with torch.no_grad():
        coded.log_steps[0].fill_(math.log(0.5))
    coded(torch.ones(1, 1)).outputs.sum().backward()
    # w / s = 1.48 rounds to 1: dw_hat/ds = 1 - 1.48; the parameter is log s
    assert float(coded.log_steps[0].grad) == pytest.approx((1 - 1.48) * 0.5, rel=1e-5)
    assert float(coded.model.weight.grad) == pytest.approx(1.0)


def test_the_rate_alone_empties_a_network(model):
    coded = RateDistortion(model).train()
    X = torch.rand(2, 1, 28, 28)
    first = int((coded.levels()["fc2.weight"][0] != 0).sum())
    optimizer = torch.optim.Adam(coded.parameters(), lr=1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        coded(X).bits.backward()
        optimizer.step()
    assert int((coded.levels()["fc2.weight"][0] != 0).sum()) < first / 2


@pytest.mark.parametrize("step", [0.013, 0.4, 1.0, 7.3])
def test_a_step_keeps_three_binary_digits(step):
    rounded = float(few_digits(torch.tensor(step)))
    assert abs(rounded / step - 1) <= 1 / 8
    mantissa, _ = math.frexp(rounded)
    assert (mantissa * 8).is_integer()


def test_a_norm_without_statistics_is_coded_and_one_with_some_is_named():
    rated = RateDistortion(nn.Sequential(nn.Conv2d(1, 2, 3), nn.InstanceNorm2d(2, affine=True)))
    assert {*rated.levels()} == {"0.weight", "0.bias", "1.weight", "1.bias"}
    with pytest.raises(ValueError, match="0 is a InstanceNorm2d with running statistics"):
        RateDistortion(nn.Sequential(nn.InstanceNorm2d(2, track_running_stats=True)))


def test_what_it_cannot_do_is_said(model):
    with pytest.raises(ValueError, match="step_share"):
        RateDistortion(model, step_share=0)
    with pytest.raises(ValueError, match="dead_zone"):
        RateDistortion(model, dead_zone=0.5)
    with pytest.raises(ValueError, match="1 is a batch norm: fold it"):
        RateDistortion(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)))
