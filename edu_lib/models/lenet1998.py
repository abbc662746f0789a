"""LeNet-5 as published in 1998, layer by layer. Taught in chapter 02.

Source: LeCun, Bottou, Bengio, Haffner 1998, "Gradient-Based Learning Applied to Document
Recognition", section II.B, figure 2, table I and appendix A.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Table I: which maps of S2 (rows) each map of C3 (columns) is connected to.
C3_TABLE = (
    "X...XXX..XXXX.XX",
    "XX...XXX..XXXX.X",
    "XXX...XXX..X.XXX",
    ".XXX..XXXX..X.XX",
    "..XXX..XXXX.XX.X",
    "...XXX..XXXX.XXX",
)

# The target of each class at the 84 units of F6: a 7x12 drawing of its digit, "X" is +1.
DIGIT_BITMAPS = (
    "....... ....... ....... ....... ....... ....... ....... ....... ....... .......",
    "..XXX.. ...X... .XXXXX. XXXXXXX .....X. XXXXXXX ...XXX. XXXXXXX .XXXXX. .XXXXX.",
    ".X...X. ..XX... X.....X .....X. ....XX. X...... ..X.... ......X X.....X X.....X",
    "X.....X .X.X... ......X ....X.. ...X.X. X...... .X..... .....X. X.....X X.....X",
    "X.....X ...X... .....X. ...XXX. ..X..X. XXXXXX. X...... .....X. X.....X X....XX",
    "X.....X ...X... ...XX.. ......X .X...X. ......X X.XXXX. ....X.. .XXXXX. .XXXX.X",
    "X.....X ...X... ..X.... ......X XXXXXXX ......X XX....X ....X.. X.....X ......X",
    "X.....X ...X... .X..... ......X .....X. ......X X.....X ...X... X.....X .....X.",
    ".X...X. ...X... X...... X.....X .....X. X.....X X.....X ...X... X.....X ....X..",
    "..XXX.. .XXXXX. XXXXXXX .XXXXX. .....X. .XXXXX. .XXXXX. ...X... .XXXXX. .XXX...",
    "....... ....... ....... ....... ....... ....... ....... ....... ....... .......",
    "....... ....... ....... ....... ....... ....... ....... ....... ....... .......",
)

RUBBISH_PENALTY = 10.0


class ScaledTanh(nn.Module):
    """f(a) = A tanh(S a) with A = 1.7159 and S = 2/3, so that f(1) = 1 and f(-1) = -1.

    Any shape in, the same shape out. Source: LeCun et al. 1998, equation 6 and appendix A.
    """

    A, S = 1.7159, 2 / 3

    def forward(self, a: Tensor) -> Tensor:
        return self.A * torch.tanh(self.S * a)


class Subsampling(nn.Module):
    """Trainable subsampling: the sum of four neighbours, times a coefficient, plus a bias.

    Input [N, C, H, W], output [N, C, H/2, W/2]. 2C parameters. Source: section II.B, layer S2.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.coefficient = nn.Parameter(torch.full((channels, 1, 1), 0.25))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, X: Tensor) -> Tensor:
        # y = coefficient * (x1 + x2 + x3 + x4) + bias
        return 4 * F.avg_pool2d(X, 2) * self.coefficient + self.bias

    def count_macs(self, input: Tensor, output: Tensor) -> int:
        """One multiplication an output."""
        return output.numel()


class TableConv2d(nn.Module):
    """A convolution in which each output map reads only some input maps.

    table: bool [out_channels, in_channels]. Input [N, in_channels, H, W]. It holds one k x k kernel
    for each True and one bias an output map. Source: section II.B, layer C3 and table I.
    """

    def __init__(self, table: Tensor, kernel_size: int):
        super().__init__()
        self.register_buffer("table", table, persistent=False)
        fan_in = table.sum(dim=1)[table.nonzero()[:, 0]] * kernel_size**2
        kernels = torch.empty(int(table.sum()), kernel_size, kernel_size).uniform_(-1, 1)
        self.kernels = nn.Parameter(kernels * (3 / fan_in[:, None, None]).sqrt())
        self.bias = nn.Parameter(torch.zeros(len(table)))

    def forward(self, X: Tensor) -> Tensor:
        shape = (*self.table.shape, *self.kernels.shape[1:])
        weight = self.kernels.new_zeros(shape).index_put(self._places(), self.kernels)
        return F.conv2d(X, weight, self.bias)

    def _places(self) -> tuple[Tensor, Tensor]:
        return tuple(self.table.nonzero().t())

    def count_macs(self, input: Tensor, output: Tensor) -> int:
        """Every kernel slides over every output position."""
        return self.kernels.numel() * output.shape[0] * output.shape[-2] * output.shape[-1]


