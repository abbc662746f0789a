"""RoadNet: shapes and counts of the family, and the measures against independent computations."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from edu_lib.deploy.onnx import export_onnx, session
from edu_lib.models import road_tasks
from edu_lib.models.roadnet import BLOCKS, TASKS, RoadNet

LIGHT = 0.125


def count_macs(model, X):
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        model.to("meta").eval()(X.to("meta"))
    return counter.get_total_flops() // 2


def labels(num_images=3, height=64, width=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    size = (num_images, height, width)
    return {
        "segmentation": torch.randint(0, 9, size, generator=generator).to(torch.uint8),
        "depth": (torch.rand(size, generator=generator) * 150 + 1).half(),
        "steering": torch.randn(num_images, generator=generator),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("size", [(64, 96), (32, 32), (96, 192)])
def test_every_kind_answers_at_any_size_divisible_by_32(kind, size):
    outputs = RoadNet(TASKS, LIGHT, kind).eval()(torch.rand(2, 3, *size))
    assert list(outputs) == list(TASKS)
    assert outputs["segmentation"].shape == (2, 9, *size)
    assert outputs["depth"].shape == (2, 1, *size)
    assert outputs["ego"].shape == (2, 1)


def test_the_heavy_network_is_as_heavy_as_it_says():
    model = RoadNet(["segmentation"])
    parameters = sum(p.numel() for p in model.parameters())
    macs = count_macs(model, torch.rand(1, 3, 128, 256))
    assert parameters < 7e6
    assert 2.5e9 < macs < 3e9
    assert f"{parameters / 1e6:.1f} M parameters and {macs / 1e9:.1f} GMACs" in RoadNet.__doc__


def test_light_relatives_are_lighter():
    X = torch.rand(1, 3, 128, 256)
    heavy = count_macs(RoadNet(TASKS), X)
    assert count_macs(RoadNet(TASKS, width=0.5), X) < heavy / 3
    assert count_macs(RoadNet(TASKS, kind="separable"), X) < heavy / 6
    assert count_macs(RoadNet(TASKS, kind="inverted"), X) < heavy / 3


def test_one_task_made_separable_has_a_seventh_of_the_macs():
    X = torch.rand(1, 3, 128, 256)
    standard, separable = (
        count_macs(RoadNet(["segmentation"], kind=kind), X) for kind in ("standard", "separable")
    )
    assert separable < standard / 7


def test_what_dense_tasks_own_when_they_share_is_cheap():
    X = torch.rand(1, 3, 128, 256)
    alone = count_macs(RoadNet(["segmentation"]), X)
    assert alone < count_macs(RoadNet(["segmentation", "depth"]), X) < 1.05 * alone


def test_a_network_has_only_what_its_tasks_need():
    assert RoadNet(["ego"], LIGHT).decoder is None
    assert RoadNet(["depth"], LIGHT).ego is None
    assert list(RoadNet(["depth"], LIGHT)(torch.rand(2, 3, 32, 32))) == ["depth"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"tasks": ["flow"]}, "tasks are some of"), ({"tasks": []}, "tasks are some of"),
     ({"kind": "dense"}, "kind is one of")],
)  # fmt: skip
def test_unknown_tasks_and_kinds_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RoadNet(**arguments)


def test_another_size_is_refused():
    with pytest.raises(ValueError, match="divisible by 32, got 64 x 100"):
        RoadNet(["ego"], LIGHT)(torch.rand(1, 3, 64, 100))


@pytest.mark.slow
def test_it_runs_in_onnx_runtime_with_a_named_output_a_task(tmp_path):
    torch.manual_seed(0)
    model = RoadNet(TASKS, LIGHT).eval()
    X = torch.rand(1, 3, 96, 192)
    opened = session(export_onnx(model, X, tmp_path / "road.onnx"))
    assert [output.name for output in opened.get_outputs()] == list(TASKS)
    with torch.no_grad():
        expected = model(X)
    for name, output in zip(TASKS, opened.run(None, {"X": X.numpy()}), strict=True):
        np.testing.assert_allclose(output, expected[name].numpy(), rtol=1e-3, atol=1e-4)


def test_iou_is_that_of_the_sets_of_pixels():
    torch.manual_seed(0)
    y, logits = labels()["segmentation"], torch.randn(3, 9, 64, 96)
    ious = road_tasks.intersection_over_union(road_tasks.confusion_matrix(logits, y))
    predicted = logits.argmax(dim=1)
    for class_id, iou in enumerate(ious):
        answer = set(map(tuple, (predicted == class_id).nonzero().tolist()))
        truth = set(map(tuple, (y == class_id).nonzero().tolist()))
        assert iou == pytest.approx(100 * len(answer & truth) / len(answer | truth), rel=1e-5)


def test_a_class_that_nowhere_occurs_does_not_lower_the_mean():
    confusion = torch.tensor([[5.0, 0.0], [0.0, 0.0]])
    assert road_tasks.intersection_over_union(confusion) == (100.0, 100.0)


def test_depth_hits_leave_sky_and_the_far_out():
    y = {
        "segmentation": torch.tensor([[[0, 1, 1, 1]]]),
        "depth": torch.tensor([[[200.0, 10.0, 10.0, 150.0]]]),
    }
    predicted = torch.tensor([[[[200.0, 12.4, 12.6, 150.0]]]])
    output = (predicted.log() - road_tasks.LOG_DEPTH_MEAN) / road_tasks.LOG_DEPTH_STD
    torch.testing.assert_close(road_tasks.metres(output), predicted)
    assert road_tasks.depth_hits(output, y) == (1, 2)


class Answers(nn.Module):
    """A network that gives the outputs it was told, image by image."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs, self.at = outputs, 0

    def forward(self, X):
        chosen = {name: value[self.at : self.at + len(X)] for name, value in self.outputs.items()}
        self.at += len(X)
        return chosen


