"""The LeNets of today's literature, and one smaller still. That of 1998 is in `lenet1998`.

All take images [N, 1, 28, 28] in [0, 1] and return logits [N, 10]. Taught in chapter 02.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

MNIST_MEAN, MNIST_STD = 0.1307, 0.3081


class Normalize(nn.Module):
    """(X - mean) / std: part of the network, so that every runtime feeds it plain pixels."""

    def __init__(self, mean: float = MNIST_MEAN, std: float = MNIST_STD):
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, X: Tensor) -> Tensor:
        return (X - self.mean) / self.std

    def extra_repr(self) -> str:
        return f"mean={self.mean}, std={self.std}"


class LeNet5(nn.Module):
    """LeNet-5 as it is taught today: full C3, any activation, max or average pooling.

    Input [N, 1, 28, 28], output logits [N, 10]. 61,706 parameters, 416,520 MACs an image.
    After LeCun, Bottou, Bengio, Haffner 1998, "Gradient-Based Learning Applied to Document
    Recognition", section II.B; see `LeNet1998` for what the paper did otherwise.
    """

    def __init__(
        self,
        activation: Callable[[], nn.Module] = nn.ReLU,
        pool: Callable[[int], nn.Module] = nn.MaxPool2d,
    ):
        super().__init__()
        self.normalize = Normalize()
        self.c1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.act1 = activation()
        self.s2 = pool(2)
        self.c3 = nn.Conv2d(6, 16, kernel_size=5)
        self.act3 = activation()
        self.s4 = pool(2)
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.act5 = activation()
        self.flatten = nn.Flatten()
        self.f6 = nn.Linear(120, 84)
        self.act6 = activation()
        self.output = nn.Linear(84, 10)

    def forward(self, X: Tensor) -> Tensor:
        X = self.s2(self.act1(self.c1(self.normalize(X))))
        X = self.s4(self.act3(self.c3(X)))
        X = self.flatten(self.act5(self.c5(X)))
        return self.output(self.act6(self.f6(X)))


class LeNet5Caffe(nn.Module):
    """LeNet-5-Caffe, the network that the compression papers compress.

    Input [N, 1, 28, 28], output logits [N, 10]. 431,080 parameters, 2,293,000 MACs an image.
    After the MNIST tutorial of Caffe (Jia et al. 2014); used by Han et al. 2015 and since.
    """

    def __init__(self, dropout: float = 0.0):
        super().__init__()
        self.normalize = Normalize()
        self.conv1 = nn.Conv2d(1, 20, kernel_size=5)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(20, 50, kernel_size=5)
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(800, 500)
        self.act1 = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(500, 10)

    def forward(self, X: Tensor) -> Tensor:
        X = self.pool1(self.conv1(self.normalize(X)))
        X = self.flatten(self.pool2(self.conv2(X)))
        return self.fc2(self.dropout(self.act1(self.fc1(X))))


class LeNet300100(nn.Module):
    """LeNet-300-100: two hidden linear layers and no convolution, the control of its time.

    Input [N, 1, 28, 28], output logits [N, 10]. 266,610 parameters, 266,200 MACs an image.
    Source: LeCun et al. 1998, section III.C.4 ("two-hidden layer fully connected network").
    """

    def __init__(self):
        super().__init__()
        self.normalize = Normalize()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(784, 300)
        self.act1 = nn.ReLU()
        self.fc2 = nn.Linear(300, 100)
        self.act2 = nn.ReLU()
        self.fc3 = nn.Linear(100, 10)

    def forward(self, X: Tensor) -> Tensor:
        X = self.act1(self.fc1(self.flatten(self.normalize(X))))
        return self.fc3(self.act2(self.fc2(X)))


class TinyNet(nn.Module):
    """Three convolutions, the strongest answer of each channel anywhere, one linear layer.

    Input [N, 1, 28, 28] in [0, 1], output logits [N, 10]. With 8, 16 and 16 channels 3,866
    parameters and 378,048 MACs an image. The global maximum takes the place of the wide linear
    layer in which a LeNet keeps most of its weights (Lin, Chen, Yan 2014, "Network in Network",
    section 3.2, with the mean).
    batch_norm: with them it trains, without them it is stored.
    """

    def __init__(self, channels: Sequence[int] = (8, 16, 16), batch_norm: bool = False):
        super().__init__()
        first, second, third = channels
        self.normalize = Normalize()
        self.conv1 = nn.Conv2d(1, first, kernel_size=5, stride=2, padding=2)
        self.norm1 = nn.BatchNorm2d(first) if batch_norm else nn.Identity()
        self.conv2 = nn.Conv2d(first, second, kernel_size=3, padding=1)
        self.norm2 = nn.BatchNorm2d(second) if batch_norm else nn.Identity()
        self.pool2 = nn.MaxPool2d(2)
        self.conv3 = nn.Conv2d(second, third, kernel_size=3, padding=1)
        self.norm3 = nn.BatchNorm2d(third) if batch_norm else nn.Identity()
        self.act = nn.ReLU()
        self.pool3 = nn.AdaptiveMaxPool2d(1)
        self.flatten = nn.Flatten()
        self.output = nn.Linear(third, 10)

    def forward(self, X: Tensor) -> Tensor:
        X = self.act(self.norm1(self.conv1(self.normalize(X))))
        X = self.act(self.pool2(self.norm2(self.conv2(X))))
        X = self.act(self.norm3(self.conv3(X)))
        return self.output(self.flatten(self.pool3(X)))
