"""How thin? Ranks by what the singular values hold, or by what may be spent."""

import heapq
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edu_lib.copies import copied, evaluation_mode
from edu_lib.cost import count_cost
from edu_lib.layers import is_within, known_parts
from edu_lib.techniques.factorization.conv_pairs import unfold
from edu_lib.techniques.factorization.factor import layers_of, pair_of, why_not


@torch.no_grad()
def singular_values(
    model: nn.Module, kind: str = "spatial", *, skip: Collection[str] = ()
) -> dict[str, Tensor]:
    """{layer name: singular values, falling} of every layer that can be factored.

    kind: as in `low_rank_from`. Raises ValueError for another kind or an unknown name in `skip`.
    """
    layers = layers_of(model)
    skipped, found = known_parts(model, skip), {}
    for name, layer in layers.items():
        pair_of(layer, kind)  # checks the kind
        if not is_within(name, skipped) and why_not(layer) is None:
            found[name] = torch.linalg.svdvals(unfold(layer.weight, kind).float())
    return found


def ranks_by_energy(
    model: nn.Module, energy: float, kind: str = "spatial", *, skip: Collection[str] = ()
) -> dict[str, int]:
    """{layer name: smallest rank whose squared singular values sum to this share of all}.

    energy: 0 < e <= 1; the relative error of each weight is then at most sqrt(1 - e).
    Raises ValueError for another energy, kind, or an unknown name in `skip`.
    Source: Denton et al. 2014, section 3.2 (the error of a truncation). Taught in chapter 10.
    """
    if not 0 < energy <= 1:
        raise ValueError(f"energy is a share above 0 and up to 1, got {energy}")
    ranks = {}
    for name, s in singular_values(model, kind, skip=skip).items():
        # sum_{r <= R} s_r^2 >= energy * sum_r s_r^2
        held = s.double().square().cumsum(0)
        ranks[name] = min(len(s), 1 + int((held < energy * held[-1]).sum()))
    return ranks


def ranks_by_budget(
    model: nn.Module,
    share: float,
    kind: str = "spatial",
    *,
    X: Tensor | None = None,
    skip: Collection[str] = (),
) -> dict[str, int]:
    """{layer name: rank} so that the layers that can be factored cost this share of the whole.

    share: 0 < s <= 1, of their weights, or of their MACs if an input X is given. The ranks fall one
    by one where the energy lost for each weight (or MAC) saved is least; a layer that is cheaper
    whole is not named. Layers that share one weight have one rank, and their weights count once.
    Raises ValueError for a share that even rank 1 everywhere does not reach, another kind, or an
    unknown name in `skip`.
    Source: Zhang et al. 2015, rank selection for the whole model (equation 18 and its greedy
    solution). Taught in chapter 10.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is above 0 and up to 1, got {share}")
    values = singular_values(model, kind, skip=skip)
    first: dict[int, str] = {}
    one_of = {n: first.setdefault(id(model.get_submodule(n).weight), n) for n in values}
    costs = _costs(model, one_of, kind, X)
    values = {name: values[name] for name in costs}
    budget = share * sum(cost.whole for cost in costs.values())
    ranks = {name: len(s) for name, s in values.items()}
    squares = {name: s.double().square().tolist() for name, s in values.items()}
    held = {name: sum(each) for name, each in squares.items()}
    spent = sum(costs[name].at(rank) for name, rank in ranks.items())
    heap = [(_loss(squares[n], held[n], ranks[n], costs[n]), n) for n in ranks if ranks[n] > 1]
    heapq.heapify(heap)
    while spent > budget:
        if not heap:
            smallest = spent / sum(cost.whole for cost in costs.values())
            raise ValueError(f"rank 1 everywhere costs {smallest:.3f} of the whole, over {share}")
        _, name = heapq.heappop(heap)
        before = costs[name].at(ranks[name])
        held[name] -= squares[name][ranks[name] - 1]
        ranks[name] -= 1
        spent += costs[name].at(ranks[name]) - before
        if ranks[name] > 1:
            loss = _loss(squares[name], held[name], ranks[name], costs[name])
            heapq.heappush(heap, (loss, name))
    thin = {n for n, rank in ranks.items() if costs[n].a_rank * rank < costs[n].whole}
    return {name: ranks[one] for name, one in one_of.items() if one in thin}


@dataclass(frozen=True)
class _Cost:
    """Weights or MACs of a layer whole, and of each rank of its pair."""

    whole: int
    a_rank: int

    def at(self, rank: int) -> int:
        return min(self.whole, rank * self.a_rank)


def _loss(squares: list[float], held: float, rank: int, cost: _Cost) -> float:
    """Energy that the last rank holds, as a share of what is left, for each unit it costs."""
    # (s_R^2 / sum_{r <= R} s_r^2) / cost of a rank
    return squares[rank - 1] / max(held, 1e-300) / cost.a_rank


def _costs(
    model: nn.Module, one_of: dict[str, str], kind: str, X: Tensor | None
) -> dict[str, _Cost]:
    """The cost of each of the names that one_of = {name: the first one of its weight} leads to."""
    layers = {name: model.get_submodule(name) for name in one_of}
    if X is None:
        whole = {name: layers[name] for name in one_of.values()}
        return {
            name: _Cost(layer.weight.numel(), pair_of(layer, kind).num_weights(layer, 1))
            for name, layer in whole.items()
        }
    inputs, costs = _input_shapes(model, layers, X), {}
    for name, one in one_of.items():
        cost, before = _macs(layers[name], kind, inputs[name]), costs.get(one, _Cost(0, 0))
        costs[one] = _Cost(before.whole + cost.whole, before.a_rank + cost.a_rank)
    return costs


def _macs(layer: nn.Module, kind: str, shape: torch.Size) -> _Cost:
    """MACs of one forward, found without computing it."""
    blank = copied(layer).to("meta")
    X = torch.empty(shape, device="meta", dtype=layer.weight.dtype)
    pair = pair_of(layer, kind)(blank, 1)
    return _Cost(count_cost(blank, X).macs, count_cost(pair, X).macs)


@torch.no_grad()
def _input_shapes(
    model: nn.Module, layers: dict[str, nn.Module], X: Tensor
) -> dict[str, torch.Size]:
    shapes = {}
    hooks = [
        layer.register_forward_pre_hook(
            lambda _, inputs, name=name: shapes.__setitem__(name, inputs[0].shape)
        )
        for name, layer in layers.items()
    ]
    try:
        with evaluation_mode(model):
            model(X)
    finally:
        for hook in hooks:
            hook.remove()
    missing = [name for name in layers if name not in shapes]
    if missing:
        raise ValueError(f"layer {missing[0]!r} does not run on X: name it in skip")
    return shapes
