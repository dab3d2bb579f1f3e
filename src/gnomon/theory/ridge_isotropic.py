"""Ridge and ridgeless regression on isotropic inputs: the closed form of Marchenko and Pastur, and the term beyond."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity
from gnomon.theory.registry import register
from gnomon.theory.ridge_equivalent import EXCESS_RISK, Risk
from gnomon.theory.theory import Theory

Array = NDArray[np.float64]

_FARTHEST = 0.1


def isotropic_risk(
    samples: ArrayLike, dimensions: ArrayLike, penalty: ArrayLike, *, signal: float = 1.0, noise: float = 0.0
) -> Risk:
    r"""Bias and variance in the limit of large n and p, for all of the broadcast arguments at once.

    With κ the positive root of :math:`n\kappa^2 + (n-p-\lambda)\kappa - \lambda = 0` (the reciprocal of the Stieltjes
    transform of the Marchenko–Pastur law at :math:`-\lambda/n`) and :math:`q = p/(1+\kappa)^2`,

    .. math:: B = \frac{n}{n-q}\,\frac{\kappa^2}{(1+\kappa)^2}\,|\theta|^2, \qquad V = \sigma^2\,\frac{q}{n-q},

    which without a penalty are 0 and :math:`\sigma^2p/(n-p)` for p < n, and :math:`(1-n/p)|\theta|^2` and
    :math:`\sigma^2n/(p-n)` for p > n; infinite at the interpolation peak p = n.

    Parameters
    ----------
    penalty : λ of :math:`\lVert y - Xw\rVert^2 + \lambda\lVert w\rVert^2`.
    signal, noise : :math:`|\theta|^2` and σ².

    Source: Hastie, Montanari, Rosset & Tibshirani, arXiv:1903.08560, theorem 1 and corollary 5.
    """
    n, p, _, kappa = _level(samples, dimensions, penalty)
    q = p / (1 + kappa) ** 2
    with np.errstate(divide="ignore"):
        price = np.where(q < n, n / np.where(q < n, n - q, 1.0), np.inf)
    missed = (kappa / (1 + kappa)) ** 2 * signal
    return Risk(
        bias=np.where(missed > 0, price, 1.0) * missed,
        variance=(price - 1) * noise if noise > 0 else np.zeros_like(price),
    )


def isotropic_correction(
    samples: ArrayLike, dimensions: ArrayLike, penalty: ArrayLike, *, signal: float = 1.0, noise: float = 0.0
) -> Risk:
    r"""The next term of `isotropic_risk`, of relative order 1/n, for Gaussian inputs.

    For the sample covariance S and :math:`\ell = \lambda/n`, bias and variance are, exactly,
    :math:`\ell^2\,|\theta|^2\,E\,\mathrm{tr}(S+\ell)^{-2}/p` and
    :math:`\sigma^2\,E\,\mathrm{tr}\,S(S+\ell)^{-2}/n`. Real Gaussian entries shift :math:`E\,\mathrm{tr}(S+\ell)^{-1}`
    from the law of Marchenko and Pastur by

    .. math:: \mu(\ell) = \frac{p}{n}\,\frac{1}{(1+\kappa)^3\,(1-q/n)^2},

    so that bias and variance are shifted by :math:`-\ell^2\mu'|\theta|^2/p` and :math:`\sigma^2(\mu+\ell\mu')/n`.
    Without a penalty the latter is :math:`V/|n-p|`, as the mean of an inverse Wishart matrix has it.

    Source: Bai & Silverstein, Ann. Probab. 32 (2004) 553, equation 1.6.
    """
    n, p, delta, kappa = _level(samples, dimensions, penalty)
    y, one, level = p / n, 1 + kappa, delta / n
    with np.errstate(divide="ignore", invalid="ignore"):
        opened = 1 - y / one**2
        shift = y / one**3 / opened**2
        slope = (-3 * y / one**4 / opened**2 - 4 * y**2 / one**6 / opened**3) / opened  # dκ/dℓ = 1/opened
        return Risk(bias=-(level**2) * slope * signal / p, variance=noise / n * (shift + level * slope))


def optimal_penalty(dimensions: int, *, signal: float, noise: float) -> float:
    r"""The penalty of least risk, :math:`\lambda^* = p\,\sigma^2/|\theta|^2`, whatever n: under it there is no peak.

    Source: Hastie, Montanari, Rosset & Tibshirani, arXiv:1903.08560, corollary 6; Dobriban & Wager, arXiv:1507.03003.
    """
    return dimensions * noise / signal


def _level(samples: ArrayLike, dimensions: ArrayLike, penalty: ArrayLike) -> Any:
    n, p, delta = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (samples, dimensions, penalty))
    )
    b = n - p - delta
    root = np.sqrt(b**2 + 4 * n * delta)
    # of the two forms of a root, that which does not subtract numbers nearly equal
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = np.where(b > 0, 2 * delta / (b + root), (root - b) / (2 * n))
    return n, p, delta, kappa


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class IsotropicRidge(Theory):
    r"""Excess risk of ridge and ridgeless regression on isotropic Gaussian inputs.

    The limit of large n and p, with κ and q as in `isotropic_risk`, and the next term in 1/n, `isotropic_correction`:

    .. math::
        R = \frac{n}{n-q}\frac{\kappa^2}{(1+\kappa)^2}|\theta|^2 + \sigma^2\frac{q}{n-q} + R_1, \qquad
        n\kappa^2 + (n-p-\lambda)\kappa = \lambda, \quad q = \frac{p}{(1+\kappa)^2}.

    The bound is twice the square of the relative size of :math:`R_1` in bias or variance, times the limit: the term
    after the next.

    Parameters
    ----------
    samples, dimensions : n and p.
    signal, noise : :math:`|\theta|^2`, positive, and σ².
    penalty : λ of :math:`\lVert y - Xw\rVert^2 + \lambda\lVert w\rVert^2`; 0 is ridgeless, of least norm.

    Raises GnomonError on what has no meaning.

    >>> round(IsotropicRidge(samples=200, dimensions=100, signal=1.0, noise=1.0).value(), 6)  # exactly 100/99
    1.01
    """

    samples: int
    dimensions: int
    signal: float
    noise: float
    penalty: float = 0.0

    name: ClassVar[str] = "isotropic_ridge"
    title: ClassVar[str] = "Regression on isotropic inputs"
    domain: ClassVar[str] = (
        "Gaussian inputs of covariance 1, so far from the interpolation peak that the term in 1/n is at most a tenth "
        "of bias and of variance: without a penalty, n and p differ by 10 or more"
    )
    source: ClassVar[str] = (
        "Hastie, Montanari, Rosset & Tibshirani, Ann. Statist. 50 (2022) 949, arXiv:1903.08560; "
        "Bai & Silverstein, Ann. Probab. 32 (2004) 553"
    )
    predicts: ClassVar[Quantity] = EXCESS_RISK

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 1 or self.dimensions < 1:
            raise GnomonError(f"{self.samples} examples in {self.dimensions} dimensions", mend="take 1 or more of each")
        if not (self.signal > 0 and self.noise >= 0 and self.penalty >= 0):
            raise GnomonError(
                f"signal {self.signal}, noise {self.noise}, penalty {self.penalty}",
                mend="take a positive signal, and neither of the others negative",
            )

    def value(self) -> float:
        """Limit and next term; infinite at the interpolation peak."""
        limit, next_term = float(self._limit.total[0]), float(self._next.total[0])
        return limit + next_term if math.isfinite(limit) else math.inf

    def systematic(self) -> float:
        """See the class."""
        return 2 * self._relative**2 * float(self._limit.total[0])

    def outside(self) -> tuple[str, ...]:
        """Too near the interpolation peak, or too small."""
        if self._relative <= _FARTHEST * (1 + 1e-9):
            return ()
        return (
            f"at n = {self.samples} and p = {self.dimensions} the term in 1/n is {self._relative:.2g} of the limit: "
            "too near the interpolation peak, or too small",
        )

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """Below and above the peak, at it with a penalty; without one there, and a few from it."""
        return {
            "inside": (cls._example(50), cls._example(300), cls._example(100, 30.0)),
            "outside": (cls._example(95), cls._example(104), cls._example(100, 1e-3)),
        }

    @classmethod
    def _example(cls, dimensions: int, penalty: float = 0.0) -> Self:
        return cls(samples=100, dimensions=dimensions, signal=1.0, noise=0.5, penalty=penalty)

    @property
    def _limit(self) -> Risk:
        return isotropic_risk(self.samples, self.dimensions, self.penalty, signal=self.signal, noise=self.noise)

    @property
    def _next(self) -> Risk:
        return isotropic_correction(self.samples, self.dimensions, self.penalty, signal=self.signal, noise=self.noise)

    @property
    def _relative(self) -> float:
        limit, further = self._limit, self._next
        if not math.isfinite(limit.total[0]):
            return math.inf
        parts = ((limit.bias[0], further.bias[0]), (limit.variance[0], further.variance[0]))
        return max(1 / self.samples, *(abs(b) / a if a > 0 else 0.0 for a, b in parts))
