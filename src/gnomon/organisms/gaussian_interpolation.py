"""Interpolation of noisy linear data in more dimensions than examples: its risk, exact given the inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from gnomon.errors import GnomonError
from gnomon.randomness import Rng

Vector = NDArray[np.float64]

_BLOCK = 2_048


@dataclass(frozen=True, kw_only=True)
class LinearData:
    r"""Noisy linear data: :math:`y = x^\top\theta + \varepsilon` with :math:`x \sim N(0, \Sigma)` and
    :math:`\varepsilon \sim N(0, \sigma^2)`.

    Parameters
    ----------
    spectrum : shape ``(p,)``, positive eigenvalues of Σ, in whose eigenbasis everything is written.
    coefficients : shape ``(p,)``, θ.
    noise : σ², not negative.

    Raises
    ------
    GnomonError : when shapes differ or an eigenvalue is not positive.
    """

    spectrum: Vector
    coefficients: Vector
    noise: float

    def __post_init__(self) -> None:
        if self.spectrum.shape != self.coefficients.shape or self.spectrum.ndim != 1:
            raise GnomonError(f"{self.spectrum.shape} eigenvalues do not fit {self.coefficients.shape} coefficients")
        if not (self.spectrum > 0).all() or not self.noise >= 0:
            raise GnomonError("an eigenvalue is not positive or the noise is negative")


@dataclass(frozen=True, kw_only=True)
class ExcessRisk:
    r"""Expected excess risk :math:`E\,(x^\top(\hat\theta - \theta))^2`, in units of y².

    Parameters
    ----------
    bias : what a fit without noise would have.
    variance : what the noise adds.
    train_error : mean squared residual of the noisy training labels.
    """

    bias: float
    variance: float
    train_error: float

    @property
    def total(self) -> float:
        """Bias and variance."""
        return self.bias + self.variance


def interpolate(data: LinearData, examples: int, rng: Rng) -> ExcessRisk:
    r"""Draw ``examples`` inputs and labels, interpolate them with the least norm, and state the excess risk.

    With :math:`G = XX^\top`, :math:`M = X\Sigma X^\top` and :math:`P = X^\top G^{-1}X`, the minimum-norm interpolator
    :math:`\hat\theta = X^\top G^{-1}y` has, in expectation over the noise and the test example, given X,

    .. math:: B = \theta^\top(I-P)\,\Sigma\,(I-P)\,\theta, \qquad V = \sigma^2\,\mathrm{tr}(G^{-1}MG^{-1}).

    Raises
    ------
    GnomonError : unless there are fewer examples than dimensions.

    Cost: 2 n² p multiplications; memory n × 2,048 beside two n × n matrices, whatever p. What it tends to as n and p
    grow is `gnomon.theory.ridge_regression.RidgeRegression`.

    Source: Bartlett, Long, Lugosi & Tsigler, PNAS 117 (2020), lemma 7.
    """
    p = len(data.spectrum)
    if not 0 < examples < p:
        raise GnomonError(
            f"{examples} examples in {p} dimensions cannot be interpolated in many ways",
            mend="take fewer examples than dimensions",
        )
    gram, weighted = np.zeros((2, examples, examples))
    signal, weighted_signal = np.zeros((2, examples))
    for start in range(0, p, _BLOCK):
        part = slice(start, start + _BLOCK)
        spectrum, theta = data.spectrum[part], data.coefficients[part]
        x = rng.child("inputs", start).numpy().standard_normal((examples, len(spectrum))) * np.sqrt(spectrum)
        gram += x @ x.T
        signal += x @ theta
        x *= np.sqrt(spectrum)
        weighted += x @ x.T
        weighted_signal += x @ (np.sqrt(spectrum) * theta)
    factor = cho_factor(gram)
    clean = cho_solve(factor, signal)
    power = float(data.spectrum @ data.coefficients**2)
    bias = power - 2 * float(weighted_signal @ clean) + float(clean @ weighted @ clean)
    variance = data.noise * float(np.trace(cho_solve(factor, cho_solve(factor, weighted).T)))
    labels = signal + np.sqrt(data.noise) * rng.child("noise").numpy().standard_normal(examples)
    residual = gram @ cho_solve(factor, labels) - labels
    return ExcessRisk(bias=bias, variance=variance, train_error=float(residual @ residual) / examples)
