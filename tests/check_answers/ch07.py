"""Right and wrong answers to the exercises of chapter 07, with what the hint must say."""

import torch
import torch.nn.functional as F


def depthwise_conv(X, weight):
    k = weight.shape[-1]
    rows = X.unfold(1, k, 1).unfold(2, k, 1)
    return torch.einsum("chwij,cij->chw", rows, weight)


def flop_per_byte(macs, inputs, outputs, weights):
    return 2 * macs / (4 * (inputs + outputs + weights))


RIGHT = {
    "ch07.depthwise": depthwise_conv,
    "ch07.macs": lambda H, W, C, D, k: H * W * C * (k * k + D),
    "ch07.intensity": flop_per_byte,
}
WRONG = [
    ("ch07.depthwise", lambda X, w: F.conv2d(X[None], w[None])[0, 0], "summed over the channels"),
    ("ch07.depthwise", lambda X, w: depthwise_conv(X, w.flip(1, 2)), "180 degrees"),
    ("ch07.depthwise", lambda X, w: X, "should have"),
    ("ch07.macs", lambda H, W, C, D, k: H * W * C * D * (k * k + 1), "C times D"),
    ("ch07.macs", lambda H, W, C, D, k: H * W * C * D * k * k, "standard convolution"),
    ("ch07.macs", lambda H, W, C, D, k: H * W * (k * k * D + C * D), "input channels"),
    ("ch07.intensity", lambda m, i, o, w: m / (4 * (i + o + w)), "two FLOPs"),
    ("ch07.intensity", lambda m, i, o, w: 2 * m / (i + o + w), "4 bytes"),
]
