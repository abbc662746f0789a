"""Answers to the exercises of chapter 02: right ones, and wrong ones with what the hint says."""

import math

import numpy as np
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF

L = {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48120, "F6": 10164}


def backprop(X, y, W, v, A=1.7159, S=2 / 3, slope=None, mean=True, sign=1, half=1):
    t = torch.tanh(2 / 3 * X @ W.T)
    h = 1.7159 * t
    error = sign * half * (h @ v - y) / (len(X) if mean else 1)
    local = A * S * (1 - t**2) if slope is None else slope(t, h)
    return (error[:, None] * v * local).T @ X, error @ h


def backprop_autograd(X, y, W, v):
    W, v = W.clone().requires_grad_(), v.clone().requires_grad_()
    error = (1.7159 * torch.tanh(2 / 3 * X @ W.T)) @ v - y
    return torch.autograd.grad((error**2).mean() / 2, (W, v))


def backprop_loops(X, y, W, v):
    dW, dv = torch.zeros_like(W), torch.zeros_like(v)
    for x, wanted in zip(X, y, strict=True):
        h = [1.7159 * math.tanh(2 / 3 * float(w @ x)) for w in W]
        error = sum(float(a) * b for a, b in zip(v, h, strict=True)) - float(wanted)
        for k in range(len(v)):
            dv[k] += error * h[k] / len(X)
            dW[k] += error * v[k] * 2 / 3 / 1.7159 * (1.7159**2 - h[k] ** 2) * x / len(X)
    return dW, dv


def backprop_numpy(X, y, W, v):
    X, y, W, v = (each.numpy().astype(float) for each in (X, y, W, v))
    t = np.tanh(2 / 3 * X @ W.T)
    error = (1.7159 * t @ v - y) / len(X)
    dW = np.einsum("n,h,nh,nd->hd", error, v, 1.7159 * 2 / 3 * (1 - t**2), X)
    return torch.tensor(dW), torch.tensor(1.7159 * t.T @ error)


def shifted(X, dx, dy, fill=0.0):
    H, W = X.shape[-2:]
    Y = torch.full_like(X, fill)
    for y in range(H):
        for x in range(W):
            if 0 <= y - dy < H and 0 <= x - dx < W:
                Y[..., y, x] = X[..., y - dy, x - dx]
    return Y


def roll_zero_pos(X, dx, dy):
    Y = X.roll((dy, dx), (-2, -1))
    if dx > 0:
        Y[..., :dx] = 0
    if dy > 0:
        Y[..., :dy, :] = 0
    return Y


def roll_zero_naive(X, dx, dy):
    Y = X.roll((dy, dx), (-2, -1))
    if dx >= 0:
        Y[..., :dx] = 0
    else:
        Y[..., dx:] = 0
    if dy >= 0:
        Y[..., :dy, :] = 0
    else:
        Y[..., dy:, :] = 0
    return Y


def pad_with_crop(X, dx, dy):
    dx, dy = max(-28, min(dx, 28)), max(-28, min(dy, 28))
    return F.pad(X, (dx, -dx, dy, -dy))


def slices_no_guard(X, dx, dy):
    H, W = X.shape[-2:]
    Y = torch.zeros_like(X)
    Y[..., max(dy, 0) : H + min(dy, 0), max(dx, 0) : W + min(dx, 0)] = X[
        ..., max(-dy, 0) : H - max(dy, 0), max(-dx, 0) : W - max(dx, 0)
    ]
    return Y


def sweep(x, y, w, v, error=None, factor_v=True, slope=None, factor_x=True):
    h = math.tanh(w * x)
    error = v * h - y if error is None else error(v * h, y)
    slope = 1 - h**2 if slope is None else slope(h)
    return error * (v if factor_v else 1) * slope * (x if factor_x else 1), error * h


def sweep_by_autograd(x, y, w, v):
    weights = torch.tensor([w, v], requires_grad=True)
    error = 0.5 * (weights[1] * torch.tanh(weights[0] * x) - y) ** 2
    return torch.autograd.grad(error, weights)[0]


def sweep_by_differences(x, y, w, v, eps=1e-6):
    def E(w, v):
        return 0.5 * (v * math.tanh(w * x) - y) ** 2

    return (E(w + eps, v) - E(w - eps, v)) / 2 / eps, (E(w, v + eps) - E(w, v - eps)) / 2 / eps


