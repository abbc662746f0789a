"""The weights a network starts with, so that signals keep their size. Taught in chapter 03."""

import math

from torch import nn

# How much larger the weights must be because the activation makes its inputs smaller:
# ReLU drops half of the squares, tanh nothing near 0, and sigmoid has a slope of 1/4 at 0.
GAINS = {"relu": math.sqrt(2), "tanh": 1.0, "sigmoid": 4.0}


def scaled_start_(model: nn.Module, activation: str) -> nn.Module:
    """Draw the weights of all Conv2d and Linear layers anew, scaled to their number of inputs.

    activation: "relu", "tanh" or "sigmoid", between all layers; the last layer has none after it.
    Biases become 0. Draws from torch's global generator; returns the model.
    Raises ValueError for another activation or a model without such layers.
    Source: LeCun et al. 1998, "Efficient BackProp", section 4.6, for tanh; He et al. 2015,
    "Delving Deep into Rectifiers", section 2.2, for ReLU.
    """
    if activation not in GAINS:
        raise ValueError(f"activation is one of {', '.join(GAINS)}, got {activation!r}")
    layers = [part for part in model.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    if not layers:
        raise ValueError(f"{type(model).__name__} has no Conv2d and no Linear layer to start")
    for layer in layers:
        gain = 1.0 if layer is layers[-1] else GAINS[activation]
        # standard deviation = gain / sqrt(inputs of a unit)
        nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return model


def small_start_(model: nn.Module) -> nn.Module:
    """Draw the weights of all Conv2d and Linear layers anew, alike for every activation.

    Uniform between -1 / sqrt(inputs of a unit) and its opposite; biases become 0. Draws from
    torch's global generator; returns the model. Raises ValueError for a model without such layers.
    Source: the width is that of PyTorch's own layers, torch.nn.Linear.reset_parameters.
    """
    layers = [part for part in model.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    if not layers:
        raise ValueError(f"{type(model).__name__} has no Conv2d and no Linear layer to start")
    for layer in layers:
        bound = 1 / math.sqrt(layer.weight[0].numel())
        nn.init.uniform_(layer.weight, -bound, bound)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return model
