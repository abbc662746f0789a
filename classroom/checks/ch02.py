"""Checks of chapter 02: LeNet-5 as published in 1998."""

import math

import torch

from classroom.checks.checker import exercise
from classroom.checks.compare import (
    WrongForm,
    as_number,
    is_close,
    number_case,
    parts,
    tensor_case,
)
from classroom.checks.guard import AnswerRaised

# Trainable parameters of LeNet-5. Source: LeCun et al. 1998, section II.B.
LENET_PARAMETERS = {
    "C1": (156, "6 kernels of 5x5 on one input channel, each with a bias"),
    "S2": (12, "one coefficient and one bias for each of the 6 maps"),
    "C3": (1_516, "the table has 60 links of 5x5, and each of the 16 maps has one bias"),
    "S4": (32, "one coefficient and one bias for each of the 16 maps"),
    "C5": (48_120, "120 kernels of 5x5 on all 16 maps, each with a bias"),
    "F6": (10_164, "84 units, each with 120 inputs and a bias"),
}


@exercise("ch02.parameters", points=2, cases=7)
def parameters(lenet_parameters):
    """lenet_parameters() -> {layer name: trainable parameters} of the network of 1998."""
    answer = lenet_parameters()
    if not isinstance(answer, dict) or set(answer) != set(LENET_PARAMETERS):
        raise WrongForm(f"return a dict with exactly the keys {', '.join(LENET_PARAMETERS)}.")
    for name, (expected, why) in LENET_PARAMETERS.items():
        yield is_close(answer[name], expected), f"{name}: {answer[name]} is not right; {why}."
    total = sum(as_number(count) for count in answer.values())
    yield is_close(total, 60_000), f"all layers together have 60,000 parameters, yours {total:g}."


@exercise("ch02.c3_connections", points=2, cases=7)
def c3_connections(count_connections):
    """count_connections(table) -> (trainable parameters, connections) of C3.

    table: [16, 6] of 0 and 1; row i says which of the 6 maps of S2 the map i of C3 sees.
    Kernels are 5x5, the maps of C3 are 10x10.
    """
    generator = torch.Generator().manual_seed(1998)
    places = torch.randperm(96, generator=generator)[:60]
    sixty_links = torch.zeros(96, dtype=torch.int64).index_fill(0, places, 1).reshape(16, 6)
    cases = [
        (sixty_links, "60 links, as in the paper"),
        (torch.ones(16, 6, dtype=torch.int64), "every map of C3 sees every map of S2"),
        (torch.eye(6, dtype=torch.int64), "six maps that see one map each"),
    ]
    for table, name in cases:
        links, maps = int(table.sum()), len(table)
        # parameters = links * 25 + one bias a map; each works at 10 x 10 places
        params = links * 25 + maps
        given = parts(count_connections(table), "parameters", "connections")
        mistakes = {
            "each map of C3 has one bias": links * 25,
            "each link has a kernel, but only each map a bias": links * 26,
            "a row of the table is a map of C3: count rows for the biases": links * 25
            + table.shape[1],
            "count the rows of the table, not always 16": links * 25 + 16,
            "only links have a kernel: where the table holds 1": table.numel() * 25 + maps,
            "count the links of the table that comes in": 1516,
        }
        why = "25 weights a link of the table, and one bias a map"
        yield number_case(given[0], params, f"parameters, {name}", why, mistakes)
        mistakes = {
            "the biases are connections too": links * 2500,
            "the maps of C3 are 10 x 10, not 14 x 14": params * 196,
        }
        why = "each parameter connects once at each of the 10 x 10 places"
        yield number_case(given[1], params * 100, f"connections, {name}", why, mistakes)


@exercise("ch02.backward", points=3, cases=10)
def backward(sweep):
    """backward(x, y, w, v) -> (dE/dw, dE/dv) of E = (v tanh(w x) - y)^2 / 2.

    What is right is found without the chain rule: by moving one weight a little to each side.
    """
    cases = [
        (1.5, -1.0, 0.5, 2.0),
        (0.5, 1.0, 2.0, -1.0),
        (-0.7, 0.3, -1.2, 0.8),
        (2.0, 0.25, 0.4, -1.5),
        (0.0, 1.0, 3.0, 0.5),
    ]
    for x, y, w, v in cases:
        asked = f"at x = {x:g}, y = {y:g}, w = {w:g}, v = {v:g}"
        dE_dw, dE_dv = _finite_differences(x, y, w, v)
        h = math.tanh(w * x)
        slope = 1 - h**2
        given = parts(sweep(x, y, w, v), "dE/dw", "dE/dv")
        mistakes = {
            "dE/dw comes first, then dE/dv": dE_dv,
            "the error is y_hat - y, not y - y_hat": -dE_dw,
            "multiply by x: a = w x, so a grows by x when w grows by 1": (v * h - y) * v * slope,
            "multiply by the slope of the tanh, 1 - h^2": (v * h - y) * v * x,
            "on the way back through y_hat = v h stands the factor v": (v * h - y) * slope * x,
            "the slope of the tanh is 1 - h^2, not 1 - h": (v * h - y) * v * (1 - h) * x,
            "the half in E takes the 2 of the square away": 2 * dE_dw,
        }
        why = "dE/dw is (y_hat - y) * v * (1 - h^2) * x"
        yield number_case(given[0], dE_dw, f"dE/dw {asked}", why, mistakes, relative=1e-4)
        mistakes = {
            "dE/dv has no factor v: y_hat = v h grows by h when v grows by 1": (v * h - y) * v,
            "the error is y_hat - y, not y - y_hat": -dE_dv,
            "the half in E takes the 2 of the square away": 2 * dE_dv,
            "the hidden unit is h = tanh(w x), not w x": (v * w * x - y) * w * x,
        }
        why = "dE/dv is (y_hat - y) * h"
        yield number_case(given[1], dE_dv, f"dE/dv {asked}", why, mistakes, relative=1e-4)


