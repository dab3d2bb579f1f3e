r"""Deterministic equivalents of ridge regression, on given or on random features, from a spectrum.

The penalty λ is that of :math:`\lVert y - \Phi w\rVert^2 + \lambda\lVert w\rVert^2`, in kernel form
:math:`K + \lambda I`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity, Unit
from gnomon.theory.ridge_spectra import Reading, Spectrum

Array = NDArray[np.float64]

EXCESS_RISK = Quantity(
    name="excess_risk",
    symbol=r"R",
    unit=Unit.parse("output^2"),
    definition=r"E\,\lVert \hat f(x) - f(x)\rVert^2,\ f(x) = E[y \mid x]",
    convention="summed over outputs; expectation over training inputs, noise and features",
    source="Hastie, Montanari, Rosset & Tibshirani, Ann. Statist. 50 (2022) 949, arXiv:1903.08560",
    lowest=0.0,
)

_HALVINGS = 60
_POLE = 1e-10


@dataclass(frozen=True, kw_only=True)
class Risk:
    """Excess risk in its parts, each of shape ``(m,)``.

    Parameters
    ----------
    bias : what labels without noise would give.
    variance : what the noise adds.
    """

    bias: Array
    variance: Array

    @property
    def total(self) -> Array:
        """Bias and variance."""
        return self.bias + self.variance


def solve(spectrum: Spectrum, examples: ArrayLike, penalty: ArrayLike, features: ArrayLike = math.inf) -> Reading:
    r"""The level γ at which n examples, N random features and the penalty λ hold a spectrum.

    .. math::
        n = z + \frac{\lambda}{\kappa}, \qquad N = z + N\frac{\kappa}{\gamma}, \qquad
        z = \sum_i \frac{\lambda_i}{\lambda_i + \gamma}.

    Eliminating κ leaves :math:`(n-z)(1-z/N)\,\gamma = \lambda`, whose left side grows with γ wherever
    :math:`z < \min(n, N)`: one root, found by bisection, for all of the broadcast arguments at once. For
    :math:`N = \infty`, γ = κ and this is ridge regression on the spectrum itself. Where examples have scales τ (see
    `gnomon.theory.ridge_spectra.Reading`), the first equation is :math:`1 = n\,E\,\tau/(\lambda/\kappa + \tau z)`.

    Source: Simon, Karkada, Ghosh & Belkin, arXiv:2311.14646, equation 5.
    """
    n, delta, width = _broadcast(examples, penalty, features)
    fewest = np.minimum(n, width)
    low, high = spectrum.bracket(fewest, delta)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        reading = spectrum.read(middle)
        z = reading.degrees
        kappa = reading.kappa * np.maximum(1 - z / width, _POLE)
        kept = reading.scales / ((delta / kappa)[:, None] + reading.scales * z[:, None])
        short = (z >= fewest) | (n * kept.mean(axis=1) < 1)
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return spectrum.read(high)


def risk(
    spectrum: Spectrum,
    examples: ArrayLike,
    *,
    penalty: ArrayLike = 0.0,
    noise: float = 0.0,
    features: ArrayLike = math.inf,
    attenuation: float = 1.0,
) -> Risk:
    r"""Excess risk of ridge regression, ridgeless where the penalty is 0, on N random features or on all.

    With γ and z of `solve`, :math:`q = \sum_i \lambda_i^2/(\lambda_i+\gamma)^2` and the target's powers
    :math:`v_i^2`,

    .. math::
        U = \frac{q(N-2z)+z^2}{N-q}, \qquad
        B = \frac{1}{1-U/n}\sum_i\Bigl(\frac{\gamma}{\lambda_i+\gamma} -
        \frac{N-z}{N-q}\frac{\gamma\lambda_i}{(\lambda_i+\gamma)^2}\Bigr)v_i^2, \qquad
        V = \frac{U/n}{1-U/n}\,\sigma^2,

    where for :math:`N = \infty` are :math:`U = q` and
    :math:`B = \frac{n}{n-q}\sum_i \gamma^2v_i^2/(\lambda_i+\gamma)^2`.
    Where examples have scales τ, 1/n is :math:`n\,E\,\tau^2/(\lambda/\kappa+\tau z)^2` in the denominators, and
    :math:`n\,E\,\tau/(\lambda/\kappa+\tau z)^2` in the numerator of V: without a penalty noise that is fitted counts
    :math:`E\,\tau^{-1}` times.
    Infinite at the interpolation peak, where λ = 0 and n is the number of features or of eigenvalues.

    Parameters
    ----------
    examples, penalty, features : broadcast against each other; n, λ, N.
    noise : σ², summed over outputs.
    attenuation : labels are a times the target, plus noise, where wrong labels take part of it away (a class is, with
        probability ρ, another of C at random: :math:`a = 1 - \rho C/(C-1)`); the risk is to the target itself.

    Raises
    ------
    GnomonError : on numbers of examples or features below 1, or a negative penalty or noise.

    Cost: 60 readings of the spectrum.

    Source: Simon, Karkada, Ghosh & Belkin, arXiv:2311.14646 (equation 6); Bach, arXiv:2303.01372; Hastie, Montanari,
    Rosset & Tibshirani, arXiv:1903.08560 (theorem 2).
    """
    if not noise >= 0:
        raise GnomonError(f"the noise {noise} is negative")
    n, _, width = _broadcast(examples, penalty, features)
    found = solve(spectrum, examples, penalty, features)
    z, q = found.degrees, found.squared
    each = 1 / width
    # as many directions as features, all of them learned: 0/0 is q
    spare = np.maximum(1 - q * each, _POLE)
    open_share = (1 - z * each) / spare
    used = np.where(spare > _POLE, (q * (1 - 2 * z * each) + z**2 * each) / spare, q)
    held = _held(n, z, found.scales)[:, None] + found.scales * z[:, None]
    of_noise, of_risk = (used * n * (found.scales**power / held**2).mean(axis=1) for power in (1, 2))
    with np.errstate(divide="ignore"):
        price = np.where(of_risk < 1 - _POLE, 1 / np.maximum(1 - of_risk, _POLE), np.inf)
    missed = found.left - open_share * found.slope
    bias = attenuation**2 * np.where(missed > 0, price * missed, 0.0)
    if attenuation != 1:
        bias = bias + 2 * attenuation * (1 - attenuation) * found.left + (1 - attenuation) ** 2 * spectrum.total
    variance = price * of_noise * noise if noise > 0 else np.zeros_like(price)
    return Risk(bias=bias, variance=variance)


def _held(n: Array, z: Array, scales: Array) -> Array:
    r"""The root λ/κ, not negative, of :math:`n\,E\,\tau/(\lambda/\kappa+\tau z) = 1`; where all scales are 1, n − z."""
    if scales.shape == (1, 1):
        return np.maximum(n - z, 0.0)
    low, high = np.zeros_like(z), n * scales.max(axis=1)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        more = n * (scales / (middle[:, None] + scales * z[:, None])).mean(axis=1) > 1
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    return np.asarray(low)


def _broadcast(examples: ArrayLike, penalty: ArrayLike, features: ArrayLike) -> Any:
    given = [np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (examples, penalty, features)]
    n, delta, width = np.broadcast_arrays(*given)
    if not ((n >= 1).all() and (width >= 1).all() and (delta >= 0).all() and np.isfinite(n).all()):
        raise GnomonError("examples and features must be 1 or more, and the penalty not negative")
    return n, delta, width
