"""Gradients through rounding: straight through, and for the size of the steps. Chapter 09.

Rounding is flat almost everywhere, so that its gradient is 0 and nothing would be learned. The
estimator treats it as if it were the identity; clamping keeps its gradient, 1 inside and 0 outside.
Sources: Bengio, Leonard, Courville 2013, "Estimating or Propagating Gradients Through Stochastic
Neurons", section 4 (straight through); Esser et al. 2020, "Learned Step Size Quantization".
"""

import torch
from torch import Tensor


class _StraightThrough(torch.autograd.Function):
    """Hands `value` on; the gradient goes to `like` as it is."""

    @staticmethod
    def forward(ctx: object, value: Tensor, like: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[None, Tensor]:
        return None, gradient


def straight_through(value: Tensor, like: Tensor) -> Tensor:
    """`value`, exactly, with the gradient of `like`; both of one shape."""
    return _StraightThrough.apply(value.detach(), like)


def clamp_inclusive(X: Tensor, low: float, high: float) -> Tensor:
    """clamp(X), with gradient 1 at the ends too, where torch.clamp gives 0.

    The ends are points of the grid like the others: values that round to them must go on learning.
    """
    X = torch.where(low > X, low, X)
    return torch.where(high < X, high, X)


def round_straight_through(X: Tensor) -> Tensor:
    """round(X), whose gradient is taken to be 1."""
    return straight_through(X.round(), X)


def sign_straight_through(X: Tensor) -> Tensor:
    """+1 where X >= 0 and -1 elsewhere; its gradient is taken to be 1 where |X| <= 1, else 0.

    Source: Hubara et al. 2016, "Binarized Neural Networks", section 2.3, equation 4.
    """
    return straight_through(torch.where(X >= 0, 1.0, -1.0), clamp_inclusive(X, -1, 1))


def fake_quantize_trainable(
    X: Tensor, step: Tensor, zero_point: Tensor, qmin: int, qmax: int
) -> Tensor:
    """X on the grid of width `step`, with gradients for X and for the step.

    step and zero_point broadcast over X. The gradient of X is 1 inside the grid and 0 outside; that
    of the step is round(x / s) - x / s inside, and qmin - z or qmax - z outside.
    Source: Esser et al. 2020, equations 1 to 5.
    """
    # v = clamp(round(x / s) + z, qmin, qmax),  v_hat = (v - z) s
    q = clamp_inclusive(round_straight_through(X / step) + zero_point, qmin, qmax)
    return (q - zero_point) * step


def scale_gradient(parameter: Tensor, factor: float) -> Tensor:
    """The parameter itself, whose gradient is multiplied by `factor`.

    Source: Esser et al. 2020, appendix A.
    """
    return (parameter - parameter * factor).detach() + parameter * factor
