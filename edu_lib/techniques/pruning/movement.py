"""Movement: a weight that training pulls towards zero is not worth keeping, however large."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from edu_lib.techniques.pruning.layers import prunable_layers, trained_weight


@contextmanager
def track_movement(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """While active, adds up the movement score of every weight as the model trains.

        with track_movement(model) as scores:
            train(model)
        pruned = prune(model, 0.9, criterion=scores)

    Each backward pass adds its step. A score is positive where the weight moved away from zero.
    The scores are {layer name: tensor of the weight's shape}. Call zero_grad between the steps,
    as every training loop does. A weight under a mask does not move; Sanh et al. let it return.
    Source: Sanh, Wolf, Rush 2020, "Movement Pruning: Adaptive Sparsity by Fine-Tuning".
    Taught in chapter 08.
    """
    layers = prunable_layers(model)
    scores = {name: torch.zeros_like(trained_weight(layer)) for name, layer in layers.items()}

    def add_step(name: str, weight: nn.Parameter) -> None:
        # S <- S - w dL/dw: a step of -dL/dw grows |w| where w and dL/dw differ in sign
        scores[name] -= weight.detach() * weight.grad

    hooks = [
        trained_weight(layer).register_post_accumulate_grad_hook(
            lambda weight, name=name: add_step(name, weight)
        )
        for name, layer in layers.items()
        if trained_weight(layer).requires_grad
    ]
    try:
        yield scores
    finally:
        for hook in hooks:
            hook.remove()