def perfect(y):
    logits = nn.functional.one_hot(y["segmentation"].long(), 9).permute(0, 3, 1, 2).float()
    depth = (y["depth"].float().log() - road_tasks.LOG_DEPTH_MEAN) / road_tasks.LOG_DEPTH_STD
    steering = y["steering"] / road_tasks.STEERING_STD
    return {
        "segmentation": 100 * logits,
        "depth": depth[:, None],
        "ego": steering[:, None],
    }


def test_a_perfect_answer_gets_full_marks_and_no_loss():
    y = labels(num_images=5)
    X = torch.zeros(5, 3, 64, 96, dtype=torch.uint8)
    quality = road_tasks.evaluate_road(Answers(perfect(y)), X, y, batch_size=2)
    assert quality.miou == 100
    assert quality.delta1 == 100
    assert quality.steering_error_deg == pytest.approx(0, abs=1e-6)
    for loss in road_tasks.road_losses(perfect(y), y).values():
        assert loss.item() == pytest.approx(0, abs=1e-4)


def test_an_evaluation_keeps_the_mode_of_each_part():
    class Perfect(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, X):
            assert not self.norm.training
            return {"ego": self.norm(X).mean((1, 2, 3))[:, None]}

    model = Perfect().train()
    model.norm.eval()
    X = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    road_tasks.evaluate_road(model, X, {"steering": torch.zeros(2)})
    assert model.training
    assert not model.norm.training


def test_a_class_without_labels_is_left_out_of_the_mean():
    y = labels(num_images=2) | {"segmentation": torch.ones(2, 64, 96, dtype=torch.uint8)}
    outputs = {"segmentation": torch.zeros(2, 9, 64, 96)}
    outputs["segmentation"][:, 1] = 1
    outputs["segmentation"][:, 5, :32] = 2
    X = torch.zeros(2, 3, 64, 96, dtype=torch.uint8)
    quality = road_tasks.evaluate_road(Answers(outputs), X, y)
    assert quality.miou == pytest.approx(50)
    assert quality.ious[5] == 0


def test_steering_error_is_the_mean_in_degrees():
    y = labels(num_images=4)
    outputs = {"ego": perfect(y)["ego"] + 1 / road_tasks.STEERING_STD}
    X = torch.zeros(4, 3, 64, 96, dtype=torch.uint8)
    quality = road_tasks.evaluate_road(Answers(outputs), X, y, batch_size=3)
    assert quality.steering_error_deg == pytest.approx(1, abs=1e-5)
    assert quality.miou is None
    assert quality.delta1 is None


def test_mirrored_batches_mirror_labels_and_steering():
    y, X = labels(), torch.randint(0, 256, (3, 3, 64, 96), dtype=torch.uint8)
    mirrored = 0
    for seed in range(12):
        torch.manual_seed(seed)
        images, changed = road_tasks.augment_road(X, y)
        same = torch.equal(changed["steering"], y["steering"])
        if not same:
            mirrored += 1
            assert torch.equal(changed["steering"], -y["steering"])
            assert torch.equal(changed["depth"], y["depth"].flip(-1))
            assert torch.equal(changed["segmentation"], y["segmentation"].flip(-1))
        original = X.flip(-1) if not same else X
        ratio = images.mean() / (original.float().mean() / 255)
        assert 0.85 < ratio < 1.15
    assert 0 < mirrored < 12


def test_class_weights_leave_the_mean_pixel_at_one():
    weights = road_tasks.class_weights()
    shares = torch.tensor(road_tasks.CLASS_SHARES)
    assert (weights * shares).sum().item() == pytest.approx(1)
    assert weights.argmax() == shares.argmin()
