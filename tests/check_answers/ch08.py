"""Answers to the exercises of chapter 08: right ones, and wrong ones with what the hint says."""

import math

import numpy as np
import torch


def mask_topk(W, s):
    mask = torch.ones(W.numel(), dtype=torch.bool)
    mask[W.abs().flatten().topk(round(s * W.numel()), largest=False).indices] = False
    return mask.reshape(W.shape)


def mask_sorted(W, s):
    order = W.abs().flatten().argsort(stable=True)
    mask = torch.zeros(W.numel(), dtype=torch.bool)
    mask[order[round(s * W.numel()) :]] = True
    return mask.view_as(W)


def mask_numpy(W, s):
    order = np.argsort(np.abs(W.numpy()).ravel())
    keep = np.ones(W.numel(), dtype=bool)
    keep[order[: round(s * W.numel())]] = False
    return torch.from_numpy(keep.reshape(tuple(W.shape)))


def mask_threshold(W, s):
    pruned = round(s * W.numel())
    return W.abs() > (W.abs().flatten().sort().values[pruned - 1] if pruned else -1)


def mask_cut(W, s):
    mask = torch.ones(W.numel(), dtype=torch.bool)
    mask[W.abs().flatten().topk(int(s * W.numel()), largest=False).indices] = False
    return mask.reshape(W.shape)


def mask_in_place(W, s):
    mask = mask_topk(W, s)
    W.mul_(mask)
    return mask


def without(W1, b1, W2, c):
    stay = [i for i in range(len(W1)) if i != c]
    return (W1[stay], b1[stay], W2[:, stay])


def without_mask(W1, b1, W2, c):
    stay = torch.arange(len(b1)) != c
    return [W1[stay], b1[stay], W2[:, stay]]


def without_cat(W1, b1, W2, c):
    return (
        torch.cat([W1[:c], W1[c + 1 :]]),
        torch.cat([b1[:c], b1[c + 1 :]]),
        torch.cat([W2[:, :c], W2[:, c + 1 :]], dim=1),
    )


def zeroed(W1, b1, W2, c):
    W1, b1 = (W1.clone(), b1.clone())
    W1[c], b1[c] = (0, 0)
    return (W1, b1, W2)


def remove_in_place(W1, b1, W2, c):
    smaller = without(W1, b1, W2, c)
    W1[c] = 0
    return smaller


def csr_loops(matrix):
    values, columns, starts = ([], [], [0])
    for row in matrix.tolist():
        for column, value in enumerate(row):
            if value:
                values.append(value)
                columns.append(column)
        starts.append(len(values))
    return (values, columns, starts)


def csr_torch(matrix):
    rows, columns = matrix.nonzero(as_tuple=True)
    counts = torch.bincount(rows, minlength=len(matrix))
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    return (matrix[rows, columns], columns, starts)


def csr_builtin(matrix):
    sparse = matrix.to_sparse_csr()
    return (sparse.values().tolist(), sparse.col_indices().tolist(), sparse.crow_indices().tolist())


def csr_flat(matrix):
    values, _, starts = csr_loops(matrix)
    return (values, matrix.flatten().nonzero()[:, 0].tolist(), starts)


def csr_positive(matrix):
    return csr_loops(matrix.clamp(min=0))


def csr_by_column(matrix):
    return csr_loops(matrix.T)


