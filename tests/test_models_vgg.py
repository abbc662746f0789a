"""VGG-16 and VGG-19 against torchvision's, and their counts against the paper's and a counter's."""

import pytest
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from edu_lib.models import VGG16, VGG19

PAIRS = [
    (VGG16, torchvision.models.vgg16, 138_357_544, 15_470_264_320, 13),
    (VGG19, torchvision.models.vgg19, 143_667_240, 19_632_062_464, 16),
]


@pytest.mark.parametrize(("ours", "theirs", "parameters", "macs", "convolutions"), PAIRS)
def test_counts_are_those_the_docstring_says(ours, theirs, parameters, macs, convolutions):
    with torch.device("meta"):
        network, reference = ours(), theirs(weights=None)
    counts = [sum(p.numel() for p in model.parameters()) for model in (network, reference)]
    assert counts == [parameters, parameters]
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, 224, 224, device="meta"))
    assert counter.get_total_flops() == 2 * macs
    assert f"{parameters:,} parameters, {macs:,} MACs" in ours.__doc__
    kernels = [part.kernel_size for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    assert kernels == [(3, 3)] * convolutions


def with_narrow_linear_layers(build, **options):
    """The network with a tenth of a gigabyte in place of half of one: 16 units for 4,096."""
    with torch.device("meta"):
        model = build(**options).eval()
    model.classifier[0] = torch.nn.Linear(512 * 7 * 7, 16, device="meta")
    model.classifier[3] = torch.nn.Linear(16, 16, device="meta")
    model.classifier[6] = torch.nn.Linear(16, 1000, device="meta")
    return model


@pytest.mark.parametrize(("ours", "theirs"), [pair[:2] for pair in PAIRS])
def test_same_output_as_torchvisions(ours, theirs):
    with torch.device("meta"):
        whole = [build().state_dict() for build in (ours, theirs)]
    shapes = [{name: value.shape for name, value in each.items()} for each in whole]
    assert shapes[0] == shapes[1]
    generator = torch.Generator().manual_seed(0)
    network = with_narrow_linear_layers(ours)
    reference = with_narrow_linear_layers(theirs, weights=None, init_weights=False)
    weights = {
        name: torch.randn(value.shape, generator=generator) / value[0].numel() ** 0.5
        for name, value in reference.state_dict().items()
    }
    for model in (network, reference):  # shared, not copied
        model.load_state_dict(weights, assign=True)
    X = torch.rand(2, 3, 64, 64, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(network(X), reference(X))


def test_number_of_classes():
    with torch.device("meta"):
        assert VGG16(num_classes=10)(torch.empty(3, 3, 32, 32)).shape == (3, 10)
        assert VGG19(num_classes=7)(torch.empty(1, 3, 64, 64)).shape == (1, 7)
