"""Ridge and ridgeless regression on inputs of any covariance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.theory.registry import register
from gnomon.theory.ridge_spectra import PopulationSpectrum
from gnomon.theory.ridge_theory import EquivalentRisk

Array = NDArray[np.float64]


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class RidgeRegression(EquivalentRisk):
    r"""Excess risk of regression on inputs of covariance Σ.

    With κ the root of :math:`n - \sum_i \lambda_i/(\lambda_i+\kappa) = \lambda/\kappa` and
    :math:`q = \sum_i \lambda_i^2/(\lambda_i+\kappa)^2`,

    .. math::
        R = \frac{n}{n-q}\sum_i\frac{\kappa^2\,\lambda_i\theta_i^2}{(\lambda_i+\kappa)^2} + \sigma^2\,\frac{q}{n-q}.

    Parameters
    ----------
    eigenvalues : shape ``(p,)``, :math:`\lambda_i` of Σ, positive.
    coefficients : shape ``(p,)``, :math:`\theta_i` in Σ's eigenbasis.

    Raises GnomonError when shapes differ or an eigenvalue is not positive.

    >>> one = RidgeRegression(eigenvalues=np.ones(600), coefficients=np.full(600, 600**-0.5), samples=300, noise=0.5)
    >>> round(one.value(), 9)  # without a penalty (1 − n/p)|θ|² + σ²n/(p − n)
    1.0
    """

    eigenvalues: Array
    coefficients: Array

    name: ClassVar[str] = "ridge_regression"
    title: ClassVar[str] = "Ridge and ridgeless regression"
    domain: ClassVar[str] = (
        "Gaussian inputs, 16 examples or more, and so far from the interpolation peak that the bound, twice what one "
        "example more or less changes, is at most a quarter of the risk"
    )
    source: ClassVar[str] = (
        "Hastie, Montanari, Rosset & Tibshirani, Ann. Statist. 50 (2022) 949, arXiv:1903.08560; Bach, arXiv:2303.01372"
    )

    def spectrum(self) -> PopulationSpectrum:
        """The target's power along a direction is the variance that it has there."""
        if self.coefficients.shape != self.eigenvalues.shape:
            raise GnomonError(f"{self.eigenvalues.shape} eigenvalues do not fit {self.coefficients.shape} coefficients")
        return PopulationSpectrum(self.eigenvalues, self.eigenvalues * self.coefficients**2)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """A decaying spectrum of 120 directions, far from and next to its interpolation peak."""
        return {
            "inside": (cls._example(60, 0.0), cls._example(240, 0.0), cls._example(120, 1.0)),
            "outside": (cls._example(121, 0.0), cls._example(8, 1.0)),
        }

    @classmethod
    def _example(cls, samples: int, penalty: float) -> Self:
        eigenvalues = 1 / (1 + np.arange(120.0))
        return cls(eigenvalues=eigenvalues, coefficients=np.ones(120), samples=samples, penalty=penalty, noise=0.3)
