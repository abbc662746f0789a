"""3x3 convolutions with a quarter of the multiplications: Winograd's F(4x4, 3x3).

Source: Lavin, Gray 2016, "Fast Algorithms for Convolutional Neural Networks" (CVPR), after the
minimal filtering of Winograd 1980. Taught in chapter 05.
"""

import itertools
import math
from collections import OrderedDict
from collections.abc import Collection, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edu_lib.copies import copied
from edu_lib.layers import check_unwrapped, choose_layers, is_within

TILE, STEP = 6, 4  # a tile of 6x6 inputs gives 4x4 outputs; neighbours overlap by 2
POINTS = TILE**2
STRIP_BYTES = 2**21  # what one strip of tiles fills stays in the cache of one core
SMALLEST_CHANNELS = 16  # with fewer the transforms cost more than they save

# a kernel of 3, its input of 6 and its output of 4 are polynomials: these matrices evaluate them at
# 0, 1, -1, 2, -2 and infinity (G, B_T), and find the output again from the products there (A_T)
B_T = torch.tensor([
    [4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1],
], dtype=torch.float64)  # fmt: skip
G = torch.tensor([
    [6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24],
], dtype=torch.float64) / 24  # fmt: skip
A_T = torch.tensor([
    [1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1],
], dtype=torch.float64)  # fmt: skip


class Workspace:
    """Memory that all Winograd layers of one network share, kept from call to call."""

    def __init__(self):
        self.flat = torch.empty(0)

    def take(self, like: Tensor, *sizes: int) -> list[Tensor]:
        """Flat tensors of these sizes, of the type and on the device of `like`; not initialised."""
        # what was made in inference mode can be written in inference mode alone
        closed = self.flat.is_inference() and not torch.is_inference_mode_enabled()
        if self.flat.dtype != like.dtype or self.flat.device != like.device or closed:
            self.flat = like.new_empty(0)
        if self.flat.numel() < sum(sizes):
            self.flat = like.new_empty(sum(sizes))
        return list(self.flat[: sum(sizes)].split(list(sizes)))


