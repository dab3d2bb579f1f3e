"""The Marchenko–Pastur law: the eigenvalues of a large matrix of independent entries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq


def marchenko_pastur_cdf(x: NDArray[np.float64], aspect: float) -> NDArray[np.float64]:
    r"""Distribution function of the nonzero eigenvalues of :math:`W^\top W / M` for entries of variance 1.

    For a matrix of sides :math:`n \le M`, of aspect :math:`c = n/M`, the density is
    :math:`\sqrt{(x_+ - x)(x - x_-)}/(2\pi c x)` between :math:`x_\pm = (1 \pm \sqrt c)^2`. Its integral in closed form,
    with :math:`r` the root above:

    .. math::

        F(x) = \frac{1}{2\pi c}\Bigl[r + (1+c)\arcsin\frac{x-1-c}{2\sqrt c}
               - (1-c)\arcsin\frac{(1+c)x - (1-c)^2}{2\sqrt c\,x} + \pi c\Bigr].

    Source: Marchenko & Pastur, Math. USSR Sb. 1 (1967) 457.

    >>> marchenko_pastur_cdf(np.array([0.0, 1.0, 4.0]), 1.0).round(3)
    array([0.   , 0.609, 1.   ])
    """
    root = np.sqrt(aspect)
    low, high = (1 - root) ** 2, (1 + root) ** 2
    x = np.clip(x, max(low, 1e-300), high)
    r = np.sqrt((high - x) * (x - low))
    # arctan2 of sine and cosine keeps the digits that arcsin loses at the edges
    inside = r + (1 + aspect) * np.arctan2(x - 1 - aspect, r) + np.pi * aspect
    if aspect < 1:
        inside -= (1 - aspect) * np.arctan2((1 + aspect) * x - (1 - aspect) ** 2, (1 - aspect) * r)
    return np.asarray(inside / (2 * np.pi * aspect))


def marchenko_pastur_quantile(p: float, aspect: float) -> float:
    """The eigenvalue below which the law has probability ``p``, strictly between 0 and 1."""
    low, high = (1 - np.sqrt(aspect)) ** 2, (1 + np.sqrt(aspect)) ** 2
    return float(brentq(lambda x: float(marchenko_pastur_cdf(np.array([x]), aspect)[0]) - p, low, high, xtol=1e-14))
