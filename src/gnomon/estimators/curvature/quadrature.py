"""Stochastic Lanczos quadrature: a smoothed spectral density with a band over probes and a bound on its bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import chi2

from gnomon.estimators.curvature.lanczos import Krylov

# the smoothing is as fine as keeps the quadrature's bias below this share of a bump's height
_BIAS = 1e-3
_BEYOND = 5.0  # widths that the grid extends past the outermost eigenvalues: the mass outside is below 1e-6
_PER_WIDTH = 2  # grid points a width; the sum over the grid then equals the integral to 1e-8


@dataclass(frozen=True, eq=False)
class Density:
    """A density on a grid.

    Parameters
    ----------
    grid : ``(points,)`` eigenvalues, evenly spaced.
    values, low, high : ``(points,)``; the ends are of a pointwise interval over probes.
    width : standard deviation of the Gaussian that smooths it.
    bias : bound on the error of the quadrature at any point; 0 where it is exact.
    """

    grid: NDArray[np.float64]
    values: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    width: float
    bias: float


@cache
def relative_width(steps: int) -> float:
    """Width of the smoothing over half the spectrum's range, such that quadrature of ``steps`` nodes resolves it."""
    degree = 2 * steps - 1
    fine, coarse = 1e-4, 10.0
    for _ in range(60):
        middle = float(np.sqrt(fine * coarse))
        fine, coarse = (fine, middle) if _relative_bias(middle, degree) < _BIAS else (middle, coarse)
    return coarse


def density_grid(lowest: float, highest: float, steps: int) -> tuple[NDArray[np.float64], float]:
    """The grid on which a density is given, and its smoothing width, from the ends of the spectrum."""
    relative = relative_width(steps)
    width = relative * (highest - lowest) / 2
    points = int(np.ceil((2 / relative + 2 * _BEYOND) * _PER_WIDTH)) + 1
    return np.linspace(lowest - _BEYOND * width, highest + _BEYOND * width, points), width


def gaussian(grid: NDArray[np.float64], nodes: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """``(points, nodes)`` normal densities around each node."""
    return np.asarray(np.exp(-0.5 * np.square((grid[:, None] - nodes) / width)) / (width * np.sqrt(2 * np.pi)))


def spectral_density(
    runs: Sequence[Krylov], grid: NDArray[np.float64], width: float, extent: float, *, level: float = 0.95
) -> Density:
    r"""The density :math:`\varphi(t) = \frac1d \sum_i g_\sigma(t - \lambda_i)` on ``grid``.

    Each run of m steps is a Gauss quadrature with the Ritz values as nodes and the squared first components as
    weights :math:`w`, exact for polynomials of degree 2m − 1; the mean over k runs estimates :math:`\varphi`.

    *Band.* The components of a start vector are uniform on the sphere, so :math:`q^\top f(A) q` has the mean
    :math:`m_1 = \mathrm{tr} f / d` and the variance :math:`\frac{2}{d+2} (m_2 - m_1^2)`, :math:`m_2 = \mathrm{tr}
    f^2 / d`, for any f. Both are taken from the quadrature itself, and the mean of k is matched with a scaled
    :math:`\chi^2_\nu` of the same mean and variance. That is the law of a lone eigenvalue's share, and nearly normal
    where many contribute. As the moments are estimates themselves, the band covers about 90 % instead of 95 % at a lone
    eigenvalue.

    *Bias.* Quadrature errs by at most twice the distance of :math:`g_\sigma` to the polynomials of degree 2m − 1,
    which Bernstein's ellipses bound.

    Parameters
    ----------
    extent : length of an interval that holds the spectrum.

    Source: Lin, Saad & Yang, SIAM Rev. 58 (2016) 34, arXiv:1308.5467 (quadrature); Satterthwaite, Biometrics Bull. 2
    (1946) 110 (matched :math:`\chi^2`); Trefethen, Approximation Theory and Approximation Practice, ch. 8 (ellipses).
    """
    kernels = [gaussian(grid, run.ritz_values, width) for run in runs]
    first = np.mean([k @ run.weights for k, run in zip(kernels, runs, strict=True)], axis=0)
    second = np.mean([np.square(k) @ run.weights for k, run in zip(kernels, runs, strict=True)], axis=0)
    d = runs[0].dimension
    variance = np.maximum(second - np.square(first), 0.0) * 2 / (d + 2) / len(runs)
    sure = variance <= 1e-18 * np.square(first)
    nu = np.where(sure, 1.0, 2 * np.square(first) / np.where(sure, 1.0, variance))
    tail = (1 - level) / 2
    peak = 1 / (width * np.sqrt(2 * np.pi))
    with np.errstate(divide="ignore", over="ignore"):  # where next to nothing was seen, the upper end is the peak
        low = np.where(sure, first, first * nu / chi2.ppf(1 - tail, nu))
        high = np.where(sure, first, np.minimum(first * nu / chi2.ppf(tail, nu), peak))
    degrees = [2 * len(run.alphas) - 1 for run in runs if not run.complete]
    bias = _relative_bias(2 * width / extent, min(degrees)) * peak if degrees else 0.0
    return Density(grid, first, np.minimum(low, first), np.maximum(high, first), width, float(bias))


def _relative_bias(width: float, degree: int) -> float:
    """Bound on the quadrature error for a bump of height 1 and ``width``, over an interval of half-length 1."""

    def log_bound(r: float) -> float:
        return float(np.square(np.sinh(r) / width) / 2 - degree * r - np.log(np.expm1(r)))

    best = minimize_scalar(log_bound, bounds=(1e-6, 5.0), method="bounded")
    return float(min(4 * np.exp(best.fun), 2.0))
