"""Checks of chapter 01: what a convolution computes, and what it costs."""

import torch
from torch.nn import functional as F

from classroom.checks.checker import exercise
from classroom.checks.compare import is_whole, number_case, parts, tensor_case


@exercise("ch01.convolve", points=3, cases=6)
def convolve(convolve2d):
    """convolve2d(X, kernel) -> valid cross-correlation of [H, W] with [K_h, K_w]."""
    X = torch.arange(9.0).reshape(3, 3)
    double, edge = torch.tensor([[2.0]]), torch.tensor([[1.0, -1.0]])
    yield _convolved(convolve2d(X, double), X, double, "a kernel of 2 on one pixel")
    # edge[i, j] = X[i, j] - X[i, j + 1]: a flipped kernel gives the opposite sign
    yield _convolved(convolve2d(X, edge), X, edge, "the kernel [1, -1] on 0..8")
    generator = torch.Generator().manual_seed(0)
    for image_size, kernel_size in (((6, 6), (3, 3)), ((5, 8), (2, 3)), ((4, 4), (4, 4))):
        X = torch.randn(image_size, generator=generator)
        kernel = torch.randn(kernel_size, generator=generator)
        asked = f"X {list(image_size)} with kernel {list(kernel_size)}"
        yield _convolved(convolve2d(X, kernel), X, kernel, asked)


def _convolved(answer, X, kernel, asked):
    expected = F.conv2d(X[None, None], kernel[None, None])[0, 0]
    windows = X.unfold(0, kernel.shape[0], 1).unfold(1, kernel.shape[1], 1)
    mistakes = {
        "do not flip the kernel": F.conv2d(X[None, None], kernel.flip(0, 1)[None, None])[0, 0],
        "add the products, do not take their mean": expected / kernel.numel(),
        "add the products, do not take the largest": (windows * kernel).amax((-2, -1)),
        "keep the fractions: yours are cut to whole numbers": expected.trunc(),
        "rows and columns have changed places": expected.T,
        "take the two dimensions of size 1 away": expected[None, None],
    }
    if kernel.shape[0] == kernel.shape[1]:
        turned = F.conv2d(X[None, None], kernel.T[None, None])[0, 0]
        mistakes["rows and columns of the kernel have changed places"] = turned
    why = "output[i, j] is the sum of X[i:i+K_h, j:j+K_w] * kernel"
    return tensor_case(answer, expected, asked, why, mistakes)


@exercise("ch01.one_map", points=2, cases=6)
def one_map(map_of):
    """map_of(X [C, H, W], kernel [C, K, K], bias) -> one map [H - K + 1, W - K + 1]."""
    generator = torch.Generator().manual_seed(1)
    sizes = [(3, 3, 3, 3, 1.0), (2, 5, 6, 3, -0.5), (1, 4, 4, 2, 2.0), (4, 6, 5, 1, 0.25)]
    for channels, height, width, size, bias in [*sizes, (3, 7, 7, 5, 0.0)]:
        X = torch.randn(channels, height, width, generator=generator)
        kernel = torch.randn(channels, size, size, generator=generator)
        # y[i, j] = bias + sum over channels, rows, columns of window * kernel
        expected = F.conv2d(X[None], kernel[None])[0, 0] + bias
        apart = F.conv2d(X[None], kernel[:, None], groups=channels)[0]
        mistakes = {
            "the channels are summed too: one map, not one a channel": apart + bias,
            "add the bias once an output, not once a channel": expected + (channels - 1) * bias,
            "the bias is missing": expected - bias,
            "all channels count, not the first alone": apart[0] + bias,
            "add the channels up, do not take their mean": apart.mean(dim=0) + bias,
            "take the dimension of size 1 away": expected[None],
        }
        asked = f"X {list(X.shape)}, kernel {list(kernel.shape)}, bias {bias:g}"
        why = "y[i, j] is the bias plus the sum of X[:, i:i+K, j:j+K] * kernel over all three axes"
        yield tensor_case(map_of(X, kernel, bias), expected, asked, why, mistakes)


