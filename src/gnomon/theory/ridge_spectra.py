"""What ridge regression sees of a kernel or covariance: its spectrum, known or read from a pool of examples."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from gnomon.errors import GnomonError

Array = NDArray[np.float64]

_RESOLVED = 1e-13
_FAINTEST, _FAINT, _LEVELS = 1e-10, 1e-4, 128
_SHARES = (np.arange(32) + 0.5) / 32
_LEAST_SCALE = 1e-6
_ROWS = 1 + 5 + len(_SHARES)


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
    scales : shape ``(m, k)`` or ``(1, 1)``, quantiles τ of mean 1: how many times the mean is what is left of the
        kernel's variance at an example. All 1 for Gaussian features; Gaussian features times √τ have τ.
    """

    kappa: Array
    degrees: Array
    squared: Array
    left: Array
    slope: Array
    scales: Array = np.ones((1, 1))


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
    support : how many points there are to draw inputs from, equally likely; ``None`` for a continuum.

    Raises
    ------
    GnomonError : when shapes differ, or on a sign that has no meaning.
    """

    eigenvalues: Array
    power: Array
    tail: float = 0.0
    unlearned: float = 0.0
    multiplicity: Array | None = None
    support: int | None = None

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
    learnable that is only memorised. The sums that risk depends on can be read from it all the same, with every example
    predicted from the others. With :math:`R = (K+\delta)^{-1}`, the residual of example a left out is
    :math:`(Ry)_a/R_{aa}`, and of the kernel's variance at it :math:`1/R_{aa} - \delta` is left. At the level

    .. math::
        \kappa(\delta) = \frac{\frac1M\sum_a(1/R_{aa} - \delta)}{M - \delta\,\mathrm{tr}R}

    are :math:`\sum_i\frac{\lambda_i}{\lambda_i+\kappa} = M - \delta\,\mathrm{tr}R`, which sum its denominator is, and
    :math:`\sum_i\frac{\kappa v_i^2}{\lambda_i+\kappa} + \sigma^2 = \frac1M\sum_a y_a(Ry)_a/R_{aa}`. Two more sums are
    derivatives in κ; the scales are the :math:`1/R_{aa} - \delta` over their mean. Where all :math:`R_{aa}` are alike,
    these are the traces of the deterministic equivalents. Where they are not, as for digits, traces depend on the size
    of the pool, and these do so little.

    Parameters
    ----------
    table : shape ``(38, L)``: log δ, which increases, then log κ, the four sums of `Reading`, and 32 scales, ascending;
        between them, splines.
    size : M.

    Raises
    ------
    GnomonError : when the table has another shape.

    Source: Jacot et al., arXiv:2006.09796, and Wei, Hu & Steinhardt, arXiv:2203.06176, have the traces; Allen,
    Technometrics 16 (1974) 125, residuals left out one by one. How scales enter is derived here, as for elliptical
    features (El Karoui, Probab. Theory Relat. Fields 170 (2018) 95).
    """

    table: Array
    size: int

    def __post_init__(self) -> None:
        fits = self.table.ndim == 2 and len(self.table) == _ROWS and self.table.shape[1] >= 4
        if not fits or not (np.diff(self.table[0]) > 0).all():
            raise GnomonError(f"{self.table.shape} is no table of readings", mend="make it by SampleSpectrum.of")

    @classmethod
    def of(cls, gram: Array, targets: Array, *, noise: float = 0.0) -> SampleSpectrum:
        """From the Gram matrix of a pool, ``(M, M)``, and its targets, ``(M,)`` or ``(M, outputs)``, of noise σ².

        Raises GnomonError when shapes differ, the matrix is zero or the noise is negative.

        Cost: one eigendecomposition, and 128 products of an M × M matrix with twice the outputs.
        """
        size = len(targets)
        if gram.shape != (size, size) or not noise >= 0:
            raise GnomonError(f"a Gram matrix {gram.shape} does not fit {size} targets, or noise is negative")
        eigenvalues, vectors = np.linalg.eigh(gram)
        if not eigenvalues[-1] > 0:
            raise GnomonError("no eigenvalue of the pool is positive")
        eigenvalues, squares = np.maximum(eigenvalues, 0.0), vectors**2
        y = targets.reshape(size, -1)
        along = vectors.T @ y
        levels = np.linspace(np.log(_FAINTEST * eigenvalues[-1]), np.log(eigenvalues.sum() / _FAINT), _LEVELS)
        rows = []
        for delta in np.exp(levels):
            once = 1 / (eigenvalues + delta)
            twice = once**2
            own, own_twice = squares @ once, squares @ twice  # diagonals of R and R²
            fitted, fitted_twice = np.hsplit(vectors @ np.hstack([once[:, None] * along, twice[:, None] * along]), 2)
            degrees, degrees_slope = size - delta * once.sum(), delta * twice.sum() - once.sum()  # slopes are in δ
            open_variance, open_slope = 1 / own - delta, (own_twice / own**2).mean() - 1
            kappa = open_variance.mean() / degrees
            kappa_slope = (open_slope - kappa * degrees_slope) / degrees
            projected, projected_twice = (y * fitted).sum(axis=1), (y * fitted_twice).sum(axis=1)
            left_slope = (projected * own_twice / own**2 - projected_twice / own).mean()
            scales = np.maximum(np.quantile(open_variance, _SHARES) / open_variance.mean(), _LEAST_SCALE)
            rows.append(
                [
                    np.log(kappa),
                    degrees,
                    degrees + kappa * degrees_slope / kappa_slope,
                    (projected / own).mean() - noise,
                    kappa * left_slope / kappa_slope,
                    *(scales / scales.mean()),
                ]
            )
        return cls(np.vstack([levels, np.transpose(rows)]), size)

    def read(self, log_level: Array) -> Reading:
        """See `Spectrum.read`; the level is δ."""
        found = self._between(log_level)
        log_kappa, degrees, squared, left, slope = found.T[:5]
        return Reading(np.exp(log_kappa), degrees, squared, left, slope, found[:, 5:])

    def bracket(self, degrees: Array, penalty: Array) -> tuple[Array, Array]:
        """See `Spectrum.bracket`: the ends of the table, beyond which nothing is learned, or more than can be read."""
        del penalty
        return np.full_like(degrees, self.table[0, 0]), np.full_like(degrees, self.table[0, -1])

    @property
    def total(self) -> float:
        """See `Spectrum.total`."""
        return float(self.table[4, -1])

    @cached_property
    def _between(self) -> CubicSpline:
        return CubicSpline(self.table[0], self.table[1:].T)
