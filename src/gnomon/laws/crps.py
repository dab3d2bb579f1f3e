r"""The continuous ranked probability score of mixtures.

With Y, Y' independent draws of the forecast,

.. math:: \int (F(t) - 1[t \ge y])^2\,dt = \mathbb{E}|Y - y| - \tfrac12 \mathbb{E}|Y - Y'|.

Mixtures of c normals, of the number or of its logarithm, have both terms in closed form, the second a sum over pairs of
components: about 1 ms for 256 of them, 50 ms for 2,000. Mixtures of Laplaces are integrated from the left-hand side,
as their expectation need not be finite.

Sources: Gneiting & Raftery, JASA 102 (2007) 359, eq. 21; Grimit et al., QJRMS 132 (2006) 2925 (normal mixtures); Baran
& Lerch, QJRMS 141 (2015) 2289 (log-normal).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, ndtr

Array = NDArray[np.float64]
Kind = Literal["normal", "laplace"]
Scale = Literal["linear", "log"]

_ROWS = 256
_PANELS = 96
_NODES, _HALF_WEIGHTS = np.polynomial.legendre.leggauss(6)
_STEPS = np.array([-8.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0])


def unit_cdf(z: Array, kind: Kind) -> Array:
    """Distribution function of one component of location 0 and spread 1."""
    if kind == "normal":
        found: Array = ndtr(z)
        return found
    tail = np.exp(-abs(z)) / 2
    return np.where(z < 0, tail, 1 - tail)


def means(m: Array, s: Array, kind: Kind, scale: Scale) -> Array:
    """Expectation of each component; infinite where it has none."""
    if scale == "linear":
        return m
    if kind == "normal":
        return np.exp(m + s**2 / 2)
    finite = s < 1
    return np.where(finite, np.exp(m) / (1 - np.where(finite, s, 0.0) ** 2), np.inf)


def normal_distance(y: float, m: Array, s: Array, scale: Scale) -> Array:
    r""":math:`\mathbb{E}|Y - y|` for each component."""
    if scale == "linear":
        return _absolute(y - m, s)
    mean = means(m, s, "normal", scale)
    if y <= 0:
        return mean - y
    z = (math.log(y) - m) / s
    found: Array = y * (2 * ndtr(z) - 1) + mean * (1 - 2 * ndtr(z - s))
    return found


def normal_half_difference(m: Array, s: Array, w: Array, scale: Scale) -> float:
    r""":math:`\tfrac12 \mathbb{E}|Y - Y'|` of the mixture; O(c²), in blocks of rows."""
    total = 0.0
    for rows in np.array_split(np.arange(len(m)), math.ceil(len(m) / _ROWS)):
        spread = np.hypot(s[rows, None], s)
        gap = m[rows, None] - m
        if scale == "linear":
            pairs = _absolute(gap, spread) / 2
        else:  # E[Y; Y > Y'] is the mean of Y times the probability under the measure tilted by Y
            tilted = erf((gap + s[rows, None] ** 2) / (spread * math.sqrt(2)))
            pairs = means(m[rows], s[rows], "normal", scale)[:, None] * tilted
        total += float(w[rows] @ pairs @ w)
    return total


def laplace_score(y: float, m: Array, s: Array, w: Array, scale: Scale) -> float:
    r""":math:`\int (F(t) - 1[t \ge y])^2\,dt` of a mixture of Laplaces; O(c²) exponentials.

    Outside all locations (and y) F is a sum of exponentials, whose square is integrated exactly; between, by quadrature
    with panels that end at the locations, where F has its kinks.
    """
    if scale == "log" and s.max() >= 2:
        return math.inf
    if scale == "log":
        u, total = (math.log(y), 0.0) if y > 0 else (-math.inf, -y)
    else:
        u, total = y, 0.0
    growth = 1.0 if scale == "log" else 0.0
    for sign, end in ((1.0, min(u, m.min())), (-1.0, max(u, m.max()))):
        if np.isfinite(end):
            each = w / 2 * np.exp(sign * (end - m) / s + growth * end / 2)
            total += float((each[:, None] * each / (1 / s[:, None] + 1 / s + sign * growth)).sum())
    for sign, low, high in ((1.0, float(m.min()), u), (-1.0, u, float(m.max()))):
        if low < high:
            t, step = _grid(m, s, low, high, scale)
            total += float(step @ (unit_cdf(sign * (t[:, None] - m) / s, "laplace") @ w) ** 2)
    return total


def _absolute(mean: Array, spread: Array) -> Array:
    """Expected absolute value of a normal."""
    z = mean / spread
    found: Array = mean * erf(z / math.sqrt(2)) + spread * math.sqrt(2 / math.pi) * np.exp(-(z**2) / 2)
    return found


def _grid(m: Array, s: Array, low: float, high: float, scale: Scale) -> tuple[Array, Array]:
    """Nodes u of a composite Gauss rule on [low, high], and weights with the derivative of the inverse of g.

    Panels end where components change, at about equal ranks of the components' own scales, so that they are fine
    where many are narrow.
    """
    knots = np.sort((m[:, None] + _STEPS * s[:, None]).ravel())
    if len(knots) > _PANELS:
        knots = knots[np.linspace(0, len(knots) - 1, _PANELS + 1).round().astype(np.int64)]
    inside = knots[(knots > low) & (knots < high)]
    ends = np.unique(np.concatenate([[low], inside, [high]]))
    half, middle = np.diff(ends) / 2, (ends[1:] + ends[:-1]) / 2
    u = (middle[:, None] + half[:, None] * _NODES).ravel()
    step = (half[:, None] * _HALF_WEIGHTS).ravel()
    return u, step * np.exp(u) if scale == "log" else step
