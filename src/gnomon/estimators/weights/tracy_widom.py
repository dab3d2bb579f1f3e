r"""The Tracy–Widom law of order 1: how the largest eigenvalue of pure noise fluctuates."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import airy

_NODES = 60
_LOWEST, _HIGHEST = -10.0, 14.0


def tracy_widom_cdf(s: float) -> float:
    r"""Distribution function :math:`F_1(s) = \det(1 - B_s)`.

    :math:`B_s` is the integral operator on :math:`L^2(0, \infty)` with kernel
    :math:`\mathrm{Ai}(x + y + s)`; its determinant is that of a Gauss–Legendre quadrature, which converges
    exponentially (here to about 1e-14).

    Source: Ferrari & Spohn, J. Phys. A 38 (2005) L557, arXiv:math-ph/0505012; Bornemann, arXiv:0804.2543.

    >>> round(tracy_widom_cdf(0.9793), 5)
    0.95
    """
    reach = 16.0 - min(s, 0.0)  # the kernel vanishes beyond
    nodes, weights = _quadrature()
    x, root = reach * nodes, np.sqrt(reach * weights)
    kernel = root[:, None] * airy(x[:, None] + x[None, :] + s)[0] * root[None, :]
    return float(np.linalg.det(np.eye(_NODES) - kernel))


@functools.lru_cache(maxsize=256)
def tracy_widom_quantile(p: float) -> float:
    """The value below which the law has probability ``p``, for p from 1e-9 to 1 − 1e-12.

    >>> round(tracy_widom_quantile(0.95), 4)
    0.9793
    """
    return float(brentq(lambda s: tracy_widom_cdf(s) - p, _LOWEST, _HIGHEST))


def largest_noise_eigenvalue(rows: int, columns: int, p: float, *, kurtosis: float = 3.0) -> float:
    r"""Quantile ``p`` of the largest eigenvalue of :math:`W^\top W` for independent entries of variance 1.

    :math:`\lambda_1 = (\mu + \varsigma\,\mathrm{TW}_1)\,(1 + (\kappa-3)_+/\sqrt{NM})` with, for
    :math:`a = \sqrt{N - 1/2}` and :math:`b = \sqrt{M - 1/2}`, :math:`\mu = (a + b)^2` and
    :math:`\varsigma = (a + b)(1/a + 1/b)^{1/3}`. The halves make the error of second order. The last factor is the
    shift of the edge by entries of kurtosis :math:`\kappa > 3`, first order in :math:`1/n`; lighter tails than the
    Gaussian's shift it inwards, which is left out, on the safe side.

    Source: Johnstone, Ann. Statist. 29 (2001) 295; Ma, Bernoulli 18 (2012) 322, arXiv:1203.0839 (halves); Hwang, Lee
    & Schnelli, Ann. Appl. Probab. 29 (2019) 3006, arXiv:1806.03186 (shift).
    """
    a, b = np.sqrt(rows - 0.5), np.sqrt(columns - 0.5)
    centre, width = (a + b) ** 2, (a + b) * (1 / a + 1 / b) ** (1 / 3)
    shift = 1 + max(kurtosis - 3, 0.0) / np.sqrt(rows * columns)
    return float((centre + width * tracy_widom_quantile(p)) * shift)


@functools.cache
def _quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1) / 2, weights / 2
