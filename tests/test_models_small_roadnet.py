"""SmallRoadNet: shapes, counts, pruning, and channels that become pixels in integers."""

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

import edu_lib as edu
from edu_lib.deploy.arithmetic import Integers
from edu_lib.deploy.operations import depth_to_space
from edu_lib.models.small_roadnet import HEADS, SmallRoadNet, WholeSize


@pytest.mark.parametrize("size", [(64, 96), (32, 32)])
def test_it_answers_at_half_the_size_and_whole_as_a_roadnet_does(size):
    X, model = torch.rand(2, 3, *size), SmallRoadNet().eval()
    half, whole = model(X), WholeSize(model)(X)
    assert list(half) == list(whole) == ["segmentation", "depth", "ego"]
    assert half["segmentation"].shape == (2, 9, size[0] // 2, size[1] // 2)
    assert whole["segmentation"].shape == (2, 9, *size)
    assert whole["depth"].shape == (2, 1, *size)
    assert whole["ego"].shape == (2, 1)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        assert torch.equal(whole["depth"][..., row::2, column::2], half["depth"])


def test_it_is_as_light_as_it_says():
    cost = edu.count_cost(SmallRoadNet(), (1, 3, 128, 256))
    assert f"{cost.params:,} parameters and {cost.macs / 1e6:.0f} MMACs" in SmallRoadNet.__doc__


def test_another_size_is_refused():
    with pytest.raises(ValueError, match="divisible by 32, got 48 x 64"):
        SmallRoadNet()(torch.rand(1, 3, 48, 64))


@pytest.mark.slow
def test_pruned_it_keeps_multiples_of_8():
    X = torch.rand(1, 3, 64, 128)
    model = SmallRoadNet(width=0.7).eval()
    pruned = edu.prune_channels(model, X, mac_share=0.7, round_to=8, skip=HEADS)
    share = edu.count_cost(pruned, X).macs / edu.count_cost(model, X).macs
    assert 0.3 < share <= 0.7
    assert all(block.depthwise[0].out_channels % 8 == 0 for block in pruned.levels)


@pytest.mark.parametrize("mode", ["CRD", "DCR"])
def test_channels_become_pixels_in_integers_as_in_onnx(mode):
    X = np.arange(2 * 12 * 3 * 5, dtype=np.uint8).reshape(2, 12, 3, 5)
    node = onnx.helper.make_node("DepthToSpace", ["X"], ["Y"], blocksize=2, mode=mode)
    theirs = ReferenceEvaluator(node).run(None, {"X": X})[0]
    ours = depth_to_space(Integers(X, np.float32(0.5), 3), 2, mode.encode())
    np.testing.assert_array_equal(ours.q, theirs)
    assert (ours.scale, ours.zero_point) == (0.5, 3)