RIGHT = [
    ("ch02.backprop", "by hand", backprop),
    ("ch02.backprop", "autograd", backprop_autograd),
    ("ch02.backprop", "loops", backprop_loops),
    ("ch02.backprop", "numpy, in double precision", backprop_numpy),
    ("ch02.backward", "the chain rule", sweep),
    ("ch02.backward", "autograd, in float32", sweep_by_autograd),
    ("ch02.backward", "finite differences, a list", lambda *a: list(sweep_by_differences(*a))),
    ("ch02.parameters", "ordered dict np", lambda: {k: np.int64(v) for k, v in L.items()}),
    ("ch02.parameters", "floats", lambda: {k: float(v) for k, v in L.items()}),
    (
        "ch02.c3_connections",
        "tensors",
        lambda t: (t.sum() * 25 + len(t), (t.sum() * 25 + len(t)) * 100),
    ),
    (
        "ch02.c3_connections",
        "loops list",
        lambda t: [
            sum(25 * sum(row) + 1 for row in t.tolist()),
            100 * sum(25 * sum(row) + 1 for row in t.tolist()),
        ],
    ),
    (
        "ch02.c3_connections",
        "torch tensor pair",
        lambda t: torch.stack([t.sum() * 25 + len(t), (t.sum() * 25 + len(t)) * 100]),
    ),
    ("ch02.shift", "roll then zero", roll_zero_naive),
    ("ch02.shift", "loops", shifted),
    (
        "ch02.shift",
        "torchvision affine",
        lambda X, dx, dy: TF.affine(X, 0, [dx, dy], 1, [0.0, 0.0]),
    ),
    (
        "ch02.parameters",
        "counted",
        lambda: {
            "C1": 6 * 26,
            "S2": 2 * 6,
            "C3": 60 * 25 + 16,
            "S4": 2 * 16,
            "C5": 120 * 401,
            "F6": 84 * 121,
        },
    ),
    (
        "ch02.shift",
        "slices with a guard",
        lambda X, dx, dy: (
            torch.zeros_like(X) if abs(dx) > 28 or abs(dy) > 28 else F.pad(X, (dx, -dx, dy, -dy))
        ),
    ),
    ("ch02.shift", "pad with crop, the shift cut to the size", pad_with_crop),
]
WRONG = [
    ("ch02.backward", "swapped", lambda *a: sweep(*a)[::-1], "dE/dw comes first, then dE/dv"),
    (
        "ch02.backward",
        "sign",
        lambda *a: sweep(*a, error=lambda y_hat, y: y - y_hat),
        "the error is y_hat - y, not y - y_hat",
    ),
    ("ch02.backward", "no x", lambda *a: sweep(*a, factor_x=False), "multiply by x"),
    (
        "ch02.backward",
        "no slope",
        lambda *a: sweep(*a, slope=lambda h: 1),
        "multiply by the slope of the tanh, 1 - h^2",
    ),
    (
        "ch02.backward",
        "no v",
        lambda *a: sweep(*a, factor_v=False),
        "on the way back through y_hat = v h stands the factor v",
    ),
    (
        "ch02.backward",
        "1 - h",
        lambda *a: sweep(*a, slope=lambda h: 1 - h),
        "the slope of the tanh is 1 - h^2, not 1 - h",
    ),
    (
        "ch02.backward",
        "twice",
        lambda *a: sweep(*a, error=lambda y_hat, y: 2 * (y_hat - y)),
        "the half in E takes the 2 of the square away",
    ),
    ("ch02.backward", "one number", lambda *a: sweep(*a)[0], "return 2 things"),
    (
        "ch02.backprop",
        "S missing in the slope",
        lambda X, y, W, v: backprop(X, y, W, v, S=1),
        "S = 2/3 is a factor of the slope too",
    ),
    (
        "ch02.backprop",
        "A missing in the slope",
        lambda X, y, W, v: backprop(X, y, W, v, A=1),
        "A = 1.7159 is a factor of the slope too",
    ),
    (
        "ch02.backprop",
        "1 - h^2",
        lambda X, y, W, v: backprop(X, y, W, v, slope=lambda t, h: 1.7159 * 2 / 3 * (1 - h**2)),
        "the slope is A S (1 - tanh^2), and tanh is h / A",
    ),
    (
        "ch02.backprop",
        "no slope",
        lambda X, y, W, v: backprop(X, y, W, v, slope=lambda t, h: torch.ones_like(t)),
        "the slope of the hidden unit is missing",
    ),
    (
        "ch02.backprop",
        "sum",
        lambda X, y, W, v: backprop(X, y, W, v, mean=False),
        "E is a mean over the examples: divide by their number",
    ),
    (
        "ch02.backprop",
        "y - y_hat",
        lambda X, y, W, v: backprop(X, y, W, v, sign=-1),
        "the error is y_hat - y: yours has the opposite sign",
    ),
    (
        "ch02.backprop",
        "half forgotten",
        lambda X, y, W, v: backprop(X, y, W, v, half=2),
        "the 1/2 of E takes the 2 of the square away",
    ),
    (
        "ch02.backprop",
        "dv of the tanh alone",
        lambda X, y, W, v: (lambda dW, dv: (dW, dv / 1.7159))(*backprop(X, y, W, v)),
        "v reads h, not the tanh alone: A = 1.7159 is missing",
    ),
    (
        "ch02.backprop",
        "transposed",
        lambda X, y, W, v: (lambda dW, dv: (dW.T, dv))(*backprop(X, y, W, v)),
        "dE/dW has a row for each hidden unit, as W has",
    ),
    (
        "ch02.backprop",
        "past v",
        lambda X, y, W, v: (
            backprop(X, y, W, v, slope=lambda t, h: 1.7159 * 2 / 3 * (1 - t**2) / v)[0],
            backprop(X, y, W, v)[1],
        ),
        "on the way back the error passes v",
    ),
    ("ch02.backprop", "dW alone", lambda *a: backprop(*a)[0], "return 2 things"),
    (
        "ch02.parameters",
        "no biases",
        lambda: {"C1": 150, "S2": 6, "C3": 1500, "S4": 16, "C5": 48000, "F6": 10080},
        "6 kernels of 5x5 on one input channel, each with a bias",
    ),
    (
        "ch02.parameters",
        "modern LeNet pooling",
        lambda: L | {"S2": 0, "S4": 0},
        "one coefficient and one bias for each of the 6 maps",
    ),
    (
        "ch02.parameters",
        "full C3",
        lambda: L | {"C3": 2416},
        "the table has 60 links of 5x5, and each of the 16 maps has one bias",
    ),
    (
        "ch02.parameters",
        "tuple",
        lambda: tuple(L.values()),
        "return a dict with exactly the keys C1, S2, C3, S4, C5, F6",
    ),
    (
        "ch02.parameters",
        "C3 one bias a link",
        lambda: L | {"C3": 60 * 26},
        "the table has 60 links of 5x5, and each of the 16 maps has one bias",
    ),
    (
        "ch02.parameters",
        "with OUTPUT key",
        lambda: L | {"OUTPUT": 840},
        "return a dict with exactly the keys C1, S2, C3, S4, C5, F6",
    ),
    (
        "ch02.parameters",
        "lower case keys",
        lambda: {k.lower(): v for k, v in L.items()},
        "return a dict with exactly the keys C1, S2, C3, S4, C5, F6",
    ),
    (
        "ch02.c3_connections",
        "hard-coded",
        lambda t: (1516, 151600),
        "count the links of the table that comes in",
    ),
    (
        "ch02.c3_connections",
        "no bias",
        lambda t: (int(t.sum()) * 25, int(t.sum()) * 2500),
        "each map of C3 has one bias",
    ),
    (
        "ch02.c3_connections",
        "bias 16 fixed",
        lambda t: (int(t.sum()) * 25 + 16, (int(t.sum()) * 25 + 16) * 100),
        "count the rows of the table, not always 16",
    ),
    (
        "ch02.c3_connections",
        "bias per column",
        lambda t: (int(t.sum()) * 25 + t.shape[1], (int(t.sum()) * 25 + t.shape[1]) * 100),
        "a row of the table is a map of C3: count rows for the biases",
    ),
    (
        "ch02.c3_connections",
        "connections without bias",
        lambda t: (int(t.sum()) * 25 + len(t), int(t.sum()) * 25 * 100),
        "the biases are connections too",
    ),
    (
        "ch02.c3_connections",
        "14x14",
        lambda t: (int(t.sum()) * 25 + len(t), (int(t.sum()) * 25 + len(t)) * 196),
        "the maps of C3 are 10 x 10, not 14 x 14",
    ),
    (
        "ch02.c3_connections",
        "numel",
        lambda t: (t.numel() * 25 + len(t), (t.numel() * 25 + len(t)) * 100),
        "only links have a kernel: where the table holds 1",
    ),
    (
        "ch02.shift",
        "roll",
        lambda X, dx, dy: X.roll((dy, dx), (2, 3)),
        "what moves in is 0, not the other edge",
    ),
    (
        "ch02.shift",
        "swap",
        lambda X, dx, dy: shifted(X, dy, dx),
        "dx is along the width, dy along the height",
    ),
    ("ch02.shift", "up", lambda X, dx, dy: shifted(X, dx, -dy), "dy moves down, yours up"),
    (
        "ch02.shift",
        "left",
        lambda X, dx, dy: shifted(X, -dx, dy),
        "dx moves to the right, yours to the left",
    ),
    (
        "ch02.shift",
        "roll, zero only positive",
        roll_zero_pos,
        "what moves in is 0, not the other edge",
    ),
    ("ch02.shift", "fill -0.1", lambda X, dx, dy: shifted(X, dx, dy, -0.1), "what moves in is 0"),
    (
        "ch02.shift",
        "in place",
        lambda X, dx, dy: X.copy_(shifted(X, dx, dy)),
        "changes its argument",
    ),
    (
        "ch02.shift",
        "first image only",
        lambda X, dx, dy: shifted(X[:1], dx, dy),
        "move all images, not the first alone",
    ),
    (
        "ch02.shift",
        "fails for |dx| > width only (29)",
        slices_no_guard,
        "dx = 29, dy = 0: a shift by more than the width leaves zeros too; your function raised",
    ),
    (
        "ch02.shift",
        "pad and crop, which ends at the width",
        lambda X, dx, dy: F.pad(X, (dx, -dx, dy, -dy)),
        "dx = 29, dy = 0: a shift by more than the width leaves zeros too; your function raised",
    ),
]
