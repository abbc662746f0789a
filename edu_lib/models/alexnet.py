"""AlexNet as published in 2012, and in the form that torchvision ships. Taught in chapter 03.

Source: Krizhevsky, Sutskever, Hinton 2012, "ImageNet Classification with Deep Convolutional Neural
Networks", section 3 and figure 2. The small AlexNet of the kit is in `small_alexnet`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LocalResponseNorm(nn.Module):
    """Divides each activation by a power of the squares of its neighbours in channel direction.

    Input [N, C, H, W], output the same. size: neighbouring channels that are summed. towers: the
    channels are split into so many parts, and none looks at another's.
    Source: section 3.3. Unlike torch.nn.LocalResponseNorm, alpha is not divided by size.
    """

    def __init__(
        self,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 2.0,
        towers: int = 1,
    ):
        super().__init__()
        self.size, self.alpha, self.beta, self.k, self.towers = size, alpha, beta, k, towers

    def forward(self, X: Tensor) -> Tensor:
        a = X.unflatten(1, (self.towers, X.shape[1] // self.towers))
        before = self.size // 2
        squares = F.pad(a.square(), (0, 0, 0, 0, before, self.size - 1 - before))
        channels = a.shape[2]
        total = sum(squares[:, :, i : i + channels] for i in range(self.size))
        # b_i = a_i / (k + alpha * sum over j near i of a_j^2)^beta
        return (a / (self.k + self.alpha * total) ** self.beta).flatten(1, 2)

    def extra_repr(self) -> str:
        return (
            f"size={self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}, "
            f"towers={self.towers}"
        )


class AlexNet2012(nn.Module):
    """AlexNet as published: two towers, one for each GPU, that meet at conv3 and after pool5.

    Input [N, 3, 224, 224], output logits [N, num_classes]. 60,965,224 parameters, 659,272 neurons
    and 724,406,816 MACs an image (1000 classes). towers: 1 lets every kernel see every map.
    The paper's 55x55 maps need a border of 2 pixels, which it does not mention. Normalisation stays
    within a tower, because the paper lets the GPUs communicate only at conv3 and in linear layers.
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5, towers: int = 2):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, kernel_size=11, stride=4, padding=2)
        self.relu1 = nn.ReLU()
        self.norm1 = LocalResponseNorm(towers=towers)
        self.pool1 = nn.MaxPool2d(3, stride=2)
        self.conv2 = nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=towers)
        self.relu2 = nn.ReLU()
        self.norm2 = LocalResponseNorm(towers=towers)
        self.pool2 = nn.MaxPool2d(3, stride=2)
        self.conv3 = nn.Conv2d(256, 384, kernel_size=3, padding=1)
        self.relu3 = nn.ReLU()
        self.conv4 = nn.Conv2d(384, 384, kernel_size=3, padding=1, groups=towers)
        self.relu4 = nn.ReLU()
        self.conv5 = nn.Conv2d(384, 256, kernel_size=3, padding=1, groups=towers)
        self.relu5 = nn.ReLU()
        self.pool5 = nn.MaxPool2d(3, stride=2)
        self.flatten = nn.Flatten()
        self.fc6 = nn.Linear(256 * 6 * 6, 4096)
        self.relu6 = nn.ReLU()
        self.drop6 = nn.Dropout(dropout)
        self.fc7 = nn.Linear(4096, 4096)
        self.relu7 = nn.ReLU()
        self.drop7 = nn.Dropout(dropout)
        self.fc8 = nn.Linear(4096, num_classes)
        init_as_2012_(self)

    def forward(self, X: Tensor) -> Tensor:
        X = self.pool1(self.norm1(self.relu1(self.conv1(X))))
        X = self.pool2(self.norm2(self.relu2(self.conv2(X))))
        X = self.relu4(self.conv4(self.relu3(self.conv3(X))))
        X = self.flatten(self.pool5(self.relu5(self.conv5(X))))
        X = self.drop6(self.relu6(self.fc6(X)))
        X = self.drop7(self.relu7(self.fc7(X)))
        return self.fc8(X)


def init_as_2012_(model: AlexNet2012) -> None:
    """Weights from N(0, 0.01); biases 1 in conv2, conv4, conv5, fc6, fc7 and 0 elsewhere.

    The ones let ReLUs start with positive inputs. Source: section 5.
    """
    for name, layer in model.named_children():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            ones = name in ("conv2", "conv4", "conv5", "fc6", "fc7")
            nn.init.constant_(layer.bias, 1.0 if ones else 0.0)


class AlexNet(nn.Module):
    """AlexNet in one tower, without normalisation: the form that torchvision ships.

    Input [N, 3, 224, 224], output logits [N, num_classes]. 61,100,840 parameters and 714,188,480
    MACs an image (1000 classes). The parts carry torchvision's names: its state dict fits.
    After Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks".
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, num_classes),
        )

    def forward(self, X: Tensor) -> Tensor:
        X = self.avgpool(self.features(X))
        return self.classifier(torch.flatten(X, 1))
