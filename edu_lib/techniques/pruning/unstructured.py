"""Pruning single weights: an importance scores them, a scope compares them; once or in steps."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edu_lib.layers import WEIGHTED, check_covered, check_unwrapped, choose_layers, copied
from edu_lib.techniques.pruning.criteria import (
    Loss,
    check_layer_names,
    check_sparsity,
    gradient_scores,
    lamp_scores,
    lowest_pruned,
    magnitude_scores,
)
from edu_lib.techniques.pruning.masks import masks_of, prunable_layers, sparsity_of, with_masks

Scores = Mapping[str, Tensor]
IMPORTANCES = ("magnitude", "lamp", "gradient")
SCOPES = ("global", "layer")


def prune(
    model: nn.Module,
    sparsity: float | Mapping[str, float],
    importance: str | Scores | Callable[[nn.Module], Scores] = "magnitude",
    scope: str = "global",
    *,
    loss: Loss | None = None,
    skip: Collection[str] = (),
) -> nn.Module:
    """A copy of the model in which the least important weights are masked, also while it trains.

    sparsity: share of the weights that are zero afterwards, 0 <= s < 1; {layer name: share} prunes
    those layers alone, each to its own share. The weights of convolutions, transposed ones too,
    and of linear layers count; biases stay. Layers that share one weight count once.
    importance: "magnitude", "lamp", "gradient" (needs `loss`), scores, or a function from a model
    to scores {layer name: tensor of its weight's shape}; low scores go first.
    scope: "global" compares all weights at once, "layer" prunes each layer to the same share.
    skip: names of layers, or of parts that hold layers, to leave whole; they do not count in the
    share. A weight that is masked already stays masked. `sparsity_of` counts, `edu_lib.to_plain`
    makes the zeros permanent.

    One global threshold can empty a small layer, which ends all learning: that raises ValueError.
    importance="lamp" cannot empty one, scope="layer" hardly.
    Raises ValueError for a bad share, importance, scope or name; naming a layer that is quantized,
    that computes something else than its kind, or whose weights cannot be masked (attention, LSTM).
    Warns of parameters that belong to no layer, and stay.
    Sources: in each importance. Taught in chapter 08.
    """
    _check_arguments(sparsity, scope)
    check_unwrapped(model, skip)
    layers = prunable_layers(model, skip)
    check_covered(model, skip)
    choose_layers(model, WEIGHTED, skip)  # raises for one that is no ordinary layer
    if isinstance(sparsity, Mapping):
        check_layer_names(sparsity, layers, "sparsity")
        layers = {name: layers[name] for name in sparsity}
    earlier = masks_of(model)
    scores = _scores(model, importance, loss, layers)
    # what is masked already is the least important of all
    scores = {name: s.masked_fill(~earlier[name], -torch.inf) for name, s in scores.items()}
    if isinstance(sparsity, Mapping):
        masks = {name: lowest_pruned(scores[name], share) for name, share in sparsity.items()}
    elif scope == "layer":
        masks = {name: lowest_pruned(each, sparsity) for name, each in scores.items()}
    else:
        masks = _one_threshold(scores, sparsity)
    masks = {name: mask & earlier[name] for name, mask in masks.items()}
    _check_no_layer_is_empty(masks)
    return with_masks(model, masks)


def _scores(
    model: nn.Module,
    importance: str | Scores | Callable[[nn.Module], Scores],
    loss: Loss | None,
    layers: Mapping[str, nn.Module],
) -> dict[str, Tensor]:
    """{layer name: scores} of the layers to prune."""
    if isinstance(importance, str):
        importance = _named_importance(importance, loss)
    scores = importance if isinstance(importance, Mapping) else importance(model)
    for name, layer in layers.items():
        if name not in scores:
            raise ValueError(f"importance gives {name} no scores: name it in skip")
        if scores[name].shape != layer.weight.shape:
            raise ValueError(
                f"the scores of {name} are {tuple(scores[name].shape)}, "
                f"its weight {tuple(layer.weight.shape)}"
            )
    return {name: scores[name].detach().float() for name in layers}


def _named_importance(name: str, loss: Loss | None) -> Callable[[nn.Module], Scores]:
    if name not in IMPORTANCES:
        raise ValueError(f"importance is one of {', '.join(IMPORTANCES)} or scores, got {name!r}")
    if name != "gradient":
        return magnitude_scores if name == "magnitude" else lamp_scores
    if loss is None:
        raise ValueError('importance "gradient" needs loss=, a function from a model to its loss')
    return lambda model: gradient_scores(model, loss)


def _one_threshold(scores: Scores, sparsity: float) -> dict[str, Tensor]:
    """Masks of all layers that together zero the lowest `sparsity` share of all scores."""
    sizes = [each.numel() for each in scores.values()]
    together = lowest_pruned(torch.cat([each.flatten() for each in scores.values()]), sparsity)
    return {
        name: mask.reshape(scores[name].shape)
        for name, mask in zip(scores, together.split(sizes), strict=True)
    }


def _check_arguments(sparsity: float | Mapping[str, float], scope: str) -> None:
    if scope not in SCOPES:
        raise ValueError(f"scope is one of {', '.join(SCOPES)}, got {scope!r}")
    if isinstance(sparsity, Mapping):
        for name, share in sparsity.items():
            check_sparsity(share, f"the sparsity of {name}")
    else:
        check_sparsity(sparsity)


def _check_no_layer_is_empty(masks: Mapping[str, Tensor]) -> None:
    empty = [name for name, mask in masks.items() if not mask.any()]
    if empty:
        raise ValueError(
            f"no weight would be left in {', '.join(empty)}, and nothing would pass: prune less, "
            'take importance="lamp" or scope="layer", or name it in skip'
        )


def geometric(sparsity: float, steps: int) -> list[float]:
    """The sparsity after each step if each prunes the same share of what is left.

    0.9 in 2 steps: [0.684, 0.9], since each step leaves 31.6 %.
    Source: Han et al. 2015, section 3 (pruning and training in turns); Frankle and Carbin 2019
    give each round the same share. Taught in chapter 08.
    """
    _check(sparsity, steps)
    # s_t = 1 - (1 - s)^(t / n),  t = 1 .. n
    return [1 - (1 - sparsity) ** (t / steps) for t in range(1, steps)] + [sparsity]


def cubic(sparsity: float, steps: int, initial: float = 0.0) -> list[float]:
    """The gradual schedule: much while weights are plenty, little near the end.

    initial: the sparsity before the first step. Returns `steps` values, the last is `sparsity`.
    Source: Zhu and Gupta 2017, "To prune, or not to prune: exploring the efficacy of pruning for
    model compression". Taught in chapter 08.
    """
    _check(sparsity, steps)
    check_sparsity(initial, "initial")
    if initial > sparsity:
        raise ValueError(f"initial must not exceed the sparsity {sparsity}, got {initial}")
    # s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3
    return [sparsity + (initial - sparsity) * (1 - t / steps) ** 3 for t in range(1, steps + 1)]


def prune_in_steps(
    model: nn.Module,
    sparsities: Iterable[float],
    recover: Callable[[nn.Module], None],
    **options: object,
) -> nn.Module:
    """Prunes to each sparsity in turn and lets `recover` train the model after each.

    sparsities: rising, from `geometric` or `cubic`. recover: trains the model it is
    given, in place. options: those of `prune`. Returns the last model, recovered and masked; the
    argument is not touched. Raises ValueError if the sparsities are none or fall.
    Taught in chapter 08.
    """
    sparsities = list(sparsities)
    if not sparsities or sparsities != sorted(sparsities):
        raise ValueError(f"sparsities must rise from step to step, got {sparsities}")
    for sparsity in sparsities:
        model = prune(model, sparsity, **options)
        recover(model)
    return model


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
        trained = copied(model)
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


def _check(sparsity: float, steps: int) -> None:
    check_sparsity(sparsity)
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, got {steps}")
