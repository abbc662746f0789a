"""Checks of chapter 03: grouped convolutions, overlapping pooling, dropout, shared gradients."""

import torch
import torch.nn.functional as F

from edu_lib.teach.checks.checker import exercise
from edu_lib.teach.checks.compare import is_close, tensor_fault


@exercise("ch03.grouped_cost", points=2)
def grouped_cost(conv_cost):
    """conv_cost(in_channels, out_channels, kernel_size, out_size, groups) -> (params, macs)."""
    cases = [
        ((3, 96, 11, 55, 1), "AlexNet's conv1"),
        ((96, 256, 5, 27, 1), "conv2 without towers"),
        ((96, 256, 5, 27, 2), "AlexNet's conv2, in two towers"),
        ((384, 384, 3, 13, 2), "AlexNet's conv4, in two towers"),
        ((32, 32, 3, 10, 32), "one kernel a channel"),
    ]
    for arguments, name in cases:
        in_channels, out_channels, kernel_size, out_size, groups = arguments
        answer = conv_cost(*arguments)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            yield False, f"return two numbers, (parameters, MACs), not {answer!r}."
            return
        # each kernel reads the channels of its own group
        weights = out_channels * (in_channels // groups) * kernel_size**2
        params, macs = weights + out_channels, weights * out_size**2
        yield (
            is_close(answer[0], params),
            f"{name}: {params:,} parameters, yours gives {answer[0]}; a kernel reads"
            " in_channels / groups channels, and each of the out_channels kernels has one bias.",
        )
        yield (
            is_close(answer[1], macs),
            f"{name}: {macs:,} MACs, yours gives {answer[1]}; each weight, but no bias, works once"
            " at each of the out_size * out_size places.",
        )


@exercise("ch03.max_pool", points=3)
def max_pool(pool):
    """pool(X, size, stride) -> the maximum of each window of X [N, C, H, W]."""
    generator = torch.Generator().manual_seed(2012)
    X = torch.randn(2, 3, 13, 13, generator=generator)
    X_before = X.clone()
    cases = [
        (X, 2, 2, "windows side by side"),
        (X, 3, 2, "windows of 3 pixels, two apart: they share a row and a column"),
        (X - 10, 3, 2, "all values negative"),
        (X, 3, 1, "windows one pixel apart"),
        (X[..., :10, :], 3, 2, "an image that is not square"),
    ]
    for images, size, stride, name in cases:
        # y[i, j] = max of x[i * stride : i * stride + size, j * stride : j * stride + size]
        fault = tensor_fault(pool(images, size, stride), F.max_pool2d(images, size, stride))
        yield (
            not fault,
            f"size {size}, stride {stride}, {name}: {fault}; window (i, j) begins at pixel"
            " (i * stride, j * stride), and only whole windows count.",
        )
        yield torch.equal(X, X_before), "your function changes X: write to a new tensor."


@exercise("ch03.dropout", points=2)
def dropout(drop):
    """drop(X, share, generator) -> X with about that share set to 0, and its mean kept."""
    X = torch.ones(100, 400)
    for share in (0.5, 0.25):
        Y = drop(X, share, torch.Generator().manual_seed(0))
        if not isinstance(Y, torch.Tensor) or Y.shape != X.shape:
            yield False, f"return a tensor of shape {list(X.shape)}, as X has."
            return
        dropped = float((Y == 0).float().mean())
        yield (
            abs(dropped - share) < 0.02,
            f"share {share}: {100 * dropped:.0f} % of the values are 0; torch.rand is below"
            f" {share} in {100 * share:.0f} % of cases.",
        )
        # E[y] = (1 - share) * x / (1 - share) = x
        fault = tensor_fault(Y[Y != 0], torch.full_like(Y[Y != 0], 1 / (1 - share)))
        yield (
            not fault,
            f"share {share}: {fault}; divide what stays by 1 - share, so that the mean stays too.",
        )
    yield bool((X == 1).all()), "your function changes X: write to a new tensor."
    Y = drop(X, 0.5, torch.Generator().manual_seed(1))
    rows, columns = (Y != 0).float().mean(dim=1), (Y != 0).float().mean(dim=0)
    yield (
        bool(rows.std() < 0.1 and columns.std() < 0.2),
        "each value is dropped by itself: draw one number a value, not one a row or column.",
    )
    same = torch.equal(Y, drop(X, 0.5, torch.Generator().manual_seed(1)))
    yield same, "the same generator must drop the same values: hand it on to torch.rand."


@exercise("ch03.average_gradients", points=3)
def average_gradients(average):
    """average(gradients, counts) -> gradient of the mean loss over all images of all processes."""
    generator = torch.Generator().manual_seed(2)
    model = torch.nn.Linear(5, 3)
    X = torch.randn(12, 5, generator=generator)
    y = torch.randint(0, 3, (12,), generator=generator)

    def gradient(X, y):
        return torch.autograd.grad(F.cross_entropy(model(X), y), model.weight)[0]

    cases = [
        ((6, 6), "two processes with 6 images each"),
        ((4, 4, 4), "three processes with 4 images each"),
        ((8, 4), "one process has twice as many images: its mean counts twice"),
        ((10, 1, 1), "three processes with unequal parts"),
        ((12,), "one process alone"),
    ]
    for counts, name in cases:
        parts = zip(X.split(counts), y.split(counts), strict=True)
        gradients = [gradient(*part) for part in parts]
        before = [each.clone() for each in gradients]
        fault = tensor_fault(average(gradients, list(counts)), gradient(X, y), tolerance=1e-6)
        yield (
            not fault,
            f"{name}: {fault}; weigh each gradient with its share of the images, and add.",
        )
        kept = all(map(torch.equal, gradients, before))
        yield kept, "your function changes the gradients it is given: write to a new tensor."
