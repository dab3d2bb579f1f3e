"""Bounds for the eigenvalues of a second moment from a finite sample: sample splitting and Courant–Fischer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse.linalg import eigsh
from scipy.stats import t

from gnomon.estimators.features.outer_products import OuterProducts
from gnomon.randomness import Rng

_DENSE = 200


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The leading eigenvalues, decreasing, with a band that holds all of them at once.

    ``below`` and ``above`` are the bounds that bracket each eigenvalue in expectation; ``low`` and ``high`` add
    their statistical error.
    """

    values: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    below: NDArray[np.float64]
    above: NDArray[np.float64]


def spectrum(products: OuterProducts, components: int, rng: Rng, *, level: float = 0.95) -> Spectrum:
    r"""Eigenvalues :math:`\lambda_1 \ge \lambda_2 \ge …` of the average outer product M.

    The eigenvalues of a sample's matrix are biased apart, and where several are equal no expansion in 1/n mends it.
    So the clusters are split in halves. With the eigenvectors V of one half,
    :math:`\lambda_{\min}(V_{\le j}^\top M V_{\le j}) \le \lambda_j \le \lambda_{\max}(V_{\ge j}^\top M V_{\ge j})`
    holds whatever V is (Courant–Fischer); each is estimated on the other half, where its own finite-sample bias
    widens the bracket, because the smallest eigenvalue is concave and the largest convex. Both orders of the halves
    are averaged. The band adds the cluster-robust error of both, at a Student t quantile that is shared out over all
    bounds (Bonferroni). The reading is the middle of the bracket.

    Source: Horn & Johnson, Matrix Analysis, 2nd ed. (2013), theorem 4.2.6.
    """
    width = products.rows.shape[1]
    if len(products.rows) < width:  # all that happens, happens in the span of the rows
        products = replace(products, rows=products.rows @ products.axes[1])
    components = min(components, products.rows.shape[1])
    order = rng.child("halves").numpy().permutation(len(products.counts))
    halves = [products.take(np.sort(part)) for part in np.array_split(order, 2)]
    found = [_bounds(train, test, components) for train, test in (halves, halves[::-1])]
    bounds = (found[0][0] + found[1][0]) / 2
    variance = (found[0][1] + found[1][1]) / 4
    quantile = float(t.ppf(1 - (1 - level) / (2 * components), len(products.counts) - 1))
    relative = quantile * np.sqrt(variance) / np.maximum(bounds, 1e-300)
    below, above = np.maximum(bounds, 0.0)
    # eigenvalues are decreasing, so each bound holds on one side of its place as well
    low = np.maximum.accumulate((below * np.exp(-relative[0]))[::-1])[::-1]
    high = np.minimum.accumulate(above * np.exp(np.minimum(relative[1], 50.0)))
    values = np.minimum.accumulate((below + above) / 2)
    return Spectrum(values, np.minimum(low, values), np.maximum(high, values), below, above)


def _bounds(
    train: OuterProducts, test: OuterProducts, components: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bounds, ``(2, components)``, and the variance of each over clusters."""
    _, vectors = np.linalg.eigh(train.total)
    vectors = vectors[:, ::-1]
    block = vectors.T @ test.total @ vectors / test.n
    extremal = np.zeros((2, components, len(block)))
    for j in range(components):
        _, least = np.linalg.eigh(block[: j + 1, : j + 1])
        extremal[0, j, : j + 1] = least[:, 0]
        extremal[1, j, j:] = _top(block[j:, j:])
    directions = extremal.reshape(2 * components, -1) @ vectors.T
    squares = test.by_cluster(np.square(test.rows @ directions.T))
    bounds = squares.sum(axis=0) / test.n
    clusters = len(test.counts)
    residuals = squares - bounds * test.counts[:, None]
    variance = clusters / (clusters - 1) * np.square(residuals).sum(axis=0) / test.n**2
    return bounds.reshape(2, components), variance.reshape(2, components)


def _top(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eigenvector of the largest eigenvalue."""
    n = len(matrix)
    if n <= _DENSE or not matrix.any():
        return np.asarray(eigh(matrix, subset_by_index=[n - 1, n - 1])[1][:, 0])
    return np.asarray(eigsh(matrix, k=1, which="LA", v0=np.ones(n), tol=1e-6)[1][:, 0])
