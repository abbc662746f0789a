"""The finale's network as a car runs it: one image in, one answer out. Taught in chapter 14."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, fx, nn

import edu_lib as edu
from classroom.ar_drive import RoadAnswer
from edu_lib.deploy import session
from edu_lib.models.road_tasks import LOG_DEPTH_MEAN, LOG_DEPTH_STD, STEERING_STD
from edu_lib.models.roadnet import EGO_STAGES, STAGES, TASKS, EgoHead, RoadNet
from edu_lib.models.small_roadnet import HalfSize, SmallRoadNet, smoothly_doubled
from edu_lib.techniques.factorization import conv_norm, separable_from, separate
from edu_lib.techniques.quantization import quantize_static
from edu_lib.weights import WEIGHTS_FOLDER
from roads import scene

FILE = "thirty_frames.30f"
QUALITY_FILE = "thirty_frames_quality.30f"
STUDENT = "thirty_frames_student"
SHAPE = (1, 3, 128, 256)
WEIGHT_BITS = 7
STEM = "encoder.stem.0"


def final_network(path: Path | str = WEIGHTS_FOLDER / FILE) -> fx.GraphModule:
    """The int8 network in a container file. Raises what `edu.container.load` raises."""
    X = torch.rand(2, *SHAPE[1:], generator=torch.Generator().manual_seed(0))
    form = quantize_static(SmallRoadNet().eval(), X, weight_bits=WEIGHT_BITS)
    return edu.container.load(path, into=form)


def one_scene(height: int = SHAPE[2], width: int = SHAPE[3]) -> Tensor:
    """An image [1, 3, H, W] in [0, 1] of the kind that the networks were trained on."""
    image = torch.from_numpy(scene(7, height, width).image).permute(2, 0, 1)[None]
    return image.float() / 255


def student() -> nn.Module:
    """The network before pruning and rounding: a SmallRoadNet with the weights of the study."""
    return edu.load_weights(SmallRoadNet(), STUDENT).eval()


def for_three_tasks(model: nn.Module) -> nn.Module:
    """A RoadNet that segments, changed in place: it gets new heads for depth and steering.

    Returns it with dense answers at half the size of the image.
    """
    width = STAGES[0]
    model.heads["depth"] = nn.Sequential(conv_norm(width, width, 1), nn.Conv2d(width, 1, 1))
    model.ego = EgoHead(STAGES[EGO_STAGES - 1])
    model.tasks = TASKS
    return HalfSize(model).eval()


def quality_form() -> nn.Module:
    """The network of `studies.thirty_frames_quality` before pruning, with random weights."""
    model = separate(RoadNet(["segmentation"]), skip=[STEM])
    model.set_submodule(STEM, separable_from(nn.Conv2d(3, STAGES[0], 7, 2, 3, bias=False), rank=8))
    return for_three_tasks(model)


def quality_network(path: Path | str = WEIGHTS_FOLDER / QUALITY_FILE) -> fx.GraphModule:
    """The int8 network that puts quality first. Raises what `edu.container.load` raises."""
    X = torch.rand(2, *SHAPE[1:], generator=torch.Generator().manual_seed(0))
    form = quantize_static(quality_form(), X, weight_bits=WEIGHT_BITS)
    return edu.container.load(path, into=form)


class RoadEyes:
    """Reads a road: what `ar_drive` takes as its network.

    path: an ONNX file of a network that answers as `SmallRoadNet` does. threads: of the CPU.
    smooth: enlarge what the network says before a class is chosen, as `WholeSize` does; finer
    edges, and more work.
    """

    def __init__(self, path: Path | str, threads: int | None = 1, smooth: bool = False):
        self.session, self.smooth = session(path, threads), smooth
        self.input = self.session.get_inputs()[0].name
        self.outputs = [output.name for output in self.session.get_outputs()]

    def __call__(self, image: np.ndarray) -> RoadAnswer:
        """image: uint8 [H, W, 3]."""
        planes = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)
        found = self.session.run(None, {self.input: planes[None] / 255})
        answers = dict(zip(self.outputs, found, strict=True))
        dense = [answers["segmentation"], answers["depth"]]
        if self.smooth:
            dense = [smoothly_doubled(torch.from_numpy(each)).numpy() for each in dense]
        classes = dense[0][0].argmax(axis=0).astype(np.uint8)
        metres = np.exp(dense[1][0, 0] * LOG_DEPTH_STD + LOG_DEPTH_MEAN)
        steering = float(answers["ego"][0, 0]) * STEERING_STD
        if self.smooth:
            return RoadAnswer(classes, metres, steering)
        return RoadAnswer(_four_each(classes), _four_each(metres), steering)


def _four_each(answer: np.ndarray) -> np.ndarray:
    """[H, W] as [2 H, 2 W]: each pixel becomes four."""
    return answer.repeat(2, axis=0).repeat(2, axis=1)
