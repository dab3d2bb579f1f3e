r"""Power laws :math:`\rho(\lambda) \propto \lambda^{-\alpha}` above a chosen :math:`x_\min`: fit and resampling.

Everything is done in logarithms, in which the excess :math:`z = \ln\lambda - \ln x_\min` is exponential with rate
:math:`\alpha - 1`, and for many spectra at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FEWEST_TRIED = 25
_SIZES_TRIED = 40
_NUMBERS_AT_ONCE = 2**21

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PowerLaws:
    r"""The fits of several spectra.

    Parameters
    ----------
    points : number of eigenvalues above :math:`x_\min`, ``(spectra,)``.
    shape : :math:`\hat\alpha - 1`.
    distance : Kolmogorov–Smirnov distance between the eigenvalues above :math:`x_\min` and their power law.
    curvature : :math:`\overline{z^2}/(2\bar z^2)` of the excess z: 1 for a power law, smaller for a lognormal.
    """

    points: NDArray[np.int64]
    shape: Array
    distance: Array
    curvature: Array


def tail_sizes(n: int) -> NDArray[np.int64]:
    r"""The numbers of points above :math:`x_\min` that are tried for ``n`` eigenvalues, geometrically spaced."""
    if n <= _FEWEST_TRIED:
        return np.empty(0, np.int64)
    return np.unique(np.geomspace(_FEWEST_TRIED, n - 1, _SIZES_TRIED).round().astype(np.int64))


def fit_power_laws(logs: Array) -> PowerLaws:
    r"""Maximum likelihood above the :math:`x_\min` at which the distance is smallest.

    For each candidate :math:`x_\min = \lambda_{k+1}` the k larger eigenvalues give
    :math:`\hat\alpha = 1 + (k-1)/\sum_{i\le k}\ln(\lambda_i/x_\min)`, the likelihood's maximum freed of its bias.

    Parameters
    ----------
    logs : logarithms of the eigenvalues, descending, ``(spectra, n)`` with more than 25 of them.

    Source: Clauset, Shalizi & Newman, SIAM Review 51 (2009) 661, arXiv:0706.1062.
    """
    spectra, n = logs.shape
    sums, squares = np.cumsum(logs, axis=1), np.cumsum(logs**2, axis=1)
    points, best = np.zeros(spectra, np.int64), np.full(spectra, np.inf)
    shape, curvature = np.ones(spectra), np.ones(spectra)
    for k in tail_sizes(n):
        threshold = logs[:, k]
        mean = sums[:, k - 1] / k - threshold
        rate = (k - 1) / k / np.maximum(mean, np.finfo(np.float64).tiny)
        law = np.exp((threshold[:, None] - logs[:, :k]) * rate[:, None])  # share above each point, ascending
        rank = np.arange(k) / k
        distance = np.maximum((law - rank).max(axis=1), (rank + 1 / k - law).max(axis=1))
        better = distance < best
        square = squares[:, k - 1] / k - 2 * threshold * (mean + threshold) + threshold**2
        best = np.where(better, distance, best)
        points = np.where(better, k, points)
        shape = np.where(better, rate, shape)
        curvature = np.where(better, square / np.maximum(2 * mean**2, np.finfo(np.float64).tiny), curvature)
    return PowerLaws(points, shape, best, curvature)


def resampled_power_laws(logs: Array, fit: PowerLaws, replicates: int, generator: np.random.Generator) -> PowerLaws:
    r"""Fits of spectra drawn from the fitted law: its power law above :math:`x_\min`, the eigenvalues themselves below.

    Each of n eigenvalues comes from the tail with probability k/n. The :math:`x_\min` is chosen anew in every
    replicate, so that the scatter of the fits contains that of the choice.

    Parameters
    ----------
    logs : ``(n,)``, descending. ``fit`` : its own fit, of one spectrum.

    Source: Clauset, Shalizi & Newman, section 4.1.
    """
    found = [fit_power_laws(drawn) for drawn in _draws(logs, fit, replicates, generator)]
    return PowerLaws(
        np.concatenate([f.points for f in found]),
        np.concatenate([f.shape for f in found]),
        np.concatenate([f.distance for f in found]),
        np.concatenate([f.curvature for f in found]),
    )


def _draws(logs: Array, fit: PowerLaws, replicates: int, generator: np.random.Generator) -> Iterator[Array]:
    n, k, shape = len(logs), int(fit.points[0]), float(fit.shape[0])
    size = max(1, _NUMBERS_AT_ONCE // n)
    for start in range(0, replicates, size):
        many = min(size, replicates - start)
        in_tail = np.arange(n) < generator.binomial(n, k / n, many)[:, None]
        tail = logs[k] + generator.exponential(1 / shape, (many, n))
        body = logs[k:][generator.integers(n - k, size=(many, n))]
        yield -np.sort(-np.where(in_tail, tail, body), axis=1)
