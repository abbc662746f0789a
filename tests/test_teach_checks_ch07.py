"""The checks of chapter 07: right answers pass, wrong ones get a hint that names the mistake."""

import re

import pytest
import torch
import torch.nn.functional as F

from edu_lib.teach.checks import grade


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


@pytest.mark.parametrize("key", RIGHT)
def test_right_answer_passes(key):
    report = grade(key, RIGHT[key])
    assert report.hint == ""
    assert report.passed == report.total >= 2


@pytest.mark.parametrize(("key", "answer", "hint"), WRONG)
def test_wrong_answer_fails_with_a_hint(key, answer, hint):
    found = grade(key, answer).hint
    assert re.search(hint, found), found
    assert "\n" not in found


@pytest.mark.parametrize("key", RIGHT)
@pytest.mark.parametrize("returned", [None, "28", {}, (), torch.zeros(0), float("nan")])
def test_strange_answers_fail_and_never_crash_the_check(key, returned):
    assert grade(key, lambda *arguments: returned).hint