class RadialBasis(nn.Module):
    """Ten RBF units, one a class: the squared distance between F6 and the drawing of the digit.

    Input [N, 84], output [N, 10]: minus the distance, so that the largest output wins as for
    logits. No trainable parameter. Source: section II.B, equation 7.
    """

    def __init__(self, bitmaps: Tensor):
        super().__init__()
        self.register_buffer("bitmaps", bitmaps, persistent=False)

    def forward(self, X: Tensor) -> Tensor:
        # y_i = sum_j (x_j - w_ij)^2
        return -(X[:, None, :] - self.bitmaps).square().sum(dim=2)

    def count_macs(self, input: Tensor, output: Tensor) -> int:
        """One multiplication for each unit of F6 and each class."""
        return output.numel() * self.bitmaps.shape[1]


class LeNet1998(nn.Module):
    """LeNet-5 as published: scaled tanh, trainable subsampling, C3's table, RBF output.

    Input [N, 1, 28, 28] in [0, 1], padded to 32x32 inside; output [N, 10]: minus RBF distances.
    60,000 trainable parameters, 340,908 connections. Train it with `map_loss`.
    Source: LeCun et al. 1998, section II.B and figure 2.
    """

    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, kernel_size=5)
        self.act1 = ScaledTanh()
        self.s2 = Subsampling(6)
        self.act2 = ScaledTanh()
        self.c3 = TableConv2d(c3_table(), kernel_size=5)
        self.act3 = ScaledTanh()
        self.s4 = Subsampling(16)
        self.act4 = ScaledTanh()
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.act5 = ScaledTanh()
        self.flatten = nn.Flatten()
        self.f6 = nn.Linear(120, 84)
        self.act6 = ScaledTanh()
        self.output = RadialBasis(digit_bitmaps())
        for layer in (self.c1, self.c5, self.f6):
            uniform_fan_in_(layer)

    def forward(self, X: Tensor) -> Tensor:
        # background -0.1, ink 1.175: mean about 0, variance about 1 (section II.B)
        X = F.pad(X, (2, 2, 2, 2)) * 1.275 - 0.1
        X = self.act2(self.s2(self.act1(self.c1(X))))
        X = self.act4(self.s4(self.act3(self.c3(X))))
        X = self.flatten(self.act5(self.c5(X)))
        return self.output(self.act6(self.f6(X)))


def c3_table() -> Tensor:
    """Table I of the paper as a bool tensor [16, 6]: True where a map of C3 reads a map of S2."""
    rows = [[letter == "X" for letter in row] for row in C3_TABLE]
    return torch.tensor(rows).t().contiguous()


def digit_bitmaps() -> Tensor:
    """The ten targets, float [10, 84], +1 where the drawing has ink and -1 elsewhere."""
    lines = [line.split() for line in DIGIT_BITMAPS]
    drawings = ["".join(line[digit] for line in lines) for digit in range(10)]
    return torch.tensor([[1.0 if ink == "X" else -1.0 for ink in drawing] for drawing in drawings])


def uniform_fan_in_(layer: nn.Conv2d | nn.Linear) -> None:
    """Set weights to U(-a, a) with standard deviation 1 / sqrt(F), F inputs a unit; biases to 0.

    Source: LeCun, Bottou, Orr, Mueller 1998, "Efficient BackProp", section 4.6.
    """
    # the standard deviation of U(-a, a) is a / sqrt(3)
    limit = math.sqrt(3 / layer.weight[0].numel())
    nn.init.uniform_(layer.weight, -limit, limit)
    nn.init.zeros_(layer.bias)


def map_loss(logits: Tensor, y: Tensor, rubbish_penalty: float = RUBBISH_PENALTY) -> Tensor:
    """The paper's discriminative loss: the right class is near, all others and "rubbish" are far.

    logits: minus the RBF distances [N, 10]. y: labels [N]. Returns the mean loss, a scalar.
    Source: LeCun et al. 1998, equation 9.
    """
    # E = y_D + log(e^-j + sum_i e^-y_i), where y_i = -logits_i and j is the rubbish penalty
    rubbish = logits.new_full((len(logits), 1), -rubbish_penalty)
    return F.cross_entropy(torch.cat([logits, rubbish], dim=1), y)


def count_connections(model: LeNet1998) -> dict[str, int]:
    """Connections of each layer, counted as the paper does: every input of every unit, and a bias.

    Total 340,908. Source: section II.B, layer by layer; taught in chapter 02.
    """
    table = model.c3.table
    return {
        "C1": 28 * 28 * 6 * (5 * 5 + 1),
        "S2": 14 * 14 * 6 * (4 + 1),
        "C3": 10 * 10 * (int(table.sum()) * 5 * 5 + len(table)),
        "S4": 5 * 5 * 16 * (4 + 1),
        "C5": 120 * (16 * 5 * 5 + 1),
        "F6": 84 * (120 + 1),
        "output": 10 * 84,
    }
