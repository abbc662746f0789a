"""Checks of chapter 01: what a convolution computes, and what it costs."""

import torch
from torch.nn import functional as F

from edu_lib.teach.checks.checker import exercise
from edu_lib.teach.checks.compare import is_close, tensor_fault


@exercise("ch01.convolve", points=3)
def convolve(convolve2d):
    """convolve2d(X, kernel) -> valid cross-correlation of [H, W] with [K_h, K_w]."""
    X = torch.arange(9.0).reshape(3, 3)
    fault = tensor_fault(convolve2d(X.clone(), torch.tensor([[2.0]])), 2 * X)
    yield not fault, f"a 1x1 kernel of 2 doubles every pixel; {fault}."
    # edge[i, j] = X[i, j] - X[i, j + 1]: a flipped kernel gives the opposite sign
    edge = convolve2d(X.clone(), torch.tensor([[1.0, -1.0]]))
    fault = tensor_fault(edge, torch.full((3, 2), -1.0))
    yield not fault, f"the kernel [1, -1] on 0..8 gives -1 everywhere; do not flip it; {fault}."
    generator = torch.Generator().manual_seed(0)
    for image_size, kernel_size in (((6, 6), (3, 3)), ((5, 8), (2, 3)), ((4, 4), (4, 4))):
        X = torch.randn(image_size, generator=generator)
        kernel = torch.randn(kernel_size, generator=generator)
        expected = F.conv2d(X[None, None], kernel[None, None])[0, 0]
        given = X.clone()
        fault = tensor_fault(convolve2d(given, kernel.clone()), expected)
        yield (
            not fault,
            f"X {list(image_size)} with kernel {list(kernel_size)}: {fault};"
            " output[i, j] is the sum of X[i:i+K_h, j:j+K_w] * kernel.",
        )
        yield torch.equal(given, X), "your function changes X: write to a new tensor."


@exercise("ch01.output_size", points=2)
def output_size(size_of):
    """output_size(input_size, kernel_size, stride, padding) -> pixels on a side."""
    cases = [
        ((32, 5, 1, 0), 28, "a kernel of 5 fits 28 times on 32 pixels"),
        ((28, 5, 1, 2), 28, "padding of 2 adds two pixels on both sides"),
        ((28, 2, 2, 0), 14, "a stride of 2 halves the size"),
        ((224, 11, 4, 2), 55, "the part of a step that is left at the edge is cut: round down"),
        ((7, 7, 1, 0), 1, "a kernel as large as the image fits once"),
    ]
    for arguments, expected, why in cases:
        size = size_of(*arguments)
        shown = "input {}, kernel {}, stride {}, padding {}".format(*arguments)
        yield is_close(size, expected), f"{shown}: {expected} pixels, yours gives {size}; {why}."
    size = size_of(32, 5, 1, 0)
    yield isinstance(size, int), f"a size is a whole number (int), yours is {type(size).__name__}."


@exercise("ch01.conv_cost", points=3)
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
        c_in, c_out, kernel_size, height, width, groups = arguments
        # weights = C_out * C_in / groups * K^2; MACs = weights * H_out * W_out
        weights = c_out * c_in // groups * kernel_size**2
        macs = weights * height * width
        answer = cost_of(*arguments)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            yield False, f"return two numbers, (parameters, MACs), not {answer!r}."
            return
        shown = "conv_cost({}, {}, {}, {}, {}, {})".format(*arguments)
        yield (
            is_close(answer[0], weights),
            f"{shown}: {weights:,} parameters, yours gives {answer[0]}; {why}.",
        )
        yield (
            is_close(answer[1], macs),
            f"{shown}: {macs:,} MACs, yours gives {answer[1]}; each weight works once an output"
            " pixel.",
        )


@exercise("ch01.receptive_field", points=3)
def receptive_field(field_of):
    """receptive_field([(kernel_size, stride), ...]) -> input pixels on a side."""
    cases = [
        ([(5, 1)], 5, "one 5x5 convolution sees 5 pixels"),
        ([(3, 1), (3, 1)], 5, "two 3x3 convolutions see what one 5x5 sees"),
        ([(2, 2), (3, 1)], 6, "after a stride of 2 a step is 2 input pixels wide"),
        ([(3, 1), (2, 2)], 4, "the stride of a layer counts for the layers after it, not for it"),
        ([(5, 1), (2, 2), (5, 1), (2, 2), (5, 1)], 32, "LeNet-5 sees the whole 32 x 32 image"),
        ([(1, 1), (1, 1)], 1, "1x1 convolutions see one pixel"),
    ]
    for layers, expected, why in cases:
        field = field_of(list(layers))
        yield is_close(field, expected), f"{layers}: {expected} pixels, not {field}; {why}."
