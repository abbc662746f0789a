"""Checks of chapter 02: LeNet-5 as published in 1998."""

import math

import torch

from edu_lib.teach.checks.checker import exercise
from edu_lib.teach.checks.compare import as_number, is_close, tensor_fault

# Trainable parameters of LeNet-5. Source: LeCun et al. 1998, section II.B.
LENET_PARAMETERS = {
    "C1": (156, "6 kernels of 5x5 on one input channel, each with a bias"),
    "S2": (12, "one coefficient and one bias for each of the 6 maps"),
    "C3": (1_516, "the table has 60 links of 5x5, and 16 biases"),
    "S4": (32, "one coefficient and one bias for each of the 16 maps"),
    "C5": (48_120, "120 kernels of 5x5 on all 16 maps, each with a bias"),
    "F6": (10_164, "84 units, each with 120 inputs and a bias"),
}


@exercise("ch02.parameters", points=2)
def parameters(lenet_parameters):
    """lenet_parameters() -> {layer name: trainable parameters} of the network of 1998."""
    answer = lenet_parameters()
    if not isinstance(answer, dict) or set(answer) != set(LENET_PARAMETERS):
        yield False, f"return a dict with exactly the keys {', '.join(LENET_PARAMETERS)}."
        return
    for name, (expected, why) in LENET_PARAMETERS.items():
        yield is_close(answer[name], expected), f"{name}: {answer[name]} is not right; {why}."
    total = sum(as_number(count) for count in answer.values())
    yield is_close(total, 60_000), f"all layers together have 60,000 parameters, yours {total:g}."


@exercise("ch02.c3_connections", points=2)
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
        answer = count_connections(table)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            yield False, f"return two numbers, (parameters, connections), not {answer!r}."
            return
        yield (
            is_close(answer[0], params),
            f"{name}: {params:,} parameters, yours gives {answer[0]}; 25 weights a link of the"
            " table, and one bias a map.",
        )
        yield (
            is_close(answer[1], params * 100),
            f"{name}: {params * 100:,} connections, yours gives {answer[1]}; each parameter"
            " connects once at each of the 10 x 10 places.",
        )


@exercise("ch02.scaled_tanh", points=2)
def scaled_tanh(squash):
    """scaled_tanh(a) = A tanh(S a) with A = 1.7159 and S = 2/3, on a tensor."""
    a = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    result = squash(a)
    fault = tensor_fault(result, torch.tensor([-1.0, 0.0, 1.0]), tolerance=1e-3)
    yield not fault, f"f(-1) = -1, f(0) = 0 and f(1) = 1, nearly; {fault}."
    large = squash(torch.tensor([50.0, -50.0], dtype=torch.float64))
    fault = tensor_fault(large, torch.tensor([1.7159, -1.7159]))
    yield not fault, f"far out the function ends at A = 1.7159 and -1.7159; {fault}."
    a = torch.linspace(-3, 3, 13, dtype=torch.float64)
    fault = tensor_fault(squash(a), 1.7159 * (2 * a / 3).tanh(), tolerance=1e-6)
    yield not fault, f"f(a) = A tanh(S a) on -3..3: {fault}; S = 2/3 stands inside the tanh."
    zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    output = squash(zero)
    slope = math.nan
    if output.requires_grad:
        slope = float(torch.autograd.grad(output.sum(), zero)[0])
    # f'(0) = A * S
    yield (
        is_close(slope, 1.7159 * 2 / 3),
        f"the slope at 0 is A * S = 1.144, yours is {slope:.4g}; keep to torch operations, so"
        " that gradients flow.",
    )


@exercise("ch02.shift", points=3)
def shift(shift_image):
    """shift_image(X, dx, dy) -> X [N, 1, 28, 28] moved dx pixels right and dy down, 0 moved in."""
    generator = torch.Generator().manual_seed(28)
    X = torch.rand(2, 1, 28, 28, generator=generator) + 0.5
    X_before = X.clone()
    cases = [
        (0, 0, "a shift by 0 changes nothing"),
        (2, 0, "dx = 2 moves the picture to the right; what moves in is 0, not the other edge"),
        (0, 3, "dy = 3 moves the picture downwards"),
        (-1, -4, "negative shifts move to the left and up"),
        (28, 0, "a shift by the whole width leaves zeros"),
    ]
    for dx, dy, why in cases:
        fault = tensor_fault(shift_image(X, dx, dy), _shifted(X_before, dx, dy))
        yield not fault, f"dx = {dx}, dy = {dy}: {fault}; {why}."
        yield torch.equal(X, X_before), "your function changes X: write to a new tensor."


def _shifted(X: torch.Tensor, dx: int, dy: int) -> torch.Tensor:
    # Y[y, x] = X[y - dy, x - dx], or 0 where that lies outside
    Y = torch.zeros_like(X)
    for y in range(28):
        for x in range(28):
            if 0 <= y - dy < 28 and 0 <= x - dx < 28:
                Y[..., y, x] = X[..., y - dy, x - dx]
    return Y
