"""Lottery tickets: a small part of a fresh network that trains as well as the whole."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from edu_lib.techniques.pruning.layers import check_layer_names, check_sparsity, prunable_layers
from edu_lib.techniques.pruning.masks import masks_of, sparsity_of, with_masks
from edu_lib.techniques.pruning.unstructured import prune


@dataclass
class Ticket:
    """What one round found.

    sparsity: share of zeros. model: masked, with the weights of the very start, untrained.
    trained: the same after training. control: the same mask on other random weights, untrained;
    if it trains as well as `model`, the mask alone made the difference.
    """

    sparsity: float
    model: nn.Module
    trained: nn.Module
    control: nn.Module


def lottery_ticket(
    build: Callable[[], nn.Module],
    train: Callable[[nn.Module], None],
    rounds: int,
    share: float | Mapping[str, float] = 0.2,
    seed: int = 0,
) -> list[Ticket]:
    """Train, prune, rewind to the first weights, and again: the tickets of round 0 to `rounds`.

    build: makes a network with random weights. train: trains the network it is given, in place;
    it is called rounds + 1 times. share: of the weights left in each layer that a round prunes;
    {layer name: share} prunes those layers alone (the paper takes 0.2, and 0.1 for the output).
    seed: of the first weights; the controls take the seeds after it. Ticket 0 is the whole network.
    Raises ValueError for a bad share or layer name, or fewer than 0 rounds.
    Source: Frankle and Carbin 2019, "The Lottery Ticket Hypothesis: Finding Sparse, Trainable
    Neural Networks". Taught in chapter 08.
    """
    if rounds < 0:
        raise ValueError(f"rounds must be 0 or more, got {rounds}")
    initial = _built(build, seed)
    shares = _shares(share, initial)
    model, tickets = initial, []
    for index in range(rounds + 1):
        trained = copy.deepcopy(model)
        train(trained)
        control = with_masks(_built(build, seed + index + 1), masks_of(model))
        tickets.append(Ticket(sparsity_of(model), model, trained, control))
        if index < rounds:
            # p_t = 1 - (1 - share)^t of each layer, the smallest of the trained magnitudes
            left = {name: (1 - each) ** (index + 1) for name, each in shares.items()}
            pruned = prune(trained, {name: 1 - each for name, each in left.items()})
            model = with_masks(initial, masks_of(pruned))
    return tickets


def _built(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network from `build` under a seed; torch's own random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def _shares(share: float | Mapping[str, float], model: nn.Module) -> dict[str, float]:
    layers = prunable_layers(model)
    if isinstance(share, Mapping):
        check_layer_names(share, layers, "share")
    shares = dict(share) if isinstance(share, Mapping) else dict.fromkeys(layers, share)
    for name, each in shares.items():
        check_sparsity(each, f"the share of {name}")
    return shares
