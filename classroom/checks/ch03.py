"""Checks of chapter 03: grouped convolutions, overlapping pooling, dropout, shared gradients."""

import torch
import torch.nn.functional as F

from classroom.checks.checker import exercise
from classroom.checks.compare import WrongForm, tensor_case, tensor_fault


@exercise("ch03.grouped_conv", points=3, cases=6)
def grouped_conv(convolve):
    """convolve(X, weight, groups) -> the convolution of X [N, C_in, H, W] in `groups` towers."""
    generator = torch.Generator().manual_seed(2012)
    cases = [
        (2, 4, 6, 1, "one tower: the whole convolution"),
        (1, 4, 4, 2, "two towers, as AlexNet"),
        (3, 6, 4, 2, "two towers of 3 channels in and 2 out"),
        (1, 6, 12, 3, "three towers"),
        (2, 5, 5, 5, "one channel a tower"),
    ]
    for num, C_in, C_out, groups, name in cases:
        X = torch.randn(num, C_in, 6, 5, generator=generator)
        weight = torch.randn(C_out, C_in // groups, 3, 3, generator=generator)
        expected = F.conv2d(X, weight, groups=groups)
        asked = f"{C_in} channels in, {C_out} out, groups={groups}, {name}"
        why = "tower g reads the g-th part of the channels and makes the g-th part of the maps"
        mistakes = _wrong_towers(X, weight, groups) if groups > 1 else {}
        yield tensor_case(convolve(X, weight, groups), expected, asked, why, mistakes)


def _wrong_towers(X, weight, groups):
    """What known mistakes of a grouped convolution give."""
    inputs, kernels = X.chunk(groups, 1), weight.chunk(groups)
    towers = [F.conv2d(x, w) for x, w in zip(inputs, kernels, strict=True)]
    strided = [F.conv2d(X[:, g::groups], w) for g, w in enumerate(kernels)]
    return {
        "every tower reads channels of its own, yours all read the first ones": torch.cat(
            [F.conv2d(inputs[0], w) for w in kernels], 1
        ),
        "a tower reads neighbouring channels, not every groups-th one": torch.cat(strided, 1),
        "a tower's maps stay side by side, yours are shuffled": torch.stack(towers, 2).flatten(
            1, 2
        ),
        "the towers' maps stand side by side, they are not added": sum(towers),
        "the towers' maps are in the opposite order": torch.cat(towers[::-1], 1),
        "each tower has kernels of its own": torch.cat(
            [F.conv2d(x, kernels[0]) for x in inputs], 1
        ),
        "the maps of all towers are wanted, not those of the first": towers[0],
    }


@exercise("ch03.max_pool", points=3, cases=6)
def max_pool(pool):
    """pool(X, size, stride) -> the maximum of each window of X [N, C, H, W]."""
    generator = torch.Generator().manual_seed(2012)
    X = torch.randn(2, 3, 13, 13, generator=generator)
    cases = [
        (X, 2, 2, "windows side by side"),
        (X, 3, 2, "windows of 3 pixels, two apart: they share a row and a column"),
        (X - 10, 3, 2, "all values are negative"),
        (X, 3, 1, "windows one pixel apart"),
        (X[..., :10, :], 3, 2, "an image that is not square"),
    ]
    for images, size, stride, name in cases:
        # y[i, j] = max of x[i * stride : i * stride + size, j * stride : j * stride + size]
        expected = F.max_pool2d(images, size, stride)
        mistakes = {
            "take the maximum, not the mean": F.avg_pool2d(images, size, stride),
            "windows begin `stride` apart, not `size`": F.max_pool2d(images, size),
            "only whole windows count": F.max_pool2d(images, size, stride, ceil_mode=True),
            "the last window is missing": expected[..., :-1, :-1],
            "a maximum may be below 0: do not begin at 0": expected.clamp(min=0),
            "each channel has its own maximum": expected.amax(1, keepdim=True),
        }
        asked = f"size {size}, stride {stride}, {name}"
        why = "window (i, j) begins at pixel (i * stride, j * stride), and only whole windows count"
        yield tensor_case(pool(images, size, stride), expected, asked, why, mistakes)


@exercise("ch03.dropout", points=2, cases=11)
def dropout(drop):
    """drop(X, share, generator) -> X with about that share set to 0, and its mean kept."""
    random = torch.Generator().manual_seed(2012)
    X = torch.rand(100, 400, generator=random) + 0.5
    for share in (0.5, 0.25):
        Y = drop(X, share, torch.Generator().manual_seed(7))
        if not isinstance(Y, torch.Tensor) or Y.shape != X.shape:
            raise WrongForm(f"return a tensor of shape {list(X.shape)}, as X has.")
        yield _each_alone(Y)
        dropped = float((Y == 0).float().mean())
        yield (
            abs(dropped - share) < 0.02,
            f"share {share}: {100 * dropped:.0f} % of the values are 0; torch.rand is below"
            f" {share} in {100 * share:.0f} % of cases.",
        )
        # E[y] = (1 - share) * x / (1 - share) = x
        kept = Y != 0
        mistakes = {
            "divide what stays by 1 - share, so that the mean stays too": X[kept],
            "divide by 1 - share, which stays, not by share, which goes": X[kept] / share,
            "divide by 1 - share; it is 1/2 only at a share of 0.5": 2 * X[kept],
            "what stays are the values of X, not ones": torch.ones_like(X[kept]) / (1 - share),
        }
        why = "divide what stays of X by 1 - share"
        yield tensor_case(Y[kept], X[kept] / (1 - share), f"share {share}", why, mistakes)
    Y = drop(X, 0.5, torch.Generator().manual_seed(1))
    same = torch.equal(Y, drop(X, 0.5, torch.Generator().manual_seed(1)))
    yield same, "the same generator must drop the same values: hand it on to torch.rand."
    other = drop(X, 0.5, torch.Generator().manual_seed(2))
    yield (
        not torch.equal(Y, other),
        "two generators dropped the same values: draw from the generator that comes in.",
    )
    deep = torch.rand(8, 20, 10, 10, generator=random) + 0.5
    Y = drop(deep, 0.5, torch.Generator().manual_seed(1))
    fault = tensor_fault(Y, torch.where(Y == 0, 0, 2 * deep))
    yield not fault, f"X of shape [8, 20, 10, 10]: {fault}; draw numbers of X's own shape."
    yield _each_alone(Y.flatten(2).transpose(0, 1).flatten(1))


def _each_alone(Y):
    """Y: [rows, columns]. Whether no row and no column was dropped as a whole."""
    rows, columns = (Y != 0).float().mean(dim=1), (Y != 0).float().mean(dim=0)
    alone = bool(rows.std() < 0.1 and columns.std() < 0.2)
    return (
        alone,
        "each value is dropped by itself: draw one number a value, not one a row or column.",
    )


@exercise("ch03.average_gradients", points=3, cases=6)
def average_gradients(average):
    """average(gradients, counts) -> gradient of the mean loss over all images of all processes."""
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(3, 5, generator=generator, requires_grad=True)
    X = torch.randn(12, 5, generator=generator)
    y = torch.randint(0, 3, (12,), generator=generator)

    def gradient(X, y):
        return torch.autograd.grad(F.cross_entropy(X @ weight.T, y), weight)[0]

    cases = [
        ((6, 6), "two processes with 6 images each"),
        ((4, 4, 4), "three processes with 4 images each"),
        ((8, 4), "one process has twice as many images"),
        ((10, 1, 1), "three processes with unequal parts"),
        ((12,), "one process alone"),
    ]
    for counts, name in cases:
        pieces = zip(X.split(counts), y.split(counts), strict=True)
        gradients = [gradient(*piece) for piece in pieces]
        total = sum(gradients)
        weighted = sum(each * count for each, count in zip(gradients, counts, strict=True))
        mistakes = {
            "a mean over more images counts more": total / len(counts),
            "that is the sum: divide by the number of images of all processes": total,
            "divide by the number of all images": weighted,
            "divide by the number of all images, not of processes": weighted / len(counts),
            "return a gradient of the weight's shape, not one number": gradient(X, y).mean(),
        }
        why = "weigh each gradient with its share of all images, and add; do not round the shares"
        answer = average(gradients, list(counts))
        yield tensor_case(answer, gradient(X, y), name, why, mistakes, tolerance=1e-6)
