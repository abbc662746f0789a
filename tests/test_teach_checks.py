"""Each check passes the right answer and fails plausible wrong ones with a hint that helps."""

import math
import runpy
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from edu_lib.teach.checks import CheckFailed, check, exercise, exercise_keys, grade, points


def convolve(X, kernel):
    return F.conv2d(X[None, None], kernel[None, None])[0, 0]


def convolve_in_place(X, kernel):
    result = convolve(X, kernel)
    X.zero_()
    return result


def conv_cost(c_in, c_out, k, h, w, groups):
    weights = c_out * (c_in // groups) * k * k
    return weights, weights * h * w


def receptive_field(layers):
    field, jump = 1, 1
    for kernel_size, stride in layers:
        field += (kernel_size - 1) * jump
        jump *= stride
    return field


def shrinking_field(layers):
    field = 1
    for kernel_size, stride in layers:
        field = field * stride + kernel_size - 1
    return field


LENET = {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48120, "F6": 10164}


def count_connections(table):
    params = int(table.sum()) * 25 + len(table)
    return params, params * 100


def shift_image(X, dx, dy):
    Y = torch.zeros_like(X)
    height, width = X.shape[-2:]
    Y[..., max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = X[
        ..., max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
    ]
    return Y


def iou(predicted, true, class_id):
    both = ((predicted == class_id) & (true == class_id)).sum()
    return 100 * both / ((predicted == class_id) | (true == class_id)).sum()


def accuracy_of_class(predicted, true, class_id):
    return 100 * (predicted == true)[true == class_id].float().mean()


def sharing(encoder_ms, decoder_ms, head_ms, num_tasks):
    shared = encoder_ms + decoder_ms
    return num_tasks * (shared + head_ms) / (shared + num_tasks * head_ms)


RIGHT = {
    "ch00.frame_budget": lambda fps: 1000 / fps,
    "ch00.fits": lambda times, fps: 100 * sum(t <= 1000 / fps for t in times) / len(times),
    "ch01.convolve": convolve,
    "ch01.output_size": lambda n, k, s, p: (n + 2 * p - k) // s + 1,
    "ch01.conv_cost": conv_cost,
    "ch01.receptive_field": receptive_field,
    "ch02.parameters": lambda: dict(LENET),
    "ch02.c3_connections": count_connections,
    "ch02.scaled_tanh": lambda a: 1.7159 * torch.tanh(2 / 3 * a),
    "ch02.shift": shift_image,
    "ch12.iou": iou,
    "ch12.sharing": sharing,
    "ch12.cosine": lambda a, b: (a * b).sum() / (a.norm() * b.norm()),
    "ch12.uncertainty": lambda loss: math.log(2 * loss),
}

WRONG = [
    ("ch00.frame_budget", lambda fps: 1 / fps, "1000 ms"),
    ("ch00.frame_budget", lambda fps: 1000 // fps, "do not round"),
    ("ch00.frame_budget", lambda fps: 1000 / 30, "1000 ms"),
    ("ch00.fits", lambda times, fps: sum(t <= 1000 / fps for t in times) / len(times), "0 to 100"),
    (
        "ch00.fits",
        lambda times, fps: 100 * sum(t < 1000 / fps for t in times) / len(times),
        "exact",
    ),
    ("ch00.fits", lambda times, fps: 100 * sum(t <= 33.4 for t in times) / len(times), "25 fps"),
    ("ch01.convolve", lambda X, K: convolve(X, K.flip(0, 1)), "do not flip"),
    (
        "ch01.convolve",
        lambda X, K: F.conv2d(X[None, None], K[None, None], padding=1)[0, 0],
        "shape",
    ),
    ("ch01.convolve", lambda X, K: convolve(X, K.T), "shape"),
    ("ch01.convolve", convolve_in_place, "changes X"),
    ("ch01.convolve", lambda X, K: None, "NoneType"),
    ("ch01.output_size", lambda n, k, s, p: (n + p - k) // s + 1, "both sides"),
    ("ch01.output_size", lambda n, k, s, p: (n + 2 * p - k) // s, "28 pixels, yours gives 27"),
    ("ch01.output_size", lambda n, k, s, p: (n + 2 * p - k) / s + 1, "whole number|round down"),
    ("ch01.conv_cost", lambda i, o, k, h, w, g: (i * o * k * k, i * o * k * k * h * w), "groups"),
    ("ch01.conv_cost", lambda i, o, k, h, w, g: (i * o * k, i * o * k * h * w), "K \\* K"),
    ("ch01.conv_cost", lambda i, o, k, h, w, g: (conv_cost(i, o, k, h, w, g)[0], 1), "once an out"),
    ("ch01.conv_cost", lambda i, o, k, h, w, g: 12, "two numbers"),
    ("ch01.receptive_field", lambda layers: sum(k for k, _ in layers), "two 3x3"),
    ("ch01.receptive_field", lambda layers: 1 + sum(k - 1 for k, _ in layers), "stride of 2"),
    ("ch01.receptive_field", shrinking_field, "stride"),
    ("ch02.parameters", lambda: LENET | {"C3": 2416}, "C3: 2416 .* 60 links"),
    ("ch02.parameters", lambda: LENET | {"S2": 0}, "one coefficient"),
    ("ch02.parameters", lambda: {"C1": 156}, "exactly the keys"),
    ("ch02.c3_connections", lambda table: (60 * 25 + 16, 151_600), "2,416|sees every map"),
    ("ch02.c3_connections", lambda t: (int(t.sum()) * 25, int(t.sum()) * 2500), "one bias a map"),
    ("ch02.c3_connections", lambda t: (int(t.sum()) * 25 + len(t), 0), "10 x 10 places"),
    ("ch02.scaled_tanh", torch.tanh, "f\\(1\\) = 1"),
    ("ch02.scaled_tanh", lambda a: 1.7159 * torch.tanh(a) * 2 / 3, "f\\(1\\) = 1"),
    ("ch02.scaled_tanh", lambda a: a, "ends at A"),
    ("ch02.scaled_tanh", lambda a: 1.7159 * torch.tanh(2 / 3 * a.detach()), "gradients flow"),
    ("ch02.shift", lambda X, dx, dy: X.roll((dy, dx), (2, 3)), "not the other edge"),
    ("ch02.shift", lambda X, dx, dy: shift_image(X, dy, dx), "to the right"),
    ("ch02.shift", lambda X, dx, dy: shift_image(X, -dx, -dy), "to the right"),
    ("ch12.iou", accuracy_of_class, "3 pixels are class 1"),
    ("ch12.iou", lambda p, t, c: 100 * (p == t).float().mean(), "3 pixels are class 1"),
    ("ch12.iou", lambda p, t, c: iou(p, t, c) / 100, "60 percent"),
    ("ch12.sharing", lambda e, d, h, n: n, "keeps its own head"),
    ("ch12.sharing", lambda e, d, h, n: n * (e + d + h) / (e + d + h), "three heads 18 ms"),
    ("ch12.cosine", lambda a, b: (a * b).sum(), "divide by both lengths"),
    ("ch12.cosine", lambda a, b: F.cosine_similarity(a, b, dim=0), "one long vector"),
    ("ch12.uncertainty", lambda loss: math.log(loss), "set the derivative"),
    ("ch12.uncertainty", lambda loss: 0.5 / loss, "set the derivative"),
]


# those of the other chapters stand in files of their own
for path in sorted((Path(__file__).parent / "check_answers").glob("ch*.py")):
    answers = runpy.run_path(str(path))
    RIGHT |= answers["RIGHT"]
    WRONG += answers["WRONG"]


def test_every_exercise_has_a_right_and_two_wrong_answers():
    wrong_keys = [key for key, _, _ in WRONG]
    assert exercise_keys() == sorted(RIGHT)
    assert all(wrong_keys.count(key) >= 2 for key in RIGHT)


@pytest.mark.parametrize("key", RIGHT)
def test_right_answer_passes(key, capsys):
    check(key, RIGHT[key])
    report = grade(key, RIGHT[key])
    assert report.passed == report.total >= 2
    assert capsys.readouterr().out == f"{key}: {report.total} of {report.total} checks pass\n"
    assert points(key) >= 1


@pytest.mark.parametrize(("key", "answer", "hint"), WRONG)
def test_wrong_answer_fails_with_a_hint(key, answer, hint):
    with pytest.raises(CheckFailed, match=hint) as failure:
        check(key, answer)
    assert str(failure.value).startswith(f"{key}: ")
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("key", RIGHT)
def test_untouched_exercise_says_what_to_do(key):
    def untouched(*arguments):
        raise NotImplementedError

    with pytest.raises(CheckFailed, match="not done yet: replace the line that raises"):
        check(key, untouched)


@pytest.mark.parametrize("key", RIGHT)
@pytest.mark.parametrize("returned", [None, "28", {}, (), torch.zeros(0), float("nan")])
def test_strange_answers_fail_and_never_crash_the_check(key, returned):
    assert grade(key, lambda *arguments: returned).hint


def test_error_in_the_answer_becomes_a_hint_with_its_input():
    with pytest.raises(CheckFailed, match=r"ZeroDivisionError: .*for the input \(32, 5, 1, 0\)"):
        check("ch01.output_size", lambda n, k, s, p: n // p)
    with pytest.raises(CheckFailed, match=r"TypeError.*a tensor of shape \[3, 3\]"):
        check("ch01.convolve", lambda X: X)


def test_result_instead_of_function():
    with pytest.raises(CheckFailed, match="give the function itself"):
        check("ch01.output_size", 28)


def test_notebook_shows_one_line_and_no_trace():
    with pytest.raises(CheckFailed) as failure:
        check("ch01.output_size", lambda *sizes: 1)
    assert failure.value._render_traceback_() == [str(failure.value)]


def test_unknown_and_taken_keys():
    with pytest.raises(ValueError, match=r"no exercise 'ch01\.size'.*ch01\.output_size"):
        check("ch01.size", abs)
    with pytest.raises(ValueError, match="no exercise"):
        points("ch99.none")
    with pytest.raises(ValueError, match="one check"):
        exercise("ch01.output_size", points=2)
