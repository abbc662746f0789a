"""A network made to weigh nothing: three small convolutions and a global maximum. Chapter 10."""

from collections.abc import Sequence

from torch import Tensor, nn

from edu_lib.models.lenet import Normalize


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
