"""The networks of the kit. Each docstring gives shapes, parameters, MACs and the paper."""

from edu_lib.models.lenet import LeNet5, LeNet5Caffe, LeNet300100
from edu_lib.models.lenet1998 import LeNet1998, map_loss

__all__ = ["LeNet5", "LeNet5Caffe", "LeNet1998", "LeNet300100", "map_loss"]
