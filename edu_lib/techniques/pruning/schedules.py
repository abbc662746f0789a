"""All at once, or little by little with training in between? Sparsities, step by step."""

from collections.abc import Callable, Iterable

from torch import nn

from edu_lib.techniques.pruning.layers import check_sparsity
from edu_lib.techniques.pruning.unstructured import prune


def one_shot(sparsity: float) -> list[float]:
    """The sparsity in one step: [s]."""
    check_sparsity(sparsity)
    return [sparsity]


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

    sparsities: rising, from `one_shot`, `geometric` or `cubic`. recover: trains the model it is
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


def _check(sparsity: float, steps: int) -> None:
    check_sparsity(sparsity)
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, got {steps}")
