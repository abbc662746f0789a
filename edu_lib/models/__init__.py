"""The networks of the kit. Each docstring gives shapes, parameters, MACs and the paper."""

from edu_lib.models.alexnet import AlexNet, AlexNet2012
from edu_lib.models.lenet import LeNet5, LeNet5Caffe, LeNet300100, TinyNet
from edu_lib.models.lenet1998 import LeNet1998, map_loss
from edu_lib.models.mobile import (
    EfficientNetLite0,
    MobileNetV1,
    efficientnet_lite0_imagenet,
)
from edu_lib.models.repvgg import RepVGGA0, RepVGGBlock, reparameterize
from edu_lib.models.roadnet import RoadNet
from edu_lib.models.small_alexnet import SmallAlexNet, init_scaled_, init_small_
from edu_lib.models.small_roadnet import SmallRoadNet
from edu_lib.models.vgg import VGG16, VGG19

__all__ = [
    "VGG16",
    "VGG19",
    "AlexNet",
    "AlexNet2012",
    "EfficientNetLite0",
    "LeNet5",
    "LeNet5Caffe",
    "LeNet1998",
    "LeNet300100",
    "MobileNetV1",
    "RepVGGA0",
    "RepVGGBlock",
    "RoadNet",
    "SmallAlexNet",
    "SmallRoadNet",
    "TinyNet",
    "efficientnet_lite0_imagenet",
    "init_scaled_",
    "init_small_",
    "map_loss",
    "reparameterize",
]