def _finite_differences(x: float, y: float, w: float, v: float, step: float = 1e-5):
    def E(w: float, v: float) -> float:
        return 0.5 * (v * math.tanh(w * x) - y) ** 2

    # dE/dw = (E(w + step) - E(w - step)) / (2 step)
    dE_dw = (E(w + step, v) - E(w - step, v)) / (2 * step)
    return dE_dw, (E(w, v + step) - E(w, v - step)) / (2 * step)


@exercise("ch02.backprop", points=4, cases=9)
def backprop(gradients_of):
    """gradients_of(X, y, W, v) -> (dE/dW, dE/dv) of y_hat = v . A tanh(S W x), E the mean of
    (y_hat - y)^2 / 2, with A = 1.7159 and S = 2/3."""
    generator = torch.Generator().manual_seed(1986)
    for num, inputs, hidden in ((1, 1, 1), (5, 3, 4), (8, 2, 2), (1, 4, 3)):
        X, y = (torch.randn(size, generator=generator) for size in ((num, inputs), (num,)))
        W, v = (torch.randn(size, generator=generator) for size in ((hidden, inputs), (hidden,)))
        given = parts(gradients_of(X, y, W, v), "dE/dW", "dE/dv")
        size = f"{num} examples, {inputs} inputs, {hidden} hidden units"
        dW, dv, wrong_W, wrong_v = _gradients(X, y, W, v)
        why = "dE/dv is the mean of (y_hat - y) h, one number for each hidden unit"
        yield tensor_case(given[1], dv, f"dE/dv of {size}", why, wrong_v, 1e-5)
        why = "dE/dW is the mean of (y_hat - y) v A S (1 - tanh^2) x: one local factor a step"
        yield tensor_case(given[0], dW, f"dE/dW of {size}", why, wrong_W, 1e-5)


def _gradients(X, y, W, v):
    """(dE/dW, dE/dv), and for each what known mistakes give."""
    t = (2 / 3 * X @ W.T).tanh()
    h = 1.7159 * t
    error, N = (h @ v - y)[:, None], len(X)
    slope = 1.7159 * 2 / 3 * (1 - t**2)

    def back(local):
        return (error * v * local).T @ X / N

    dW, dv = back(slope), (error * h).mean(0)
    of_both = {
        "E is a mean over the examples: divide by their number": (N * dW, N * dv),
        "the error is y_hat - y: yours has the opposite sign": (-dW, -dv),
        "the 1/2 of E takes the 2 of the square away": (2 * dW, 2 * dv),
    }
    wrong_W = {
        "S = 2/3 is a factor of the slope too": back(slope * 1.5),
        "A = 1.7159 is a factor of the slope too": back(slope / 1.7159),
        "the slope is A S (1 - tanh^2), and tanh is h / A": back(1.7159 * 2 / 3 * (1 - h**2)),
        "the slope of the hidden unit is missing": back(torch.ones_like(t)),
        "dE/dW has a row for each hidden unit, as W has": dW.T,
        "on the way back the error passes v": (error * slope).T @ X / N,
    }
    wrong_v = {
        "v reads h, not the tanh alone: A = 1.7159 is missing": dv / 1.7159,
        "v reads h, which comes after the squashing": (error * (X @ W.T)).mean(0),
    }
    return (
        dW,
        dv,
        {k: w for k, (w, _) in of_both.items()} | wrong_W,
        {k: w for k, (_, w) in of_both.items()} | wrong_v,
    )


@exercise("ch02.shift", points=2, cases=9)
def shift(shift_image):
    """shift_image(X, dx, dy) -> X [N, 1, 28, 28] moved dx pixels right and dy down, 0 moved in."""
    generator = torch.Generator().manual_seed(28)
    X = torch.rand(2, 1, 28, 28, generator=generator) + 0.5
    cases = [
        (0, 0, "a shift by 0 changes nothing"),
        (2, 0, "dx = 2 moves the picture to the right; what moves in is 0"),
        (0, 3, "dy = 3 moves the picture downwards"),
        (3, 1, "both at once"),
        (-1, -4, "negative shifts move to the left and up"),
        (28, 0, "a shift by the whole width leaves zeros"),
        (29, 0, "a shift by more than the width leaves zeros too"),
        (0, -30, "a shift by more than the height leaves zeros too"),
    ]
    for dx, dy, why in cases:
        mistakes = {
            "what moves in is 0, not the other edge": X.roll((dy, dx), (2, 3)),
            "dx is along the width, dy along the height": _shifted(X, dy, dx),
            "dx moves to the right, yours to the left": _shifted(X, -dx, dy),
            "dy moves down, yours up": _shifted(X, dx, -dy),
            "move all images, not the first alone": _shifted(X[:1], dx, dy),
        }
        asked = f"dx = {dx}, dy = {dy}"
        try:
            answer = shift_image(X, dx, dy)
        except AnswerRaised as error:
            if max(abs(dx), abs(dy)) < 28:
                raise
            yield False, f"{asked}: {why}; {error}"
            return
        yield tensor_case(answer, _shifted(X, dx, dy), asked, why, mistakes)


def _shifted(X: torch.Tensor, dx: int, dy: int) -> torch.Tensor:
    # Y[y, x] = X[y - dy, x - dx], or 0 where that lies outside
    rows, columns = torch.arange(28) - dy, torch.arange(28) - dx
    inside = ((rows >= 0) & (rows < 28))[:, None] & ((columns >= 0) & (columns < 28))
    return X[..., rows.clamp(0, 27)[:, None], columns.clamp(0, 27)] * inside
