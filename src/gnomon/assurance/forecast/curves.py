r"""Curves along a ladder, and how well they fit: two parameters each, of several shapes.

A share is taken as binomial with mean

.. math:: p(C) = h(a + b \log C),

with h one of three: the logistic :math:`1/(1 + e^{-\eta})`; :math:`1 - \exp(-e^\eta)`, which for small shares is the
power law :math:`p \propto C^b`; and :math:`\exp(-e^{-\eta})`, its mirror image. Any other number is taken as normal
with mean :math:`a + b \log C` or, where all are positive, :math:`e^{a + b \log C}`.

Sources: McCullagh & Nelder, Generalized Linear Models (1989), 4.3 (shapes), 4.5; Williams, Applied Statistics 31
(1982) 144, model III (scatter beyond the binomial).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit, xlogy

Array = NDArray[np.float64]
_WIDEST = 1e12  # variance of networks
_EDGE = 1e-12  # of a share: no curve is quite at 0 or 1


@dataclass(frozen=True)
class Shape:
    """A shape h of a curve: ``up`` is h, ``back`` its inverse."""

    name: str
    up: Callable[[Array], Array]
    back: Callable[[Array], Array]


SHARES = (
    Shape("logistic", expit, logit),
    Shape("power law", lambda eta: -np.expm1(-np.exp(np.minimum(eta, 30.0))), lambda p: np.log(-np.log1p(-p))),
    Shape("mirrored power law", lambda eta: np.exp(-np.exp(np.minimum(-eta, 30.0))), lambda p: -np.log(-np.log(p))),
)
NUMBERS = (
    Shape("straight", lambda eta: eta, lambda y: y),
    Shape("power law", lambda eta: np.exp(np.minimum(eta, 300.0)), np.log),
)


def deviance(fitted: Array, y: Array, weights: Array, *, shares: bool) -> Array:
    """Twice the log-likelihood lost to a perfect fit, over the last axis."""
    if not shares:
        return np.asarray((weights * (y - fitted) ** 2).sum(axis=-1))
    p = np.clip(fitted, _EDGE, 1 - _EDGE)
    perfect = float(weights @ (xlogy(y, y) + xlogy(1 - y, 1 - y)))
    return np.asarray(2 * (perfect - np.log(p) @ (weights * y) - np.log1p(-p) @ (weights * (1 - y))))


def pearson(fitted: Array, y: Array, weights: Array, *, shares: bool) -> float:
    """Pearson's sum of squared residuals, each over its variance."""
    p = np.clip(fitted, _EDGE, 1 - _EDGE)
    variance = p * (1 - p) if shares else 1.0
    return float((weights * (y - fitted) ** 2 / variance).sum())


def worth(fitted: Array, weights: Array, variance: float, *, shares: bool) -> Array:
    """Weights of rungs whose networks have this ``variance``, in log-odds for shares."""
    p = np.clip(fitted, _EDGE, 1 - _EDGE)
    own = p * (1 - p) if shares else 1.0
    return np.asarray(weights / (1 + variance * weights * own))


def freedom(fitted: Array, weights: Array, *, shares: bool) -> int:
    """Degrees of freedom that tell scatter: rungs of at least one expected hit and miss, less two."""
    telling = weights * fitted * (1 - fitted) >= 1 if shares else np.ones(len(fitted), dtype=bool)
    return max(1, int(telling.sum()) - 2)


def scatter_of(fitted: Array, y: Array, weights: Array, *, shares: bool) -> float:
    """The variance of networks at which Pearson's sum is its degrees of freedom; 0 where it is no larger."""
    due = freedom(fitted, weights, shares=shares)

    def excess(variance: float) -> float:
        return pearson(fitted, y, worth(fitted, weights, variance, shares=shares), shares=shares) - due

    if excess(0.0) <= 0:
        return 0.0
    high = 1e-6
    while excess(high) > 0 and high < _WIDEST:
        high *= 4
    return high if high >= _WIDEST else float(brentq(excess, 0.0, high))
