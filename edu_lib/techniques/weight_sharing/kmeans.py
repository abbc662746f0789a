"""K-means on a line: a few values that stand for many. Taught in chapter 10."""

import torch
from torch import Tensor

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
        return torch.linspace(lowest, highest, num_clusters, dtype=values.dtype)
    if init == "density":
        ordered = values.sort().values
        # the middle of each of num_clusters parts of equal population
        places = (torch.arange(num_clusters) + 0.5) * len(values) / num_clusters
        return ordered[places.long()]
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(distinct), generator=generator)[:num_clusters]
    return distinct[chosen].sort().values


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
