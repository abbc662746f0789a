"""Checks of chapter 13: edge networks."""

import torch
import torch.nn.functional as F

from classroom.checks.checker import exercise
from classroom.checks.compare import number_case, parts, tensor_case


@exercise("ch13.fire", points=2, cases=4)
def fire(fire_parameters):
    """fire_parameters(inputs, squeeze, expand1, expand3) -> weights and biases of a fire module."""
    for inputs, squeeze, expand1, expand3 in (
        (96, 16, 64, 64),
        (512, 64, 256, 256),
        (10, 3, 5, 7),
        (7, 2, 4, 4),
    ):
        narrow = (inputs + 1) * squeeze
        wide1, wide3 = (squeeze + 1) * expand1, (9 * squeeze + 1) * expand3
        weights = inputs * squeeze + squeeze * expand1 + 9 * squeeze * expand3
        mistakes = {
            "each output channel has a bias too": weights,
            "the squeeze layer has parameters too": wide1 + wide3,
            "a 3x3 window has 9 weights": narrow + wide1 + (squeeze + 1) * expand3,
            "the 3x3 layer reads the squeezed channels, not all": narrow
            + wide1
            + (9 * inputs + 1) * expand3,
            "the wide layers read the squeezed channels, not all": narrow
            + (inputs + 1) * expand1
            + (9 * inputs + 1) * expand3,
            "both wide layers read the squeezed map, side by side": narrow
            + wide1
            + (9 * expand1 + 1) * expand3,
        }
        asked = f"{inputs} inputs, squeeze {squeeze}, expand {expand1} and {expand3}"
        answer = fire_parameters(inputs, squeeze, expand1, expand3)
        why = f"{narrow:,} to squeeze, {wide1:,} for 1x1 and {wide3:,} for 3x3"
        yield number_case(answer, narrow + wide1 + wide3, asked, why, mistakes)


@exercise("ch13.shuffle", points=2, cases=5)
def shuffle(channel_shuffle):
    """channel_shuffle(X, groups) -> X [N, C, H, W] with its channels dealt out anew."""
    for shape, groups in (
        ((1, 6, 1, 1), 2),
        ((2, 6, 2, 3), 3),
        ((1, 8, 2, 2), 4),
        ((3, 4, 1, 2), 1),
    ):
        X = torch.arange(float(torch.tensor(shape).prod())).reshape(shape)
        per_group = shape[1] // groups
        order = [part * per_group + i for i in range(per_group) for part in range(groups)]
        other = [part * groups + i for i in range(groups) for part in range(per_group)]
        mistakes = {
            "the channels stay where they were: swap the two new dimensions": X,
            "groups come first in the split, channels of a group second": X[:, other],
            "deal the channels out, do not reverse them": X.flip(1),
            "deal the channels out, do not turn them round": X.roll(1, 1),
            "deal the channels, do not swap height and width": X.transpose(2, 3).reshape(X.shape),
        }
        asked = f"{shape[1]} channels in {groups} groups"
        why = f"the channels come in the order {order}"
        yield tensor_case(channel_shuffle(X, groups), X[:, order], asked, why, mistakes)


@exercise("ch13.merge", points=3, cases=7)
def merge(merged):
    """merged(W3, b3, W1, b1) -> (weight, bias) of one 3x3 convolution for 3x3, 1x1 and identity."""
    generator = torch.Generator().manual_seed(13)
    for channels in (1, 3, 8):
        W3 = torch.randn(channels, channels, 3, 3, generator=generator)
        W1 = torch.randn(channels, channels, 1, 1, generator=generator)
        b3, b1 = (torch.randn(channels, generator=generator) for _ in range(2))
        weight, bias = parts(
            merged(W3.clone(), b3.clone(), W1.clone(), b1.clone()), "weight", "bias"
        )
        pointwise = F.pad(W1, (1, 1, 1, 1))
        ones = F.pad(torch.eye(channels)[:, :, None, None], (1, 1, 1, 1))
        mistakes = {
            "the identity is a branch too: 1 in the middle, from each channel to itself": W3
            + pointwise,
            "the 1x1 window stands in the middle, with zeros around it": W3 + W1 + ones,
            "the identity gives each channel to itself alone: ones on the diagonal": W3
            + pointwise
            + F.pad(torch.ones(channels, channels, 1, 1), (1, 1, 1, 1)),
            "the 1x1 branch is missing": W3 + ones,
            "the identity is 1 in the middle alone, not in all nine places": W3
            + pointwise
            + torch.eye(channels)[:, :, None, None],
        }
        if channels == 1:
            mistakes.pop("the identity gives each channel to itself alone: ones on the diagonal")
        asked = f"the weight for {channels} channels"
        why = "add the three windows, each as a 3x3 one"
        yield tensor_case(weight, W3 + pointwise + ones, asked, why, mistakes)
        mistakes = {
            "both convolutions have a bias": b3,
            "the 3x3 convolution has a bias too": b1,
            "the identity adds nothing to the bias": b3 + b1 + 1,
        }
        asked = f"the bias for {channels} channels"
        yield tensor_case(bias, b3 + b1, asked, "outputs add up, so biases do", mistakes)
