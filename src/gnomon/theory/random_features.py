"""Ridge regression on random features: a network with one hidden layer of which only the last is learned."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.theory.registry import register
from gnomon.theory.ridge_spectra import PopulationSpectrum, SampleSpectrum
from gnomon.theory.ridge_theory import EquivalentRisk

Array = NDArray[np.float64]

SOURCE = (
    "Simon, Karkada, Ghosh & Belkin, arXiv:2311.14646; Mei & Montanari, arXiv:1908.05355; Loureiro et al., "
    "arXiv:2102.08127; Atanasov, Zavatone-Veth & Pehlevan, arXiv:2405.00592"
)

_POOL = 2
_NOT_GAUSSIAN = 0.15


@dataclass(frozen=True, kw_only=True, eq=False)
class _FeaturesRisk(EquivalentRisk, abc.ABC):
    features: int
    attenuation: float = 1.0

    source: ClassVar[str] = SOURCE

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.features < 2 or not 0 <= self.attenuation <= 1:
            raise GnomonError(
                f"{self.features} features with labels {self.attenuation} times the target",
                mend="take 2 features or more, and an attenuation from 0 to 1",
            )

    @property
    def width(self) -> float:
        """N."""
        return float(self.features)

    @property
    def label_attenuation(self) -> float:
        """What multiple of the target the labels' mean is."""
        return self.attenuation


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class RandomFeatures(_FeaturesRisk):
    r"""Excess risk of regression on N random features whose kernel has a known spectrum.

    For features :math:`\varphi_j(x) = N^{-1/2}\varphi(x, w_j)` with :math:`k(x, x') = E_w\,\varphi(x, w)\varphi(x', w)
    = \sum_i \lambda_i e_i(x) e_i(x')` and a target :math:`f = \sum_i v_i e_i`: κ and γ solve

    .. math:: n = z + \frac{\lambda}{\kappa}, \qquad N = z + N\frac{\kappa}{\gamma}, \qquad
        z = \sum_i \frac{\lambda_i}{\lambda_i+\gamma}, \qquad q = \sum_i\frac{\lambda_i^2}{(\lambda_i+\gamma)^2},

    .. math::
        R + \sigma^2 = \frac{\sum_i\Bigl(\frac{\gamma}{\lambda_i+\gamma} - \frac{\kappa\lambda_i}{(\lambda_i+\gamma)^2}
        \frac{N}{N-q}\Bigr)v_i^2 + \sigma^2}{1 - \frac{q(N-2z)+z^2}{n(N-q)}}.

    Without a penalty it is infinite at :math:`N = n`. The features count by their first two moments only, as if they
    were Gaussian given the inputs' eigenfunctions (Gaussian equivalence).

    Parameters
    ----------
    eigenvalues : shape ``(p,)``, :math:`\lambda_i`, positive.
    power : shape ``(p,)``, :math:`v_i^2`.
    features : N.
    tail, unlearned : as in `gnomon.theory.ridge_spectra.PopulationSpectrum`.
    attenuation : labels are this multiple of the target, plus noise; see `gnomon.theory.ridge_equivalent.risk`.

    Raises GnomonError on what has no meaning.

    >>> wide = RandomFeatures(eigenvalues=np.ones(600), power=np.full(600, 1 / 600), samples=300, features=10**7)
    >>> round(wide.value(), 4)  # as many features as one likes: 1 − n/p
    0.5
    """

    eigenvalues: Array
    power: Array
    tail: float = 0.0
    unlearned: float = 0.0

    name: ClassVar[str] = "random_features"
    title: ClassVar[str] = "Random-features regression"
    domain: ClassVar[str] = (
        "Gaussian features (others as far as Gaussian equivalence goes), 16 examples and features or more, and so far "
        "from the peak at as many features as examples that the bound, twice what one example or feature more or less "
        "changes, is at most a quarter of the risk"
    )

    def spectrum(self) -> PopulationSpectrum:
        """That which is given."""
        return PopulationSpectrum(self.eigenvalues, self.power, self.tail, self.unlearned)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """A power law, far from and next to the peak."""
        return {
            "inside": (cls._example(60, 200), cls._example(200, 60), cls._example(100, 100, 0.5)),
            "outside": (cls._example(100, 101), cls._example(100, 5)),
        }

    @classmethod
    def _example(cls, samples: int, features: int, penalty: float = 0.0) -> Self:
        place = 1 + np.arange(400.0)
        return cls(
            eigenvalues=place**-1.5,
            power=place**-2,
            tail=0.05,
            samples=samples,
            features=features,
            penalty=penalty,
            noise=0.1,
            attenuation=0.9,
        )


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class PooledRandomFeatures(_FeaturesRisk):
    r"""Excess risk of regression on N random features, from a pool of other examples and no training.

    The formula of `RandomFeatures`, with examples that are not alike: of scales τ, mean 1,

    .. math::
        R = \frac{B + U\,T_1\,\sigma^2}{1 - U\,T_2}, \qquad
        B = \ell - \frac{N-z}{N-q}\,\gamma\,\ell'(\gamma), \quad U = \frac{q(N-2z)+z^2}{N-q}, \quad
        T_k = n\,E\,\frac{\tau^k}{(\lambda/\kappa+\tau z)^2},

    where z, q, :math:`\ell(\gamma) = \sum_i\gamma v_i^2/(\lambda_i+\gamma)` and τ are read from the Gram matrix of the
    features' kernel on M examples by `gnomon.theory.ridge_spectra.SampleSpectrum`, which does not take what the pool
    memorises for what it learns.

    Parameters
    ----------
    pool : the table of `gnomon.theory.ridge_spectra.SampleSpectrum.of` the pool.
    pool_size : M.
    features : N.
    attenuation : labels are this multiple of the target, plus noise; see `gnomon.theory.ridge_equivalent.risk`.

    Raises GnomonError on what has no meaning, or where the pool is not larger than n or N.

    >>> one = PooledRandomFeatures.examples()["inside"][0]
    >>> 0 < one.value() < 1
    True
    """

    pool: Array
    pool_size: int

    name: ClassVar[str] = "pooled_random_features"
    title: ClassVar[str] = "Random-features regression, from a pool"
    domain: ClassVar[str] = (
        "that of random_features; a pool of twice as many examples as the lesser of n and N, disjoint from the test "
        "examples. The bound adds 15 % of the risk for features that are not Gaussian, as measured on digits"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pool_size <= min(self.samples, self.features):
            raise GnomonError(
                f"a pool of {self.pool_size} does not tell about {self.samples} examples with {self.features} features",
                mend="take a pool that is larger than the lesser of both",
            )

    def spectrum(self) -> SampleSpectrum:
        """As the pool shows it."""
        return SampleSpectrum(self.pool, self.pool_size)

    def systematic(self) -> float:
        """That of `EquivalentRisk`, and 15 % of the risk."""
        return super().systematic() + _NOT_GAUSSIAN * self.value()

    def outside(self) -> tuple[str, ...]:
        """Also where the pool is small."""
        fewest = min(self.samples, self.features)
        reasons = super().outside()
        if self.pool_size < _POOL * fewest:
            reasons += (f"a pool of {self.pool_size} is less than {_POOL} times {fewest}",)
        return reasons

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """A pool of 160 examples; far from the peak, next to it, and with too many examples for the pool."""
        return {
            "inside": (cls._example(40, 70), cls._example(70, 40)),
            "outside": (cls._example(100, 140), cls._example(40, 41)),
        }

    @classmethod
    def _example(cls, samples: int, features: int) -> Self:
        place = np.arange(160.0)
        gram = (1 + np.cos(place[:, None] - place)) + 0.3 * np.exp(-((place[:, None] - place) ** 2))
        known = SampleSpectrum.of(gram, np.sin(place) + 0.2 * np.cos(3 * place))
        return cls(
            pool=known.table,
            pool_size=known.size,
            samples=samples,
            features=features,
            noise=0.1,
        )
