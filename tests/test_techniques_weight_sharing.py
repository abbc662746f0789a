"""Weight sharing against scikit-learn's k-means and PyTorch's autograd."""

import copy

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

import edu_lib as edu
from edu_lib.deploy import container
from edu_lib.models.lenet import LeNet5
from edu_lib.techniques.pruning import prune, sparsity_of
from edu_lib.techniques.weight_sharing import (
    SharedLookup,
    codebooks,
    first_centroids,
    kmeans,
    share_weights,
)


def values(n=3000, seed=0):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("init", ["linear", "density", "random"])
@pytest.mark.parametrize("num_clusters", [1, 2, 7, 16])
def test_kmeans_is_scikit_learns_from_the_same_start(init, num_clusters):
    w = values()
    start = first_centroids(w.double(), num_clusters, init, seed=3)
    centroids, codes = kmeans(w, num_clusters, init, seed=3)
    theirs = KMeans(num_clusters, init=start.numpy()[:, None], n_init=1, tol=0, max_iter=300)
    theirs.fit(w.double().numpy()[:, None])
    expected = np.sort(theirs.cluster_centers_[:, 0])
    np.testing.assert_allclose(centroids, expected, rtol=1e-4, atol=1e-5)
    assert (centroids[codes] - w).abs().max() <= (centroids - w[:, None]).abs().amin(1).max() + 1e-6
    error = float(((w - centroids[codes]) ** 2).sum())
    assert error == pytest.approx(theirs.inertia_, rel=1e-4)


def test_a_cluster_that_is_left_empty_starts_anew_far_out():
    # evenly spaced from 0 to 100 nothing lies near 25, 50 and 75
    w = torch.tensor([0.0, 1, 2, 3, 4, 5, 100])
    start = first_centroids(w.double(), 5)
    centroids, codes = kmeans(w, 5)
    assert codes.bincount(minlength=5).min() > 0
    theirs = KMeans(5, init=start.numpy()[:, None], n_init=1, tol=0).fit(w.numpy()[:, None])
    error = float(((w - centroids[codes]) ** 2).sum())
    assert error == pytest.approx(theirs.inertia_)


def test_starts_are_what_they_say():
    w = values()
    linear = first_centroids(w, 5)
    torch.testing.assert_close(linear.diff(), linear.diff()[:1].expand(4))
    assert linear[0] == w.min()
    assert linear[-1] == w.max()
    density = first_centroids(w, 9, "density")
    between = torch.histogram(w, density).hist
    assert between.max() - between.min() <= 2
    first, again = (first_centroids(w, 5, "random", seed=1) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, first_centroids(w, 5, "random", seed=2))
    assert torch.isin(first, w).all()


def test_the_gradient_of_a_centroid_is_the_sum_of_its_weights():
    codes = torch.randint(0, 4, (6, 5), generator=torch.Generator().manual_seed(0))
    centroids = torch.randn(4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: SharedLookup.apply(c, codes).sin(), centroids)
    upstream = torch.randn(6, 5, dtype=torch.float64)
    ours = torch.autograd.grad((SharedLookup.apply(centroids, codes) * upstream).sum(), centroids)
    theirs = torch.autograd.grad((centroids[codes] * upstream).sum(), centroids)
    torch.testing.assert_close(ours, theirs)


def test_training_moves_centroids_and_keeps_codes_and_zeros():
    torch.manual_seed(0)
    model = prune(LeNet5(), 0.7)
    before = copy.deepcopy(model.state_dict())
    shared = share_weights(model, {"c3": 8, "c5": 16})
    assert all(torch.equal(before[name], each) for name, each in model.state_dict().items())
    assert sparsity_of(shared) == pytest.approx(sparsity_of(model))
    codes = {name: book[1].clone() for name, book in codebooks(shared).items()}
    assert codes.keys() == {"c3", "c5"}
    start = shared.c3.weight.detach().clone()
    optimizer = torch.optim.Adam(shared.parameters(), lr=0.01)
    X, y = torch.rand(8, 1, 28, 28), torch.arange(8)
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(shared(X), y).backward()
        optimizer.step()
    assert not torch.equal(shared.c3.weight, start)
    assert torch.equal(shared.c3.weight == 0, start == 0)
    for name, (centroids, now) in codebooks(shared).items():
        assert torch.equal(now, codes[name])
        layer = shared.get_submodule(name)
        assert torch.equal(layer.weight, centroids[now])
        assert len(layer.weight.unique()) <= {"c3": 9, "c5": 17}[name]
    plain = edu.to_plain(shared)
    assert torch.equal(plain(X), shared(X))
    assert plain.state_dict().keys() == LeNet5().state_dict().keys()
    again = container.loads(container.dumps(plain))
    assert torch.equal(again.eval()(X), plain.eval()(X))


def test_as_many_clusters_as_values_change_nothing():
    w = values(50)
    centroids, codes = kmeans(w, 50)
    assert torch.equal(centroids[codes], w)
    model = LeNet5()
    shared = share_weights(model, 10_000, skip=["c5", "f6"])
    X = torch.rand(2, 1, 28, 28)
    assert torch.equal(shared(X), model(X))
    assert codebooks(shared).keys() == {"c1", "c3", "output"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kmeans(values(), 4, "middle"), "init is one of linear, density, random"),
        (lambda: kmeans(torch.ones(5), 2), "clusters are from 1 to the 1 different values, got 2"),
        (lambda: kmeans(torch.tensor([1.0, float("nan"), 2.0]), 2), "some values are not finite"),
        (lambda: share_weights(LeNet5(), 0), "c1 needs at least 1 cluster, got 0"),
        (lambda: share_weights(LeNet5(), {"c9": 4}), "no layer 'c9' to share"),
    ],
)
def test_sharing_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
