"""Layers whose weights are looked up in a codebook, which training moves. Taught in chapter 10."""

import copy
import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from edu_lib.techniques.pruning import make_permanent
from edu_lib.techniques.pruning.layers import prunable_layers
from edu_lib.techniques.weight_sharing.kmeans import kmeans


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
    keep: Collection[str] = (),
    seed: int = 0,
) -> nn.Module:
    """A copy of the model whose layers have at most so many different weights, and zeros.

    num_clusters: for all layers, or {layer name: number}; a layer that is not named, or is in
    `keep`, stays as it is. Zeros, as of pruned weights, stay zero and take no cluster. A layer of
    fewer different weights gets as many clusters as it has. Training moves the centroids; biases
    stay free. `plain_weights` ends it.
    Raises ValueError for an unknown layer or init, or fewer than 1 cluster.
    Source: Deep Compression, section 3.
    """
    shared = plain_weights(make_permanent(model))
    layers = prunable_layers(shared, keep)
    wanted = num_clusters
    if not isinstance(wanted, Mapping):
        wanted = dict.fromkeys(layers, num_clusters)
    for name, clusters in wanted.items():
        if name not in layers:
            raise ValueError(f"no layer {name!r} to share, the layers are {', '.join(layers)}")
        if clusters < 1:
            raise ValueError(f"{name} needs at least 1 cluster, got {clusters}")
        _share(layers[name], clusters, init, seed)
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
            found[name] = (torch.cat([centroids.new_zeros(1), centroids]), part.codes)
    return found


def plain_weights(model: nn.Module) -> nn.Module:
    """A copy with ordinary weights of the shared values: a plain model, ready to save."""
    plain = copy.deepcopy(model)
    for layer in prunable_layers(plain).values():
        if _shared_part(layer) is not None:
            weight = layer.weight.detach().clone()
            # remove_parametrizations would change the class, which the copied model uses too
            layer.__class__ = parametrize.type_before_parametrizations(layer)
            del layer.parametrizations
            layer.weight = nn.Parameter(weight)
    return plain


def sharing_ratio(num_weights: int, num_clusters: int, bits: int = 32) -> float:
    """How many times smaller n weights get with k shared values of `bits` bits each.

    Source: Deep Compression, equation 1, with whole bits for a code.
    """
    # r = n b / (n log2 k + k b)
    code_bits = math.ceil(math.log2(num_clusters))
    return num_weights * bits / (num_weights * code_bits + num_clusters * bits)


def _share(layer: nn.Module, num_clusters: int, init: str, seed: int) -> None:
    weight = layer.weight.detach()
    stays = weight != 0
    values = weight[stays]
    if not len(values):
        return
    centroids, codes = kmeans(values, min(num_clusters, len(values.unique())), init, seed)
    all_codes = torch.zeros_like(weight, dtype=torch.int64)
    all_codes[stays] = codes + 1
    layer.weight = nn.Parameter(centroids, requires_grad=layer.weight.requires_grad)
    parametrize.register_parametrization(layer, "weight", SharedWeight(all_codes), unsafe=True)


def _shared_part(layer: nn.Module) -> SharedWeight | None:
    if not parametrize.is_parametrized(layer, "weight"):
        return None
    parts = layer.parametrizations.weight
    return next((part for part in parts if isinstance(part, SharedWeight)), None)
