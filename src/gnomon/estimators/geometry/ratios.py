"""The likelihood of ratios of neighbour distances, and its maximum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MAX_STEPS = 100


def maximum_likelihood_dimension(near: NDArray[np.float64], far: NDArray[np.float64], order: int) -> float:
    r"""Dimension that best explains the ratios :math:`\mu_i = r_{i,2m} / r_{i,m}` of neighbour distances.

    In dimension d, with a density that is constant over the neighbourhood, :math:`\mu` has the density

    .. math:: f(\mu \mid d) = \frac{d\,(\mu^d - 1)^{m-1}}{B(m, m)\,\mu^{(2m-1)d+1}}, \qquad \mu \ge 1,

    whose log-likelihood has one maximum, found by Newton's method. For m = 1 it is :math:`(n-1)/\sum_i \ln\mu_i`,
    with n − 1 in place of n so that it is unbiased.

    Parameters
    ----------
    near, far : ``(n,)`` distances :math:`r_{i,m}` and :math:`r_{i,2m}`, the latter not smaller.
    order : m.

    Returns
    -------
    The dimension; infinite when no neighbour is farther than another.

    Source: Denti, Doimo, Laio & Mira, Scientific Reports 12 (2022) 20005, arXiv:2104.13832.

    >>> r = np.random.default_rng(0)
    >>> logs = r.exponential(1 / 3, 4000)  # ln μ in three dimensions, m = 1
    >>> abs(maximum_likelihood_dimension(np.ones(4000), np.exp(logs), 1) - 3) < 0.15
    True
    """
    logs = np.log(far / near)
    n, total = len(logs), float(logs.sum())
    if total == 0:
        return float("inf")
    if order == 1:
        return (n - 1) / total
    # the score times d, h(d) = n + (m-1) Σ x/(1 - e^{-x}) - (2m-1) Σ x with x = d ln μ, is convex and decreasing;
    # from a point left of the root, which this is since x/(1 - e^{-x}) ≥ 1, Newton's steps do not overshoot
    dimension = n * order / ((2 * order - 1) * total)
    for _ in range(_MAX_STEPS):
        x = dimension * logs
        decay = -np.expm1(-x)
        with np.errstate(invalid="ignore"):
            ratio = np.where(x > 1e-8, x / decay, 1.0)
            slope = np.where(x > 1e-4, (decay - x * (1 - decay)) / decay**2, 0.5 + x / 6)
        height = n + (order - 1) * ratio.sum() - (2 * order - 1) * x.sum()
        gradient = ((order - 1) * slope * logs).sum() - (2 * order - 1) * total
        step = height / gradient
        dimension -= step
        if abs(step) < 1e-10 * dimension:
            break
    return float(dimension)
