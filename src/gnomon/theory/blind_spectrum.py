r"""Learning curves of kernel ridge regression without a known spectrum, from a pool of examples.

**The trap.** The eigenvalues of a pool's Gram matrix K and the target's power along its eigenvectors are those of a
world that has the P points of the pool and no others. Prediction there is memory in part, and theory takes it for
generalisation: a relative error of about 2 D/P, for D degrees of freedom.

**The way out.** n examples drawn from the pool with a ridge δ see the same level κ as the whole pool with a larger
ridge,

.. math::
    \delta^* = \delta + (P - n)\,\kappa, \qquad \kappa = \frac{1}{\mathrm{tr} R}, \qquad R = (K + \delta^* I)^{-1},

since both have :math:`\sum_i \lambda_i/(\lambda_i + \kappa) = n - \delta/\kappa = P - \delta^*/\kappa`. What the pool
leaves unpredicted there is known without memory, each point being left out in turn, and only the price of overfitting
differs:

.. math::
    E_\mathrm{test} = \frac{n}{n - q} \Bigl(1 - \frac qP\Bigr)
    \frac1P \sum_a \Bigl(\frac{(Ry)_a}{R_{aa}}\Bigr)^2, \qquad
    q = \sum_i \frac{\lambda_i^2}{(\lambda_i + \kappa)^2} = P - \frac{1}{\kappa^2\,\mathrm{tr} R^2}.

Source: the pool's spectrum: Canatar, Bordelon & Pehlevan, arXiv:2006.13198; cross-validation as an estimate of the
risk, and :math:`\kappa = 1/\mathrm{tr} R`: Jacot et al., arXiv:2006.09796; Wei, Hu & Steinhardt, arXiv:2203.06176;
fewer examples as a greater ridge: Patil & Du, arXiv:2305.18496; leaving out in closed form: Allen, Technometrics 16
(1974) 125.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import brentq

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity
from gnomon.randomness import Rng
from gnomon.theory.registry import register
from gnomon.theory.ridge_equivalent import EXCESS_RISK, solve
from gnomon.theory.ridge_spectra import PopulationSpectrum
from gnomon.theory.ridge_theory import EquivalentRisk
from gnomon.theory.theory import Theory

Array = NDArray[np.float64]

_ROUNDING = 1e-13
_SAME = 1e-9
_FEWEST, _FARTHEST = 16, 4
_SEEN = 0.05


def distinct(gram: Array) -> int:
    r"""How many of the pool's points differ: :math:`k(x,x) + k(z,z) - 2k(x,z)` vanishes for those that do not.

    Cost: P² operations.
    """
    own = np.diag(gram)
    same = own[:, None] + own - 2 * gram <= _SAME * own.max()
    return len(gram) - int(np.triu(same, 1).any(axis=0).sum())


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A pool of P examples, diagonalised.

    Parameters
    ----------
    eigenvalues : of the Gram matrix, ``(P,)``, increasing, not divided by P; rounding below zero is cut off.
    vectors : its eigenvectors, ``(P, P)``, in columns.
    along : targets along these, ``(P, outputs)``.
    distinct : how many points differ.
    """

    eigenvalues: Array
    vectors: Array
    along: Array
    distinct: int

    @classmethod
    def of(cls, gram: Array, targets: Array) -> Pool:
        """From the Gram matrix, ``(P, P)``, and the targets, ``(P, outputs)``.

        Raises GnomonError when they do not fit, or the matrix is not positive. Cost: about 10 P³ operations.
        """
        if targets.ndim != 2 or gram.shape != (len(targets), len(targets)) or len(gram) < 2:
            raise GnomonError(
                f"a Gram matrix {gram.shape} and targets {targets.shape} are no pool", mend="give (P, P), (P, outputs)"
            )
        values, vectors = eigh(gram)
        if not values[-1] > 0 or values[0] < -1e-8 * values[-1]:
            raise GnomonError("the Gram matrix is not positive", mend="take a kernel that is")
        return cls(
            eigenvalues=np.maximum(values, _ROUNDING * values[-1]),
            vectors=vectors,
            along=vectors.T @ targets,
            distinct=distinct(gram),
        )

    def spectrum(self) -> PopulationSpectrum:
        """What the pool's own world has, for theories that know no better: the trap."""
        size = len(self.eigenvalues)
        return PopulationSpectrum(self.eigenvalues / size, (self.along**2).sum(axis=1) / size)

    def equivalent_ridge(self, samples: int, penalty: float) -> float:
        r""":math:`\delta^*`, with which the whole pool sees the level κ of n examples with the ridge δ.

        For n above P there is one where δ is large enough, :math:`\delta > (n - P)/\mathrm{tr} K^{-1}`; else it is
        given as zero, up to rounding.
        """
        excess = len(self.eigenvalues) - samples

        def short(log_ridge: float) -> float:
            ridge = math.exp(log_ridge)
            return ridge - penalty - excess / float((1 / (self.eigenvalues + ridge)).sum())

        least, most = math.log(_ROUNDING * self.eigenvalues[-1]), math.log(self.eigenvalues.sum() + 1)
        most = max(most, math.log(len(self.eigenvalues) * (penalty + 1))) + math.log(len(self.eigenvalues))
        if short(least) >= 0:
            return math.exp(least)
        return math.exp(brentq(short, least, most, xtol=1e-12))