class WinogradConv2d(nn.Module):
    """A 3x3 convolution of stride 1, computed tile by tile; for inference alone.

    Input [N, C_in, H, W], output [N, C_out, H + 2p - 2, W + 2p - 2] in channels_last. Differs from
    the direct convolution by rounding: about 1e-5 of the largest output in float32. A single image
    [C_in, H, W] works too. Raises ValueError when it is called in training mode, or with a map that
    is smaller than its window.
    """

    def __init__(self, conv: nn.Conv2d, workspace: Workspace | None = None):
        super().__init__()
        weight = conv.weight.detach()
        self.padding, self._was_trained = conv.padding[0], conv.weight.requires_grad
        self.in_channels, self.out_channels = conv.in_channels, conv.out_channels
        self.workspace = workspace or Workspace()
        self.register_buffer("weight", weight.clone())  # as they were, to count and to go back
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach().clone())
        # U = G g G^T, for each pair of channels; as one product with the Kronecker square of G
        U = torch.kron(G, G) @ weight.double().flatten(2).flatten(0, 1).T
        U = U.view(POINTS, self.out_channels, self.in_channels).transpose(1, 2)
        self.register_buffer("U", U.contiguous().to(weight.dtype))  # [36, C_in, C_out]
        self.register_buffer("B2", torch.kron(B_T, B_T).to(weight))
        self.register_buffer("A2", torch.kron(A_T, A_T).to(weight))
        self.eval()

    @torch.no_grad()
    def forward(self, X: Tensor, relu: bool = False) -> Tensor:
        """relu: whether max(0, .) follows, done while the result is still in the cache."""
        if X.dim() == 3:
            return self.forward(X[None], relu)[0]
        if self.training:
            raise ValueError(
                "a Winograd layer cannot be trained: edu_lib.to_plain(model) gives ordinary layers"
            )
        N, _, H, W = X.shape
        p = self.padding
        H_out, W_out = H + 2 * p - 2, W + 2 * p - 2
        if min(H_out, W_out) < 1:
            raise ValueError(f"a map of {H}x{W} with padding {p} is smaller than a window of 3x3")
        rows, columns = math.ceil(H_out / STEP), math.ceil(W_out / STEP)
        X = X.permute(0, 2, 3, 1)
        y = X.new_empty(N, STEP * rows, STEP * columns, self.out_channels)
        for images, strip in self._strips(N, rows, columns):
            # the input rows of this strip of tiles; what lies outside the image is 0
            first, end = STEP * strip.start - p, STEP * strip.stop + 2 - p
            border = (p, STEP * columns + 2 - p - W, max(0, -first), max(0, end - H))
            part = F.pad(X[images, max(0, first) : end], (0, 0, *border))
            # every tile, as a view: [6, 6, n, rows, columns, C_in]
            tiles = part.unfold(1, TILE, STEP).unfold(2, TILE, STEP).permute(4, 5, 0, 1, 2, 3)
            self._convolve(tiles, y[images, STEP * strip.start : STEP * strip.stop], relu)
        y = y[:, :H_out, :W_out].permute(0, 3, 1, 2)
        return y.contiguous(memory_format=torch.channels_last)

    def _convolve(self, tiles: Tensor, y: Tensor, relu: bool) -> None:
        """tiles [6, 6, n, rows, columns, C_in] -> y [n, 4 rows, 4 columns, C_out], in place."""
        n, rows, columns, C = tiles.shape[2:]
        P, K = n * rows * columns, self.out_channels
        d, V, M, Y = self.workspace.take(
            y, POINTS * P * C, POINTS * P * C, POINTS * P * K, STEP**2 * P * K
        )
        d.view(tiles.shape).copy_(tiles)
        # V = B^T d B
        torch.mm(self.B2, d.view(POINTS, P * C), out=V.view(POINTS, P * C))
        # M = sum over input channels of U * V: at each of the 36 points a matrix product
        torch.bmm(V.view(POINTS, P, C), self.U, out=M.view(POINTS, P, K))
        # Y = A^T M A
        torch.mm(self.A2, M.view(POINTS, P * K), out=Y.view(STEP**2, P * K))
        Y = Y.view(STEP, STEP, n, rows, columns, K).permute(2, 3, 0, 4, 1, 5)
        whole = y.view(n, rows, STEP, columns, STEP, K)
        whole.copy_(Y) if self.bias is None else torch.add(Y, self.bias, out=whole)
        if relu:
            y.relu_()

    def _strips(self, N: int, rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
        """(images, rows of tiles) that fill the cache: some images, or a part of one."""
        row_bytes = POINTS * columns * max(self.in_channels, self.out_channels) * 4
        # the kernels are read once a strip: a strip must be worth that
        budget = max(STRIP_BYTES, self.U.numel() * 4 // 2)
        images = max(1, budget // (row_bytes * rows))
        height = max(1, min(rows, budget // row_bytes))
        for image in range(0, N, images):
            for row in range(0, rows, height):
                yield slice(image, min(N, image + images)), slice(row, min(rows, row + height))

    @torch.no_grad()
    def plain_layer(self) -> nn.Conv2d:
        """The direct convolution."""
        sizes = (self.in_channels, self.out_channels, 3)
        conv = nn.Conv2d(*sizes, padding=self.padding, device="meta")
        conv.weight, conv.bias = nn.Parameter(self.weight.clone(), self._was_trained), None
        if self.bias is not None:
            conv.bias = nn.Parameter(self.bias.clone(), self._was_trained)
        return conv.train(self.training)

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, padding={self.padding}"


class InOneGo(nn.Sequential):
    """An nn.Sequential in which the ReLU behind a convolution works in place, if nobody looks.

    Whoever takes its layers one by one (`for layer in features`), or hooks one of the two, gets
    what each of them computes alone.
    """

    def forward(self, X: Tensor) -> Tensor:
        layers = iter([*self, None])
        layer = next(layers)
        while layer is not None:
            following = next(layers)
            if not is_rectified(layer, following) or _is_watched(layer, following):
                X = layer(X)
            else:
                X = layer(X, relu=True) if isinstance(layer, WinogradConv2d) else layer(X).relu_()
                following = next(layers)
            layer = following
        return X

    def plain_layer(self) -> nn.Sequential:
        """nn.Sequential, with the same layers under the same names."""
        return nn.Sequential(OrderedDict(self._modules)).train(self.training)


def winograd(model: nn.Module, *, skip: Collection[str] = ()) -> nn.Module:
    """A copy of `model` in evaluation mode whose 3x3 convolutions run by Winograd's algorithm.

    Treated: 3x3, stride 1, without groups or dilation, at least 16 channels; all others stay. In
    an nn.Sequential the ReLU after a convolution works in place, where nothing reads what is before
    it. The copy cannot be trained, and takes one batch at a time. skip: names of layers, or of
    parts that hold some, to leave.
    Raises ValueError if no layer can be treated, for layers that a technique put in, and as
    `choose_layers`. Taught in chapter 05.
    """
    check_unwrapped(model, skip)
    model = copied(model).eval()
    chosen = choose_layers(model, (nn.Conv2d,), skip)
    workspace = Workspace()
    built = {
        layer: WinogradConv2d(layer, workspace)
        for layer in dict.fromkeys(chosen.values())
        if is_treatable(layer)
    }
    if not built:
        raise ValueError(
            f"{type(model).__name__} has no 3x3 convolution of stride 1 without groups and with "
            f"{SMALLEST_CHANNELS} or more channels: Winograd's algorithm changes nothing here"
        )
    for name, layer in chosen.items():
        if name and layer in built:
            model.set_submodule(name, built[layer])
    for name, part in model.named_modules():
        in_one_go = any(is_rectified(*pair) for pair in itertools.pairwise(part.children()))
        if type(part) is nn.Sequential and in_one_go and not is_within(name, skip):
            part.__class__ = InOneGo  # of the copy alone
    return built.get(model, model)


def is_rectified(layer: nn.Module, following: nn.Module | None) -> bool:
    """Whether a ReLU follows a convolution, whose output it may then overwrite."""
    return type(layer) in (nn.Conv2d, WinogradConv2d) and type(following) is nn.ReLU


def _is_watched(layer: nn.Module, following: nn.Module) -> bool:
    return bool(layer._forward_hooks or following._forward_pre_hooks or following._forward_hooks)


def is_treatable(layer: nn.Module) -> bool:
    """Whether `layer` is a convolution that WinogradConv2d can stand for."""
    return (
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (3, 3)
        and layer.stride == layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and layer.padding[0] == layer.padding[1]
        and min(layer.in_channels, layer.out_channels) >= SMALLEST_CHANNELS
    )
