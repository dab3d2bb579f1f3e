"""Products of covariances: the sums against brute force, and no bias at any n."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gnomon.estimators.geometry.hsic import moments

RNG = np.random.default_rng(11)
CLUSTERS = {
    "alone": np.arange(9),
    "in sequences": np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 5]),
    "out of order": np.array([5, 0, 1, 0, 2, 3, 3, 4, 1]),
}


def average(term, clusters, rows):
    """Mean of ``term`` over all tuples of rows from distinct clusters."""
    tuples = itertools.product(range(len(clusters)), repeat=rows)
    found = [term(*t) for t in tuples if len({clusters[i] for i in t}) == rows]
    return np.mean(found)


def product(x, y, clusters):
    k, m = x @ x.T, y @ y.T
    return (
        average(lambda i, j: k[i, j] * m[i, j], clusters, 2)
        - 2 * average(lambda i, j, p: k[i, j] * m[j, p], clusters, 3)
        + average(lambda i, j, p, q: k[i, j] * m[p, q], clusters, 4)
    )


def squared_trace(x, clusters):
    k = x @ x.T
    return (
        average(lambda i, j: k[i, i] * k[j, j], clusters, 2)
        - 2 * average(lambda i, j, p: k[i, i] * k[j, p], clusters, 3)
        + average(lambda i, j, p, q: k[i, j] * k[p, q], clusters, 4)
    )


@pytest.mark.parametrize("name", CLUSTERS)
def test_sums_over_distinct_clusters_in_full_and_without_each(name):
    clusters = CLUSTERS[name]
    x = RNG.normal(size=(len(clusters), 3))
    y = x[:, :2] @ np.array([[1.0, 2.0], [0.0, 1.0]]) + RNG.normal(size=(len(clusters), 2))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)  # the sums shift with the origin where clusters differ in size
    found = moments([x, y], clusters)
    assert found.products[0, 1] == pytest.approx(product(x, y, clusters), rel=1e-9)
    assert found.products[1, 1] == pytest.approx(product(y, y, clusters), rel=1e-9)
    assert found.traces[0] == pytest.approx(squared_trace(x, clusters), rel=1e-9)
    for place, cluster in enumerate(np.unique(clusters)):
        rest = clusters != cluster
        left = [a[rest] for a in (x, y)]
        assert found.products_without[place, 0, 1] == pytest.approx(product(*left, clusters[rest]), rel=1e-9)
        assert found.traces_without[place, 1] == pytest.approx(squared_trace(left[1], clusters[rest]), rel=1e-9)


def test_blocks_do_not_matter(monkeypatch):
    from gnomon.estimators.geometry import hsic

    clusters = RNG.integers(0, 40, size=100)
    sets = [RNG.normal(size=(100, 5)), RNG.normal(size=(100, 7))]
    whole = moments(sets, clusters)
    monkeypatch.setattr(hsic, "_BLOCK_NUMBERS", 700)
    parts = moments(sets, clusters)
    np.testing.assert_allclose(parts.products, whole.products, rtol=1e-10)
    np.testing.assert_allclose(parts.products_without, whole.products_without, rtol=1e-10)
    np.testing.assert_allclose(parts.traces_without, whole.traces_without, rtol=1e-10)


def test_shift_and_scale():
    x = RNG.normal(size=(30, 4))
    plain, moved = moments([x], np.arange(30)), moments([1e-3 * x + 5], np.arange(30))
    assert moved.products[0, 0] == pytest.approx(1e-12 * plain.products[0, 0], rel=1e-6)
    assert moved.traces[0] == pytest.approx(1e-12 * plain.traces[0], rel=1e-6)


@pytest.mark.parametrize("per_cluster", [1, 3])
@pytest.mark.parametrize("n", [8, 40])
def test_no_bias_however_few_rows(n, per_cluster):
    deviations = np.array([3.0, 1.0, 1.0, 0.5])
    variances = deviations**2
    products, traces = [], []
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        shared = np.repeat(rng.normal(size=(n, 4)), per_cluster, axis=0)
        rows = np.sqrt(0.7) * shared + np.sqrt(0.3) * rng.normal(size=shared.shape)
        found = moments([rows * deviations + 2], np.repeat(np.arange(n), per_cluster))
        products.append(found.products[0, 0])
        traces.append(found.traces[0])
    for values, truth in ((products, np.square(variances).sum()), (traces, variances.sum() ** 2)):
        assert abs(np.mean(values) - truth) < 4 * np.std(values) / np.sqrt(len(values))