@exercise("ch01.output_size", points=2, cases=8)
def output_size(size_of):
    """output_size(input_size, kernel_size, stride, padding) -> pixels on a side."""
    cases = [
        ((32, 5, 1, 0), "a kernel of 5 fits 28 times on 32 pixels"),
        ((28, 5, 1, 2), "padding of 2 adds two pixels on both sides"),
        ((28, 2, 2, 0), "a stride of 2 halves the size"),
        ((224, 11, 4, 2), "the part of a step that is left at the edge is cut: round down"),
        ((15, 4, 4, 0), "2.75 steps are 2 whole ones: round down"),
        ((7, 7, 1, 0), "a kernel as large as the image fits once"),
        ((10, 3, 3, 1), "three whole steps"),
    ]
    for arguments, why in cases:
        pixels, kernel_size, stride, padding = arguments
        room = pixels + 2 * padding - kernel_size
        mistakes = {
            "steps lie between the places: one place more than steps": room // stride,
            "padding adds pixels on both sides": (room - padding) // stride + 1,
            "round down: a part of a step is no place": -(-room // stride) + 1,
            "a part of a step is no place: round down": room / stride + 1,
        }
        asked = "input {}, kernel {}, stride {}, padding {}".format(*arguments)
        yield number_case(size_of(*arguments), room // stride + 1, asked, why, mistakes)
    size = size_of(32, 5, 1, 0)
    yield is_whole(size), f"a size is a whole number (int), yours is {type(size).__name__}."


@exercise("ch01.conv_cost", points=3, cases=10)
def conv_cost(cost_of):
    """conv_cost(C_in, C_out, K, H_out, W_out, groups) -> (weights without bias, MACs)."""
    cases = [
        ((1, 6, 5, 28, 28, 1), "the kernels have K * K weights for each input channel"),
        ((3, 64, 11, 55, 55, 1), "every output channel has its own kernel for every input channel"),
        ((16, 32, 3, 7, 14, 1), "height and width of the output both count"),
        ((32, 64, 3, 16, 16, 4), "with groups each kernel sees C_in / groups channels"),
        ((48, 48, 3, 10, 10, 48), "depthwise: each kernel sees one channel"),
    ]
    for arguments, why in cases:
        c_in, c_out, K, height, width, groups = arguments
        # weights = C_out * C_in / groups * K^2; MACs = weights * H_out * W_out
        weights = c_out * c_in // groups * K**2
        macs = weights * height * width
        shown = "conv_cost({}, {}, {}, {}, {}, {})".format(*arguments)
        given = parts(cost_of(*arguments), "weights", "MACs")
        mistakes = {
            "leave the biases out": weights + c_out,
            "a kernel has K * K weights a channel": weights / K,
            "with groups each kernel sees C_in / groups channels": weights * groups,
            "only C_in is divided by groups": weights / groups,
            "return the weights first, then the MACs": macs,
        }
        yield number_case(given[0], weights, f"weights of {shown}", why, mistakes)
        mistakes = {
            "a MAC is one multiplication with its addition: count it once": 2 * macs,
            "height times width, not height twice": weights * height * height,
            "leave the biases out": macs + c_out * height * width,
        }
        why = "each weight works once an output pixel"
        yield number_case(given[1], macs, f"MACs of {shown}", why, mistakes)


@exercise("ch01.receptive_field", points=3, cases=8)
def receptive_field(field_of):
    """receptive_field([(kernel_size, stride), ...]) -> input pixels on a side."""
    cases = [
        ([(5, 1)], 5, "one 5x5 convolution sees 5 pixels"),
        ([(3, 1), (3, 1)], 5, "two 3x3 convolutions see what one 5x5 sees"),
        ([(2, 2), (3, 1)], 6, "after a stride of 2 a step is 2 input pixels wide"),
        ([(3, 1), (2, 2)], 4, "the stride of a layer counts for the layers after it, not for it"),
        ([(3, 2), (3, 2), (3, 1)], 15, "strides multiply: two of 2 make steps of 4 pixels"),
        ([(5, 1), (2, 2), (5, 1), (2, 2), (5, 1)], 32, "LeNet-5 sees the whole 32 x 32 image"),
        ([(1, 1), (1, 1)], 1, "1x1 convolutions see one pixel"),
    ]
    for layers, expected, why in cases:
        mistakes = {
            "a kernel of K adds K - 1 pixels, not K": 1 + sum(size for size, _ in layers),
            "the field of no layer at all is 1 pixel, not 0": expected - 1,
            "the layers after the first add to the field": max(size for size, _ in layers),
        }
        asked = f"layers {layers}"
        yield number_case(field_of(layers), expected, asked, why, mistakes)
