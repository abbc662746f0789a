"""Weight sharing: the weights of a layer take a few values, and each stores which.

K-means on a line finds the values; training moves them, all weights of one value together.
Source: Han, Mao, Dally 2016, "Deep Compression", section 3. Taught in chapter 10.
"""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from edu_lib.layers import check_covered, check_unwrapped, choose_layers, to_plain
from edu_lib.techniques.pruning import mask_of, prunable_layers, tied_layers

INITS = ("linear", "density", "random")


def first_centroids(
    values: Tensor, num_clusters: int, init: str = "linear", seed: int = 0
) -> Tensor:
    """Where k-means starts: [num_clusters], ascending.

    values: float [n]. init: "linear" spaces them evenly from the smallest to the largest value,
    "density" takes values with equally many between them, "random" draws values with `seed`.
    Raises ValueError for another init, fewer different values than clusters, or values that are
    not finite.
    Source: Deep Compression, section 3.2.
    """
    if init not in INITS:
        raise ValueError(f"init is one of {', '.join(INITS)}, got {init!r}")
    if not values.isfinite().all():
        raise ValueError("some values are not finite: k-means has no mean for them")
    distinct = values.unique()
    if not 1 <= num_clusters <= len(distinct):
        raise ValueError(
            f"clusters are from 1 to the {len(distinct)} different values, got {num_clusters}"
        )
    if init == "linear":
        lowest, highest = float(distinct[0]), float(distinct[-1])
        like = {"dtype": values.dtype, "device": values.device}
        return torch.linspace(lowest, highest, num_clusters, **like)
    if init == "density":
        ordered = values.sort().values
        # the middle of each of num_clusters parts of equal population
        middles = torch.arange(num_clusters, device=values.device) + 0.5
        places = middles * len(values) / num_clusters
        return ordered[places.long()]
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(distinct), generator=generator)[:num_clusters]
    return distinct[chosen.to(values.device)].sort().values


def kmeans(
    values: Tensor, num_clusters: int, init: str = "linear", seed: int = 0, max_steps: int = 300
) -> tuple[Tensor, Tensor]:
    """(centroids [num_clusters] ascending, codes int64 [n]) by Lloyd's algorithm on a line.

    values: float [n]. A cluster that is left empty starts anew at the value that lies farthest
    from its centroid. As many clusters as different values give the values back, exactly.
    Raises what `first_centroids` raises.
    Source: Lloyd 1982, "Least squares quantization in PCM"; Deep Compression, equation 2.
    """
    exact = values.detach().double()
    centroids = first_centroids(exact, num_clusters, init, seed)
    distinct = exact.unique()
    if num_clusters == len(distinct):
        return distinct.to(values.dtype), torch.searchsorted(distinct, exact)
    codes = nearest(exact, centroids)
    for _ in range(max_steps):
        centroids = _means(exact, codes, centroids)
        before, codes = codes, nearest(exact, centroids)
        if torch.equal(before, codes):
            break
    return centroids.to(values.dtype), codes


def nearest(values: Tensor, centroids: Tensor) -> Tensor:
    """The index of the centroid nearest to each value, the lower of two. centroids: ascending."""
    borders = (centroids[1:] + centroids[:-1]) / 2
    return torch.bucketize(values, borders)


def _means(values: Tensor, codes: Tensor, centroids: Tensor) -> Tensor:
    """The mean of each cluster, ascending; an empty cluster takes a value from far out."""
    counts = torch.bincount(codes, minlength=len(centroids))
    empty = (counts == 0).nonzero()[:, 0]
    if len(empty):
        distances = (values - centroids[codes]).abs()
        codes = codes.clone()
        codes[distances.topk(len(empty)).indices] = empty
        counts = torch.bincount(codes, minlength=len(centroids))
    # c_k = mean of the w in cluster k
    sums = torch.zeros_like(centroids).index_add_(0, codes, values)
    return torch.where(counts > 0, sums / counts.clamp(min=1), centroids).sort().values