@dataclass(frozen=True, kw_only=True)
class BlindError:
    """The test error foretold from a pool, noise included, summed over outputs.

    Parameters
    ----------
    left_out : by leaving out each point in turn; what the theory states.
    by_traces : by generalised cross-validation, :math:`R_{aa}` replaced by their mean; the same if points are alike.
    error : standard error of the former over the pool's points.
    """

    left_out: float
    by_traces: float
    error: float


def blind_error(pool: Pool, samples: int, penalty: float) -> BlindError:
    """Test error of kernel ridge regression on n examples like those of the pool; see the module.

    Raises GnomonError on fewer than one example or a negative ridge. Cost: 60 P + P² (1 + outputs) operations.

    >>> x = np.linspace(0, 1, 60)[:, None]
    >>> found = blind_error(Pool.of(np.exp(-abs(x - x.T)), np.sin(6 * x)), samples=30, penalty=1e-3)
    >>> 0 < found.left_out < 0.02
    True
    """
    if samples < 1 or not penalty >= 0:
        raise GnomonError(
            f"{samples} examples with the ridge {penalty}", mend="take one or more, and no negative ridge"
        )
    size, ridge = len(pool.eigenvalues), pool.equivalent_ridge(samples, penalty)
    resolvent = 1 / (pool.eigenvalues + ridge)
    kappa = 1 / resolvent.sum()
    squared = size - 1 / (kappa**2 * (resolvent**2).sum())
    price = samples / max(samples - squared, _ROUNDING) * (1 - squared / size)
    own = pool.vectors**2 @ resolvent
    residuals = (((pool.vectors * resolvent) @ pool.along) ** 2).sum(axis=1)
    left_out = price * residuals / own**2
    return BlindError(
        left_out=float(left_out.mean()),
        by_traces=float(price * residuals.mean() / own.mean() ** 2),
        error=float(left_out.std(ddof=1)) / math.sqrt(size),
    )


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class BlindKernelRidge(Theory):
    r"""Excess risk of kernel ridge regression on n examples, from a pool that is disjoint from training and test.

    .. math::
        R = \frac{n}{n - q} \Bigl(1 - \frac qP\Bigr) \frac1P \sum_a \Bigl(\frac{(Ry)_a}{R_{aa}}\Bigr)^2 - \sigma^2,

    see the module. For n = P it is leaving one out; elsewhere the level is that of n examples. The bound is twice the
    standard error over the pool's points, twice what one example less changes (as in `EquivalentRisk`), and half the
    distance from what traces alone say, which is zero where all points are alike: a scale that was seen to hold, not a
    theorem.

    Parameters
    ----------
    gram : kernel between the pool's points, ``(P, P)``; targets : ``(P, outputs)``.
    samples, penalty : n and δ, of the regression that is foretold.
    noise : :math:`\sigma^2` of the labels, the pool's and those of training, summed over outputs.

    Raises GnomonError on what has no meaning.

    >>> found = BlindKernelRidge.examples()["inside"][0].predict()
    >>> 0 < found.uncertainty.systematic < found.value
    True
    """

    name: ClassVar[str] = "blind_kernel_ridge"
    title: ClassVar[str] = "Kernel ridge regression from a pool"
    domain: ClassVar[str] = (
        "independent examples, 16 or more; a pool of n or more, or of n/4 or more where the ridge is so large that the "
        "equivalent one is at least a twentieth of it; at most 2 % of the pool repeated; a bound, from the pool's own "
        "points, of at most half of the test error"
    )
    source: ClassVar[str] = "Jacot et al., arXiv:2006.09796; Patil & Du, arXiv:2305.18496"
    predicts: ClassVar[Quantity] = EXCESS_RISK

    gram: Array
    targets: Array
    samples: int
    penalty: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.noise >= 0:
            raise GnomonError(f"the noise {self.noise} is negative")
        self._error  # noqa: B018 - refuses what has no meaning

    @functools.cached_property
    def _pool(self) -> Pool:
        return Pool.of(self.gram, self.targets)

    @functools.cached_property
    def _error(self) -> BlindError:
        return blind_error(self._pool, self.samples, self.penalty)

    def value(self) -> float:
        """See the class."""
        return max(self._error.left_out - self.noise, 0.0)

    def systematic(self) -> float:
        """See the class."""
        fewer = blind_error(self._pool, max(self.samples - 1, 1), self.penalty)
        step = abs(fewer.left_out - self._error.left_out)
        return 2 * self._error.error + 2 * step + abs(self._error.left_out - self._error.by_traces) / 2

    def outside(self) -> tuple[str, ...]:
        """A level that the pool does not see; too many points that repeat, or are too unlike each other."""
        size, reasons = len(self.targets), []
        if self.samples > size and self._pool.equivalent_ridge(self.samples, self.penalty) < _SEEN * self.penalty:
            reasons.append(f"a pool of {size} does not see the level of {self.samples} examples at this ridge")
        if self.samples > _FARTHEST * size:
            reasons.append(f"{self.samples} examples are more than {_FARTHEST} times a pool of {size}")
        if self.samples < _FEWEST:
            reasons.append(f"{self.samples} examples are few")
        if self._pool.distinct < 0.98 * size:
            reasons.append(
                f"{size - self._pool.distinct} of {size} points of the pool repeat others, so what is memorised would "
                "pass for generalisation"
            )
        if self.noise > self._error.left_out + self.systematic():
            reasons.append(f"the noise {self.noise:g} is more than all of the pool's error, {self._error.left_out:g}")
        if self.systematic() > 0.5 * self._error.left_out:
            reasons.append("the pool's points are too few or too unlike each other to tell the error within a half")
        return tuple(reasons)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """Eighty points on a sphere; more examples than that; and points of which a half repeat the others."""
        gram, targets = _pool_on_sphere()
        twice = np.arange(80) % 40
        return {
            "inside": [cls(gram=gram, targets=targets, samples=n, penalty=0.1) for n in (30, 80)],
            "outside": [
                cls(gram=gram, targets=targets, samples=200, penalty=0.1),
                cls(gram=gram[np.ix_(twice, twice)], targets=targets[twice], samples=30, penalty=0.1),
            ],
        }


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class PoolSpectrum(EquivalentRisk):
    r"""Excess risk by the eigenlearning equations with the spectrum of a pool, its points taken for the whole world.

    .. math:: \lambda_i = \frac{\mu_i}{P}, \qquad v_i^2 = \frac{\lvert u_i \cdot y \rvert^2}{P}, \qquad
        D = \sum_i \frac{\lambda_i}{\lambda_i + \kappa}

    for the eigenpairs :math:`\mu_i, u_i` of the Gram matrix. It says what each mode learns, which `BlindKernelRidge`
    cannot, and is too low by about 2 D/P, which it states as its bound. It refuses where the degrees of freedom D are
    more than an eighth of the points that differ.

    Parameters
    ----------
    gram : kernel between the pool's points, ``(P, P)``; targets : ``(P, outputs)``, without noise.
    samples, penalty, noise : n, δ and :math:`\sigma^2`, of the regression that is foretold.

    Raises GnomonError on what has no meaning.

    >>> [one.samples for one in PoolSpectrum.examples()["outside"]]
    [60]
    """

    name: ClassVar[str] = "pool_spectrum"
    title: ClassVar[str] = "Kernel ridge regression with a pool's spectrum"
    domain: ClassVar[str] = (
        "that of kernel_ridge, and degrees of freedom of at most an eighth of the distinct points of the pool"
    )
    source: ClassVar[str] = "Canatar, Bordelon & Pehlevan, arXiv:2006.13198; Simon et al., arXiv:2110.03922"

    gram: Array
    targets: Array

    @functools.cached_property
    def _pool(self) -> Pool:
        return Pool.of(self.gram, self.targets)

    def spectrum(self) -> PopulationSpectrum:
        """Of the pool's own world."""
        return self._pool.spectrum()

    def systematic(self) -> float:
        """That of `EquivalentRisk`, and 2 D/P of the risk."""
        return super().systematic() + 2 * self._memorised * self.value()

    def outside(self) -> tuple[str, ...]:
        """Also where the pool would have learned by memory."""
        reasons = super().outside()
        if self._memorised > 0.125:
            reasons += (
                f"{self.samples} examples have degrees of freedom for {self._memorised:.0%} of the "
                f"{self._pool.distinct} points that differ in the pool, and what is memorised of these passes for "
                "generalisation",
            )
        return reasons

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """Eighty points on a sphere: few degrees of freedom for a stiff regression, many for a soft one."""
        gram, targets = _pool_on_sphere()
        return {
            "inside": [cls(gram=gram, targets=targets, samples=20, penalty=5.0)],
            "outside": [cls(gram=gram, targets=targets, samples=60, penalty=0.01)],
        }

    @functools.cached_property
    def _memorised(self) -> float:
        """Degrees of freedom for each distinct point."""
        return float(solve(self.spectrum(), self.samples, self.penalty).degrees[0]) / self._pool.distinct


def _pool_on_sphere() -> tuple[Array, Array]:
    """A Gram matrix and targets, for examples."""
    x = Rng(0).child("blind_spectrum").numpy().standard_normal((80, 5))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.exp(x @ x.T - 1), x[:, :1] + x[:, 1:2] * x[:, 2:3]