RIGHT = [
    ("ch08.mask", "topk", mask_topk),
    ("ch08.mask", "sorted", mask_sorted),
    ("ch08.mask", "numpy", mask_numpy),
    ("ch08.remove", "list of those that stay", without),
    ("ch08.remove", "mask", without_mask),
    ("ch08.remove", "cat", without_cat),
    ("ch08.csr", "loops", csr_loops),
    ("ch08.csr", "tensors", csr_torch),
    ("ch08.csr", "to_sparse_csr", csr_builtin),
    ("ch08.width", "ceil", lambda c, s, m: min(c, m * max(1, math.ceil(c * s / m)))),
    ("ch08.width", "floor division", lambda c, s, m: min(c, max(m, int(-(-c * s // m) * m)))),
    (
        "ch08.width",
        "loop",
        lambda c, s, m: min(c, next(n for n in range(m, 10**6, m) if n >= c * s)),
    ),
]
WRONG = [
    (
        "ch08.mask",
        "signed",
        lambda W, s: mask_topk(W.clamp(min=0), s),
        "-3 and -0.9 are large, so compare |w|",
    ),
    (
        "ch08.mask",
        "inverted",
        lambda W, s: ~mask_topk(W, s),
        "True is where a weight stays, not where it goes",
    ),
    (
        "ch08.mask",
        "floats",
        lambda W, s: mask_topk(W, s).float(),
        "return a bool tensor, True where a weight stays",
    ),
    (
        "ch08.mask",
        "threshold",
        mask_threshold,
        "count weights, do not compare with a threshold alone",
    ),
    (
        "ch08.mask",
        "keeps the share",
        lambda W, s: mask_topk(W, 1 - s),
        "sparsity is the share that goes, not that stays",
    ),
    ("ch08.mask", "cut, not rounded", mask_cut, "round sparsity * size, do not cut it"),
    (
        "ch08.mask",
        "flat",
        lambda W, s: mask_topk(W, s).flatten(),
        "return a bool tensor of shape [2, 3], yours is torch.bool of shape [6]",
    ),
    (
        "ch08.mask",
        "masked weight",
        lambda W, s: W * mask_topk(W, s),
        "return a bool tensor, True where a weight stays",
    ),
    (
        "ch08.mask",
        "half a row",
        lambda W, s: torch.stack([mask_topk(row, s) for row in W]),
        "compare |w|",
    ),
    ("ch08.mask", "in place", mask_in_place, "changes its argument"),
    ("ch08.remove", "zeroed", zeroed, "remove the channel's row, do not set it to 0"),
    (
        "ch08.remove",
        "reader forgotten",
        lambda W1, b1, W2, c: (*without(W1, b1, W2, c)[:2], W2),
        "what read the channel goes too: its column in weight2",
    ),
    (
        "ch08.remove",
        "bias forgotten",
        lambda W1, b1, W2, c: (without(W1, b1, W2, c)[0], b1, W2),
        "the channel's bias goes with it",
    ),
    (
        "ch08.remove",
        "row of weight2",
        lambda W1, b1, W2, c: (
            *without(W1, b1, W2, c)[:2],
            W2[[i for i in range(len(W2)) if i != c]],
        ),
        "the channel is a column of weight2, not a row",
    ),
    (
        "ch08.remove",
        "last channel",
        lambda W1, b1, W2, c: (W1[:-1], b1[:-1], W2[:, :-1]),
        "all of weight1 but channel 2 stays, in its order",
    ),
    (
        "ch08.remove",
        "two tensors",
        lambda W1, b1, W2, c: without(W1, b1, W2, c)[::2],
        "return 3 things, (weight1, bias1, weight2)",
    ),
    ("ch08.remove", "in place", remove_in_place, "changes its argument"),
    (
        "ch08.csr",
        "without the end",
        lambda m: (*csr_loops(m)[:2], csr_loops(m)[2][:-1]),
        "there is one entry more than rows, the end",
    ),
    (
        "ch08.csr",
        "without the start",
        lambda m: (*csr_loops(m)[:2], csr_loops(m)[2][1:]),
        "there is one entry more than rows, the end",
    ),
    ("ch08.csr", "flat positions", csr_flat, "a column counts from 0 within its own row"),
    (
        "ch08.csr",
        "positive only",
        csr_positive,
        "they are the numbers that are not 0, row after row, negative ones too",
    ),
    (
        "ch08.csr",
        "by column",
        csr_by_column,
        "they are the numbers that are not 0, row after row, negative ones too",
    ),
    (
        "ch08.csr",
        "coordinates",
        lambda m: (m[m != 0].tolist(), m.nonzero()[:, 1].tolist(), m.nonzero()[:, 0].tolist()),
        "there is one entry more than rows, the end",
    ),
    (
        "ch08.csr",
        "two lists",
        lambda m: csr_loops(m)[:2],
        "return 3 things, (values, columns, row_starts)",
    ),
    (
        "ch08.csr",
        "counts from 1",
        lambda m: (csr_loops(m)[0], [c + 1 for c in csr_loops(m)[1]], csr_loops(m)[2]),
        "a column counts from 0 within its own row",
    ),
    (
        "ch08.width",
        "round",
        lambda c, s, m: min(c, m * max(1, round(c * s / m))),
        "take the next multiple at or above, not the nearest below",
    ),
    (
        "ch08.width",
        "none may stay",
        lambda c, s, m: min(c, m * math.ceil(c * s / m)),
        "one multiple at least must stay",
    ),
    (
        "ch08.width",
        "no multiple",
        lambda c, s, m: max(1, math.ceil(c * s)),
        "what stays is a multiple of multiple_of",
    ),
    (
        "ch08.width",
        "cut",
        lambda c, s, m: max(1, int(c * s)),
        "what stays is a multiple of multiple_of (at or above)",
    ),
    (
        "ch08.width",
        "more than there are",
        lambda c, s, m: m * max(1, math.ceil(c * s / m)),
        "never more than there are",
    ),
    (
        "ch08.width",
        "below",
        lambda c, s, m: min(c, max(m, int(c * s // m) * m)),
        "take the next multiple at or above, not the nearest below",
    ),
    (
        "ch08.width",
        "share removed",
        lambda c, s, m: min(c, m * max(1, math.ceil(c * (1 - s) / m))),
        "share is what stays, not what goes",
    ),
]


# Masked training, the lottery ticket, the score of a channel


def step_autograd(W, M, X, y, lr):
    W = W.clone().requires_grad_()
    loss = ((X @ (W * M).T - y) ** 2).mean()
    (gradient,) = torch.autograd.grad(loss, W)
    return (W - lr * gradient).detach()


def step_by_hand(W, M, X, y, lr):
    error = X @ (W * M).T - y
    return W - lr * 2 / y.numel() * error.T @ X * M


def step_optimiser(W, M, X, y, lr):
    stored = torch.nn.Parameter(W.clone())
    optimiser = torch.optim.SGD([stored], lr=lr)
    torch.nn.functional.mse_loss(torch.nn.functional.linear(X, stored * M), y).backward()
    optimiser.step()
    return stored.detach()


def step_all_move(W, M, X, y, lr):
    error = X @ (W * M).T - y
    return W - lr * 2 / y.numel() * error.T @ X


def ticket_loop(first, trained, mask, share):
    size = trained.abs().masked_fill(~mask, torch.inf).flatten()
    kept = mask.flatten().clone()
    kept[size.argsort()[: round(share * int(mask.sum()))]] = False
    kept = kept.reshape(mask.shape)
    return kept, first * kept


def ticket_topk(first, trained, mask, share):
    stay = int(mask.sum()) - round(share * int(mask.sum()))
    kept = torch.zeros(mask.numel(), dtype=torch.bool)
    kept[(trained.abs() * mask).flatten().topk(stay).indices] = True
    kept = kept.view_as(mask)
    return kept, torch.where(kept, first, 0.0)


def ticket_numpy(first, trained, mask, share):
    order = np.argsort(np.where(mask, np.abs(trained), np.inf), axis=None)
    kept = mask.numpy().copy().ravel()
    kept[order[: round(share * int(mask.sum()))]] = False
    kept = torch.from_numpy(kept.reshape(tuple(mask.shape)))
    return [kept, first * kept]


def gates_loop(W, G):
    return torch.stack([(W[:, c] * G[:, c]).sum() ** 2 for c in range(W.shape[1])])


def gates_autograd(W, G):
    z = torch.ones(W.shape[1], requires_grad=True)
    felt = (W * z[:, None, None] * G).sum()
    return torch.autograd.grad(felt, z)[0] ** 2


RIGHT += [
    ("ch08.masked_step", "autograd", step_autograd),
    ("ch08.masked_step", "by hand", step_by_hand),
    ("ch08.masked_step", "optimiser", step_optimiser),
    ("ch08.ticket", "argsort", ticket_loop),
    ("ch08.ticket", "topk", ticket_topk),
    ("ch08.ticket", "numpy", ticket_numpy),
    ("ch08.taylor", "sum", lambda W, G: (W * G).sum(dim=(0, 2, 3)) ** 2),
    ("ch08.taylor", "loop", gates_loop),
    ("ch08.taylor", "autograd", gates_autograd),
]
WRONG += [
    ("ch08.masked_step", "all move", step_all_move, "a pruned weight gets no gradient"),
    (
        "ch08.masked_step",
        "no mask",
        lambda W, M, X, y, lr: step_by_hand(W, torch.ones_like(M), X, y, lr),
        "the layer uses weight * mask, not weight",
    ),
    (
        "ch08.masked_step",
        "mask in the step alone",
        lambda W, M, X, y, lr: W - lr * 2 / y.numel() * (X @ W.T - y).T @ X * M,
        "compute the loss with it",
    ),
    (
        "ch08.masked_step",
        "masked weight",
        lambda *a: step_by_hand(*a) * a[1],
        "return the stored weight",
    ),
    (
        "ch08.masked_step",
        "uphill",
        lambda W, M, X, y, lr: step_by_hand(W, M, X, y, -lr),
        "against the gradient",
    ),
    (
        "ch08.masked_step",
        "sum of squares",
        lambda W, M, X, y, lr: step_by_hand(W, M, X, y, lr * y.numel()),
        "the mean of the squares, not their sum",
    ),
    ("ch08.masked_step", "no step", lambda W, *a: W.clone(), "take the step"),
    (
        "ch08.ticket",
        "trained kept",
        lambda f, t, m, s: (ticket_loop(f, t, m, s)[0], t * ticket_loop(f, t, m, s)[0]),
        "back to their first values",
    ),
    (
        "ch08.ticket",
        "not masked",
        lambda f, t, m, s: (ticket_loop(f, t, m, s)[0], f),
        "pruned weights are 0 in the rewound weight",
    ),
    (
        "ch08.ticket",
        "first compared",
        lambda f, t, m, s: ticket_loop(f, f, m, s),
        "compare the trained weights",
    ),
    (
        "ch08.ticket",
        "signed",
        lambda f, t, m, s: ticket_loop(f, t - t[m].min() + 1, m, s),
        "compare magnitudes",
    ),
    (
        "ch08.ticket",
        "largest go",
        lambda f, t, m, s: ticket_loop(f, 1 / t, m, s),
        "the smallest go, not the largest",
    ),
    (
        "ch08.ticket",
        "inverted",
        lambda f, t, m, s: (~ticket_loop(f, t, m, s)[0], f),
        "True is where a weight stays",
    ),
    (
        "ch08.ticket",
        "mask alone",
        lambda f, t, m, s: (ticket_loop(f, t, m, s)[0],),
        "return 2 things, (mask, weight)",
    ),
    (
        "ch08.taylor",
        "made, not read",
        lambda W, G: (W * G).sum(dim=(1, 2, 3)) ** 2,
        "one score for each of C",
    ),
    (
        "ch08.taylor",
        "sum of squares",
        lambda W, G: ((W * G) ** 2).sum(dim=(0, 2, 3)),
        "square the sum, do not sum the squares",
    ),
    ("ch08.taylor", "not squared", lambda W, G: (W * G).sum(dim=(0, 2, 3)), "square it"),
    (
        "ch08.taylor",
        "magnitude of the sum",
        lambda W, G: (W * G).sum(dim=(0, 2, 3)).abs(),
        "do not take the magnitude",
    ),
    (
        "ch08.taylor",
        "L1",
        lambda W, G: W.abs().sum(dim=(0, 2, 3)),
        "multiply by the gradient",
    ),
    (
        "ch08.taylor",
        "gradient alone",
        lambda W, G: G.sum(dim=(0, 2, 3)) ** 2,
        "multiply by the weight",
    ),
    ("ch08.taylor", "mean", lambda W, G: (W * G).mean(dim=(0, 2, 3)) ** 2, "not the mean"),
]