class SharedLookup(torch.autograd.Function):
    """W = C[I], and back: the gradient of a centroid is the sum over all weights that share it."""

    @staticmethod
    def forward(ctx, centroids: Tensor, codes: Tensor) -> Tensor:
        ctx.save_for_backward(codes)
        ctx.num_clusters = len(centroids)
        return centroids[codes]

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (codes,) = ctx.saved_tensors
        # dL/dC_k = sum_ij dL/dW_ij [I_ij = k]   (Deep Compression, equation 3)
        sums = grad.new_zeros(ctx.num_clusters)
        return sums.index_add_(0, codes.flatten(), grad.flatten()), None


class SharedWeight(nn.Module):
    """Parametrization: an optimiser trains the centroids; codes and pruned zeros stay.

    codes: 0 where a weight is 0, else 1 + the index of its centroid.
    """

    def __init__(self, codes: Tensor):
        super().__init__()
        self.register_buffer("codes", codes)

    def forward(self, centroids: Tensor) -> Tensor:
        zero = centroids.new_zeros(1)
        return SharedLookup.apply(torch.cat([zero, centroids]), self.codes)


def share_weights(
    model: nn.Module,
    num_clusters: int | Mapping[str, int],
    init: str = "linear",
    *,
    skip: Collection[str] = (),
    seed: int = 0,
) -> nn.Module:
    """A copy of the model whose layers have at most so many different weights, and zeros.

    num_clusters: for all convolutions, transposed ones too, and linear layers, or {layer name:
    number}; a layer that is not named, or lies in `skip` (names of layers or parts), stays as it
    is. Zeros, as of pruned weights, stay zero and take no cluster. A layer of fewer different
    weights gets as many clusters as it has. Training moves the centroids; biases stay free.
    Layers that share one weight share one codebook. `edu_lib.to_plain` ends it.
    Raises ValueError for an unknown name or init, or fewer than 1 cluster; naming a layer that is
    quantized, or whose weights cannot be shared (attention, LSTM). Warns of parameters that belong
    to no layer, and stay.
    Source: Deep Compression, section 3. Taught in chapter 10.
    """
    check_unwrapped(model, skip)
    check_covered(model, skip)
    shared = to_plain(model, skip=skip)
    choose_layers(shared, skip=skip)  # raises for one that is no ordinary layer
    layers = prunable_layers(shared, skip)
    wanted = num_clusters
    if not isinstance(wanted, Mapping):
        wanted = dict.fromkeys(layers, num_clusters)
    for name, clusters in wanted.items():
        if name not in layers:
            raise ValueError(f"no layer {name!r} to share, the layers are {', '.join(layers)}")
        if clusters < 1:
            raise ValueError(f"{name} needs at least 1 cluster, got {clusters}")
        _share(tied_layers(shared, layers[name]), clusters, init, seed)
    return shared


def codebooks(model: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    """{layer name: (values, codes)} of the layers with shared weights; weight = values[codes].

    values: [1 + clusters], the first is 0. codes: int64, of the weight's shape.
    """
    found = {}
    for name, layer in prunable_layers(model).items():
        part = _shared_part(layer)
        if part is not None:
            centroids = layer.parametrizations.weight.original.detach()
            mask = mask_of(layer)
            codes = part.codes if mask is None else part.codes * mask.mask
            found[name] = (torch.cat([centroids.new_zeros(1), centroids]), codes)
    return found


def _share(layers: list[nn.Module], num_clusters: int, init: str, seed: int) -> None:
    """Gives layers of one weight one set of centroids."""
    weight = layers[0].weight.detach()
    stays = weight != 0
    values = weight[stays]
    if not len(values):
        return
    centroids, codes = kmeans(values, min(num_clusters, len(values.unique())), init, seed)
    all_codes = torch.zeros_like(weight, dtype=torch.int64)
    all_codes[stays] = codes + 1
    parameter = nn.Parameter(centroids, requires_grad=layers[0].weight.requires_grad)
    for layer in layers:
        layer.weight = parameter
        parametrize.register_parametrization(layer, "weight", SharedWeight(all_codes), unsafe=True)


def _shared_part(layer: nn.Module) -> SharedWeight | None:
    if not parametrize.is_parametrized(layer, "weight"):
        return None
    parts = layer.parametrizations.weight
    return next((part for part in parts if isinstance(part, SharedWeight)), None)
