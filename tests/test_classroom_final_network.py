"""The file that ships: its size, its integers against ONNX Runtime, and its answers to a scene."""

import numpy as np
import pytest
import torch

import edu_lib as edu
import roads
from classroom.final_network import FILE, SHAPE, RoadEyes, final_network, student
from edu_lib.models.small_roadnet import WholeSize
from edu_lib.weights import WEIGHTS_FOLDER


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The network, its ONNX file, and a scene."""
    network = final_network()
    path = tmp_path_factory.mktemp("onnx") / "final.onnx"
    edu.export_int8(network, torch.rand(SHAPE), path)
    return network, path, roads.scene(7)


def test_the_file_has_at_most_100_kilobytes():
    assert (WEIGHTS_FOLDER / FILE).stat().st_size <= 100_000


@pytest.mark.slow
def test_the_integer_engine_equals_onnxruntime_in_every_value(shipped):
    _, path, scene = shipped
    eyes = RoadEyes(path)
    X = scene.image.transpose(2, 0, 1)[None].astype(np.float32) / 255
    theirs = dict(zip(eyes.outputs, eyes.session.run(None, {eyes.input: X}), strict=True))
    ours = edu.IntegerNetwork(path).run(X)
    assert ours.keys() == theirs.keys()
    for name, answer in ours.items():
        np.testing.assert_array_equal(answer, theirs[name])


@pytest.mark.slow
def test_its_eyes_answer_for_every_pixel_of_the_scene(shipped):
    network, path, scene = shipped
    answer = RoadEyes(path)(scene.image)
    assert answer.segmentation.shape == answer.depth.shape == scene.segmentation.shape
    assert (answer.segmentation == scene.segmentation).mean() > 0.5
    X = torch.from_numpy(scene.image).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        classes = WholeSize(network)(X)["segmentation"][0].argmax(dim=0).numpy()
    # the float form rounds a half elsewhere here and there
    assert (answer.segmentation == classes).mean() > 0.95


@pytest.mark.slow
def test_the_student_is_the_network_before_pruning(shipped):
    assert edu.count_cost(student(), SHAPE).macs > edu.count_cost(shipped[0], SHAPE).macs
