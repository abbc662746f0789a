"""The networks of the kit. Each docstring gives shapes, parameters, MACs and the paper."""

from edu_lib.models.alexnet import AlexNet, AlexNet2012
from edu_lib.models.lenet import LeNet5, LeNet5Caffe, LeNet300100
from edu_lib.models.lenet1998 import LeNet1998, map_loss
from edu_lib.models.small_alexnet import SmallAlexNet
from edu_lib.models.tiny import TinyNet
from edu_lib.models.vgg import VGG16, VGG19

__all__ = [
    "VGG16",
    "VGG19",
    "AlexNet",
    "AlexNet2012",
    "LeNet5",
    "LeNet5Caffe",
    "LeNet1998",
    "LeNet300100",
    "SmallAlexNet",
    "TinyNet",
    "map_loss",
]
