"""Sums over pairs of different clusters, and without each cluster, against plain loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gnomon.estimators.features.outer_products import OuterProducts, jackknife


def products_of(rows: np.ndarray, cluster: np.ndarray, outputs: int = 1) -> OuterProducts:
    counts = np.bincount(cluster).astype(float) / outputs
    return OuterProducts(rows, cluster, counts)


@pytest.mark.parametrize(("n", "width"), [(24, 5), (24, 40)])
@pytest.mark.parametrize("outputs", [1, 2])
def test_norm_and_trace_from_pairs(n: int, width: int, outputs: int) -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(n * outputs, width))
    cluster = np.repeat(np.sort(generator.integers(0, 7, size=n)), outputs)
    cluster = np.unique(cluster, return_inverse=True)[1]
    products = products_of(rows, cluster, outputs)
    matrices = [rows[cluster == c].T @ rows[cluster == c] for c in range(cluster.max() + 1)]

    def by_hand(kept: list[int]) -> tuple[float, float]:
        norm = trace = pairs = 0.0
        for a, b in itertools.permutations(kept, 2):
            norm += (matrices[a] * matrices[b]).sum()
            trace += np.trace(matrices[a]) * np.trace(matrices[b])
            pairs += products.counts[a] * products.counts[b]
        return norm / pairs, trace / pairs

    every = list(range(len(matrices)))
    (norm, norms), (trace, traces) = products.squared_norm, products.squared_trace
    assert (norm, trace) == pytest.approx(by_hand(every))
    for c in every:
        assert (norms[c], traces[c]) == pytest.approx(by_hand([k for k in every if k != c]))


def test_parts_belong_to_their_clusters() -> None:
    generator = np.random.default_rng(1)
    rows, cluster = generator.normal(size=(30, 3)), np.arange(30) % 10
    part = products_of(rows, cluster).take(np.array([2, 5]))
    np.testing.assert_array_equal(part.rows, rows[np.isin(cluster, [2, 5])])
    np.testing.assert_allclose(
        part.total, rows[cluster == 2].T @ rows[cluster == 2] + rows[cluster == 5].T @ rows[cluster == 5]
    )


@pytest.mark.parametrize(("n", "width"), [(50, 8), (8, 50)])
def test_axes_diagonalise_the_average(n: int, width: int) -> None:
    rows = np.random.default_rng(2).normal(size=(n, width))
    products = products_of(rows, np.arange(n))
    values, vectors = products.axes
    np.testing.assert_allclose(vectors * values @ vectors.T, rows.T @ rows / n, atol=1e-12)
    assert (np.diff(values) <= 0).all()


def test_effective_clusters() -> None:
    assert products_of(np.ones((10, 2)), np.arange(10)).effective_clusters == pytest.approx(10)
    one_dominates = np.vstack([np.full((1, 2), 100.0), np.ones((9, 2))])
    assert products_of(one_dominates, np.arange(10)).effective_clusters < 1.01
    assert products_of(np.zeros((10, 2)), np.arange(10)).effective_clusters == 0.0


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    x = np.random.default_rng(3).normal(size=40)
    without = (x.sum() - x) / 39
    value, error = jackknife(float(x.mean()), without)
    assert value == pytest.approx(x.mean())
    assert error == pytest.approx(x.std(ddof=1) / np.sqrt(40))


def test_jackknife_removes_the_bias_of_a_square() -> None:
    values = []
    for seed in range(4000):
        x = np.random.default_rng(seed).normal(size=10)
        values.append(jackknife(float(x.mean() ** 2), ((x.sum() - x) / 9) ** 2)[0])
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(4000)
