"""The study of where the small road network's points go, on a plan that takes seconds."""

import pytest
import torch
from safetensors.torch import load

from classroom.road_scenes import RoadSplit
from edu_lib.models.small_roadnet import SmallRoadNet
from studies import thirty_frames_gap, thirty_frames_steps
from studies.thirty_frames_gap import VARIANTS, FineRoadNet, ceiling, fine, four_values, half
from studies.thirty_frames_steps import Plan

TINY = Plan(
    scenes=4, watched=2, small_epochs=1, validation=2, test=2, width=0.5, batch_size=2,
    num_epochs={"D": 1},
)  # fmt: skip


def test_four_values_of_a_pixel_lie_side_by_side():
    torch.manual_seed(0)
    layers, X = four_values(3, 2), torch.rand(1, 3, 2, 4)
    four, Y = layers[0](X), layers(X)
    assert Y.shape == (1, 2, 4, 8)
    for channel in range(2):
        for y in range(4):
            for x in range(8):
                source = 4 * channel + 2 * (y % 2) + x % 2  # Shi et al. 2016, equation 4
                assert Y[0, channel, y, x] == four[0, source, y // 2, x // 2]


def test_the_fine_network_answers_at_the_size_of_the_image():
    outputs = FineRoadNet(width=0.5).eval()(torch.rand(2, 3, 64, 128))
    assert outputs["segmentation"].shape == (2, 9, 64, 128)
    assert outputs["depth"].shape == (2, 1, 64, 128)
    assert outputs["ego"].shape == (2, 1)


class Scenes:
    """A plan whose test scenes are these labels."""

    def __init__(self, segmentation, depth):
        y = {"segmentation": segmentation, "depth": depth}
        X = torch.zeros(len(depth), 3, *depth.shape[1:], dtype=torch.uint8)
        self.scenes = RoadSplit(X, y, (), ())

    def split(self, name):
        assert name == "test"
        return self.scenes


def test_labels_in_blocks_of_four_are_kept_at_half_the_size_and_thin_ones_are_not():
    blocks = torch.arange(9).repeat(2, 1).repeat_interleave(2, 0).repeat_interleave(2, 1)[None]
    depth = 1.0 + blocks
    kept = ceiling(Scenes(blocks.byte(), depth))
    assert kept["miou"] == 100
    assert kept["delta1"] == pytest.approx(100)
    thin = blocks.clone()
    thin[:, 1::2] = 0  # every other row is sky, and those rows are left out
    lost = ceiling(Scenes(thin.byte(), depth))
    assert lost["ious"][3] == pytest.approx(50)


@pytest.mark.slow
def test_a_training_of_the_fine_network_leaves_its_quality_and_its_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(thirty_frames_gap, "CACHE", tmp_path)
    row = fine(0, plan=TINY)
    model = FineRoadNet(TINY.width)
    model.load_state_dict(load(row["files"]["safetensors"]))
    assert row["params"] == sum(each.numel() for each in model.parameters())
    assert len(row["test"]["ious"]) == 9
    assert 0 <= row["test"]["miou"] <= 100


@pytest.mark.slow
def test_the_network_to_compare_with_learns_by_the_same_plan(tmp_path, monkeypatch):
    epochs = []
    monkeypatch.setattr(thirty_frames_steps, "CACHE", tmp_path)
    monkeypatch.setattr(
        thirty_frames_steps.edu, "fit", lambda *_, num_epochs, **more: epochs.append(num_epochs)
    )
    monkeypatch.setattr(
        thirty_frames_steps, "lessons", lambda X, *_: {"taught": torch.zeros(len(X)).bool()}
    )
    row = half(0, TINY)
    SmallRoadNet(TINY.width).load_state_dict(load(row["files"]["safetensors"]))
    assert epochs == [TINY.small_epochs, TINY.num_epochs["D"]]
    assert len(row["test"]["ious"]) == 9


@pytest.mark.slow
def test_longer_has_more_epochs_and_wider_more_channels(tmp_path, monkeypatch):
    monkeypatch.setattr(thirty_frames_gap, "CACHE", tmp_path)
    epochs = []
    trained = thirty_frames_gap.edu.fit

    def fit(*arguments, num_epochs, **more):
        epochs.append(num_epochs)
        return trained(*arguments, num_epochs=num_epochs, **more)

    monkeypatch.setattr(thirty_frames_gap.edu, "fit", fit)
    rows = {name: fine(0, **more, plan=TINY) for name, more in VARIANTS.items()}
    assert epochs == [1, 1, 2, 2, 1, 1]
    assert rows["longer"]["macs"] == rows["fine"]["macs"]
    assert rows["wider"]["macs"] > 2 * rows["fine"]["macs"]
    assert rows["longer"]["files"] != rows["fine"]["files"]
