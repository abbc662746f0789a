"""The separable blocks against torchvision's MobileNets."""

import pytest
import torch
from torchvision.models.mobilenetv2 import InvertedResidual as TorchvisionBlock

from edu_lib.measure.cost import count_cost
from edu_lib.techniques.separable import DepthwiseSeparable, InvertedResidual, conv_norm


@pytest.mark.parametrize(("out_channels", "stride"), [(8, 1), (8, 2), (16, 1)])
def test_inverted_residual_equals_torchvisions(out_channels, stride):
    torch.manual_seed(0)
    ours = InvertedResidual(8, out_channels, stride=stride, expansion=3)
    theirs = TorchvisionBlock(8, out_channels, stride=stride, expand_ratio=3)
    values = list(ours.state_dict().values())
    names = list(theirs.state_dict())
    assert [v.shape for v in values] == [v.shape for v in theirs.state_dict().values()]
    theirs.load_state_dict(dict(zip(names, values, strict=True)))
    X = torch.randn(2, 8, 12, 12)
    # torchvision's activation stops at 6
    for block in theirs.modules():
        for name, child in block.named_children():
            if isinstance(child, torch.nn.ReLU6):
                setattr(block, name, torch.nn.ReLU())
    torch.testing.assert_close(ours.eval()(X), theirs.eval()(X), rtol=1e-4, atol=1e-5)


def test_depthwise_separable_costs_the_share_the_paper_says():
    in_channels, out_channels, kernel_size = 32, 64, 3
    shape = (1, in_channels, 16, 16)
    separable = count_cost(DepthwiseSeparable(in_channels, out_channels), shape).macs
    standard = count_cost(conv_norm(in_channels, out_channels), shape).macs
    assert separable / standard == pytest.approx(1 / out_channels + 1 / kernel_size**2)


@pytest.mark.parametrize("block", [DepthwiseSeparable, InvertedResidual])
def test_stride_halves_the_size(block):
    assert block(8, 12, stride=2)(torch.rand(2, 8, 16, 24)).shape == (2, 12, 8, 12)
