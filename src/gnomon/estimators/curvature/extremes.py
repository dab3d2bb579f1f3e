"""How far the largest eigenvalue can lie beyond what Lanczos found: a bound that holds with stated probability."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betaincinv

from gnomon.estimators.curvature.lanczos import Krylov


def largest_eigenvalue_bound(runs: Sequence[Krylov], failure: float) -> float:
    r"""A number that the largest eigenvalue of A exceeds with probability at most ``failure`` over start vectors.

    After m steps the next Lanczos vector is :math:`p_m(A) q_1` with
    :math:`p_m(x) = \prod_i (x - \vartheta_i) / \prod_j \beta_j`. As it has unit length, the component
    :math:`\gamma` of the start vector along the eigenvector of :math:`\lambda_{\max}` obeys
    :math:`|\gamma|\, p_m(\lambda_{\max}) \le 1`; beyond the largest Ritz value :math:`p_m` grows without bound. For
    a start vector uniform on the sphere, :math:`\gamma^2 \sim \mathrm{Beta}(\tfrac12, \tfrac{d-1}2)`, so that
    :math:`|\gamma| \ge \delta` but for a known probability, and :math:`p_m(x) = 1/\delta` gives the bound. Of k
    independent runs all would have to fail at once, so each may fail with probability ``failure**(1/k)``; the bound
    is the largest of theirs.

    Unlike the bounds that hold before the iteration (Kuczyński & Woźniakowski, SIAM J. Matrix Anal. 13 (1992) 1094)
    it uses the spectrum that was found, and is narrow where that has converged.

    Source: van Dorsselaer, Hochstenbach & van der Vorst, SIAM J. Matrix Anal. 22 (2000) 837.
    """
    each = failure ** (1 / len(runs))
    return max(_bound(run.ritz_values, run, each) for run in runs)


def smallest_eigenvalue_bound(runs: Sequence[Krylov], failure: float) -> float:
    """The same for the smallest eigenvalue, from below: `largest_eigenvalue_bound` of −A."""
    each = failure ** (1 / len(runs))
    return -max(_bound(-run.ritz_values[::-1], run, each) for run in runs)


def _bound(ritz: NDArray[np.float64], run: Krylov, failure: float) -> float:
    top = float(ritz[-1])
    if run.betas[-1] == 0.0 or len(ritz) == run.dimension:
        return top
    # log p_m(top + e^t) = log 1/δ, in t
    target = float(np.log(run.betas).sum()) - 0.5 * float(np.log(betaincinv(0.5, (run.dimension - 1) / 2, failure)))
    gaps = top - ritz[:-1]
    highest = target / len(ritz)  # all gaps are at least 0
    reach = float(np.exp(highest))
    lowest = min(highest, target - float(np.log(reach + gaps).sum()))

    def excess(t: float) -> float:
        return t + float(np.log(np.exp(t) + gaps).sum()) - target

    if excess(lowest) >= 0:
        return top + float(np.exp(lowest))
    if excess(highest) <= 0:
        return top + reach
    return top + float(np.exp(brentq(excess, lowest, highest)))
