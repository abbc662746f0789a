"""Weight sharing: the weights of a layer take a few values, and each stores which. Chapter 10.

Source: Han, Mao, Dally 2016, "Deep Compression", section 3.
"""

from edu_lib.techniques.weight_sharing.kmeans import first_centroids, kmeans, nearest
from edu_lib.techniques.weight_sharing.shared import (
    SharedLookup,
    SharedWeight,
    codebooks,
    plain_weights,
    share_weights,
    sharing_ratio,
)

__all__ = [
    "SharedLookup",
    "SharedWeight",
    "codebooks",
    "first_centroids",
    "kmeans",
    "nearest",
    "plain_weights",
    "share_weights",
    "sharing_ratio",
]
