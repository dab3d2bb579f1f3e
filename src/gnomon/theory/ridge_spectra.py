"""What ridge regression sees of a kernel or covariance: its spectrum, known or read from a pool of examples."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError

Array = NDArray[np.float64]

_RESOLVED = 1e-13


class Reading(NamedTuple):
    r"""Sums over eigendirections at levels κ, each of shape ``(m,)``.

    With eigenvalues :math:`\lambda_i` and the power :math:`v_i^2` of the target along each eigendirection:

    Parameters
    ----------
    kappa : κ, the eigenvalue that is half learned.
    degrees : :math:`\sum_i \lambda_i/(\lambda_i+\kappa)`, degrees of freedom.
    squared : :math:`\sum_i \lambda_i^2/(\lambda_i+\kappa)^2`.
    left : :math:`\sum_i \kappa v_i^2/(\lambda_i+\kappa)`, what is left of the target.
    slope : :math:`\sum_i \kappa\lambda_i v_i^2/(\lambda_i+\kappa)^2`, which is κ d(left)/dκ.
    """

    kappa: Array
    degrees: Array
    squared: Array
    left: Array
    slope: Array


class Spectrum(abc.ABC):
    """Eigenvalues and the power of a target along their directions, as far as ridge regression can tell them."""

    @abc.abstractmethod
    def read(self, log_level: Array) -> Reading:
        """The sums at levels that grow with ``log_level``, shape ``(m,)``."""

    @abc.abstractmethod
    def bracket(self, degrees: Array, penalty: Array) -> tuple[Array, Array]:
        """Log levels between which so many degrees, at least, are brought down to half as many, or to the penalty."""

    @property
    @abc.abstractmethod
    def total(self) -> float:
        """Power of the whole target."""


@dataclass(frozen=True, eq=False)
class PopulationSpectrum(Spectrum):
    r"""A spectrum that is known.

    Parameters
    ----------
    eigenvalues : shape ``(p,)``, positive; of the kernel operator, or of the covariance of the inputs.
    power : shape ``(p,)``, :math:`v_i^2`, not negative; for :math:`y = x^\top\theta` it is :math:`\lambda_i\theta_i^2`,
        for several outputs the sum over them.
    multiplicity : shape ``(p,)``, how many directions share an eigenvalue; powers are then summed over them. ``None``:
        one each.
    tail : sum of further eigenvalues, infinitely many and infinitely small: what the kernel adds on its diagonal only.
    unlearned : power of the target outside all eigendirections, which acts as noise.

    Raises
    ------
    GnomonError : when shapes differ, or on a sign that has no meaning.
    """

    eigenvalues: Array
    power: Array
    tail: float = 0.0
    unlearned: float = 0.0
    multiplicity: Array | None = None

    def __post_init__(self) -> None:
        if self.eigenvalues.shape != self.power.shape or self.eigenvalues.ndim != 1 or not self.eigenvalues.size:
            raise GnomonError(f"{self.eigenvalues.shape} eigenvalues do not fit {self.power.shape} powers")
        if not ((self.eigenvalues > 0).all() and np.isfinite(self.eigenvalues).all()):
            raise GnomonError("an eigenvalue is not positive", mend="leave out directions without variance")
        if not ((self.power >= 0).all() and self.tail >= 0 and self.unlearned >= 0):
            raise GnomonError("a power, the tail or the unlearned power is negative or not a number")
        if self.multiplicity is not None and (
            self.multiplicity.shape != self.power.shape or not (self.multiplicity >= 1).all()
        ):
            raise GnomonError("a multiplicity is below 1 or missing", mend="give one an eigenvalue")

    @property
    def counts(self) -> Array:
        """Directions of each eigenvalue, ``(p,)``."""
        return np.ones_like(self.eigenvalues) if self.multiplicity is None else self.multiplicity

    def read(self, log_level: Array) -> Reading:
        """See `Spectrum.read`; the level is κ. Cost: p operations a level."""
        kappa = np.exp(log_level)
        learned = self.eigenvalues / (self.eigenvalues + kappa[:, None])
        left = 1 - learned
        return Reading(
            kappa,
            learned @ self.counts + self.tail / kappa,
            learned**2 @ self.counts,
            left @ self.power + self.unlearned,
            (left * learned) @ self.power,
        )

    def bracket(self, degrees: Array, penalty: Array) -> tuple[Array, Array]:
        """See `Spectrum.bracket`."""
        p, least = float(self.counts.sum()), float(self.eigenvalues.min())
        # z ≥ p λ_min/(λ_min + κ), z ≥ tail/κ and z ≤ trace/κ; directions fewer than degrees end at κ = 0
        low = np.maximum(least * np.maximum(p / degrees - 1, _RESOLVED), self.tail / degrees)
        high = 2 * (self.eigenvalues @ self.counts + self.tail) / degrees
        return np.log(np.minimum(low, high)) - 1, np.log(high + 4 * penalty / degrees) + 1

    @property
    def total(self) -> float:
        """See `Spectrum.total`."""
        return float(self.power.sum()) + self.unlearned


@dataclass(frozen=True, eq=False)
class SampleSpectrum(Spectrum):
    r"""A spectrum as a pool of M examples shows it, freed of what is special to the pool.

    The eigenvalues of a pool's Gram matrix are not those of the kernel, and along its eigenvectors a target looks
    learnable that is only memorised. The sums that risk depends on are read from it all the same: with
    :math:`R = (K+\delta)^{-1}` and :math:`\kappa(\delta) = 1/\mathrm{tr} R`,

    .. math::
        \sum_i \frac{\lambda_i}{\lambda_i+\kappa} \simeq \mathrm{tr}\,KR, \qquad
        \sum_i \frac{\kappa v_i^2}{\lambda_i+\kappa} + \sigma^2 \simeq \kappa\, y^\top R\, y,

    up to relative errors of order 1/M: the deterministic equivalents of the pool's own regression, turned round. The
    other two sums are derivatives in κ. No level below :math:`\kappa(0)` can be read.

    Parameters
    ----------
    eigenvalues : shape ``(M,)``, of :math:`K_{ab} = k(x_a, x_b)`, not divided by M; not negative.
    power : shape ``(M,)``, squares of the pool's targets along the eigenvectors, summed over outputs.
    noise : σ² of the pool's targets.

    Raises
    ------
    GnomonError : when shapes differ, or on a sign that has no meaning.

    Source: Bach, arXiv:2303.01372, proposition 1; Wei, Hu & Steinhardt, arXiv:2203.06176; Jacot et al.,
    arXiv:2006.09796.
    """

    eigenvalues: Array
    power: Array
    noise: float = 0.0

    def __post_init__(self) -> None:
        if self.eigenvalues.shape != self.power.shape or self.eigenvalues.ndim != 1:
            raise GnomonError(f"{self.eigenvalues.shape} eigenvalues do not fit {self.power.shape} powers")
        if not ((self.eigenvalues >= 0).all() and (self.power >= 0).all() and self.noise >= 0):
            raise GnomonError("an eigenvalue, a power or the noise is negative or not a number")
        if not self.eigenvalues.max(initial=0.0) > 0:
            raise GnomonError("all eigenvalues of the pool are zero")

    @classmethod
    def of(cls, gram: Array, targets: Array, *, noise: float = 0.0) -> SampleSpectrum:
        """From the Gram matrix of a pool, ``(M, M)``, and its targets, ``(M,)`` or ``(M, outputs)``.

        Cost: one eigendecomposition.
        """
        eigenvalues, vectors = np.linalg.eigh(gram)
        along = vectors.T @ targets.reshape(len(targets), -1)
        return cls(np.maximum(eigenvalues, 0.0), (along**2).sum(axis=1), noise)

    def read(self, log_level: Array) -> Reading:
        """See `Spectrum.read`; the level is δ. Cost: M operations a level."""
        resolvent = 1 / (self.eigenvalues + np.exp(log_level)[:, None])
        kappa = 1 / resolvent.sum(axis=1)
        kappa_slope = kappa**2 * (resolvent**2).sum(axis=1)  # dκ/dδ
        degrees = resolvent @ self.eigenvalues
        squared = degrees - kappa / kappa_slope * (resolvent**2 @ self.eigenvalues)
        left = kappa * (resolvent @ self.power)
        slope = left - kappa**2 / kappa_slope * (resolvent**2 @ self.power)
        return Reading(kappa, degrees, squared, left - self.noise, slope)

    def bracket(self, degrees: Array, penalty: Array) -> tuple[Array, Array]:
        """See `Spectrum.bracket`."""
        low = np.full_like(degrees, np.log(_RESOLVED * self.eigenvalues.max()))
        # κ ≥ δ/M, and M κ times the degrees is at most the trace of the Gram matrix
        return low, np.log(2 * self.eigenvalues.sum() / degrees + 4 * penalty * len(self.eigenvalues) / degrees) + 1

    @cached_property
    def total(self) -> float:
        """See `Spectrum.total`."""
        return max(float(self.power.sum()) / len(self.power) - self.noise, 0.0)
