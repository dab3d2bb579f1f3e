r"""One strong direction among isotropic ones: what the sample covariance shows of it (Baik, Ben Arous & Péché).

Inputs in p dimensions have variance ℓ along one direction and 1 along the others; the sample covariance of n of them
has aspect :math:`\gamma = p/n`. All is in units of the variance of the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity
from gnomon.theory.marchenko_pastur import edge_scale
from gnomon.theory.registry import register
from gnomon.theory.theory import Theory

SOURCE = (
    "Baik, Ben Arous & Péché, Ann. Probab. 33 (2005) 1643; Paul, Statist. Sinica 17 (2007) 1617; "
    "Baik & Silverstein, J. Multivariate Anal. 97 (2006) 1382"
)

OUTLIER_EIGENVALUE = Quantity(
    name="outlier_eigenvalue",
    symbol=r"\hat\lambda_1",
    definition=r"\hat\lambda_1 = \lambda_{\max}(X^\top X/n)",
    convention="in units of the variance of the inputs off the spike",
    source="Baik, Ben Arous & Péché, Ann. Probab. 33 (2005) 1643",
    lowest=0.0,
)
SPIKE_OVERLAP = Quantity(
    name="spike_overlap",
    symbol=r"\cos^2\theta",
    definition=r"(v^\top\hat v)^2,\ \lVert v\rVert = \lVert\hat v\rVert = 1",
    convention="of the first eigenvector or singular vector with the direction of the spike",
    source="Paul, Statist. Sinica 17 (2007) 1617",
    lowest=0.0,
    highest=1.0,
)


def covariance_threshold(aspect: float) -> float:
    r"""The variance :math:`1+\sqrt\gamma` below which a direction leaves no trace."""
    return 1 + math.sqrt(aspect)


def covariance_outlier(strength: float, aspect: float) -> float:
    r"""The largest eigenvalue in the limit: :math:`\ell\,(1+\gamma/(\ell-1))` beyond the threshold, else the edge.

    >>> covariance_outlier(3.0, 0.5), round(covariance_outlier(1.5, 0.5), 4)
    (3.75, 2.9142)
    """
    if strength <= covariance_threshold(aspect):
        return (1 + math.sqrt(aspect)) ** 2
    return strength * (1 + aspect / (strength - 1))


def covariance_overlap(strength: float, aspect: float) -> float:
    r"""Squared cosine in the limit: :math:`(1-\gamma/(\ell-1)^2)/(1+\gamma/(\ell-1))` beyond the threshold, else 0."""
    if strength <= covariance_threshold(aspect):
        return 0.0
    return _open(strength, aspect) / (1 + aspect / (strength - 1))


def covariance_deviation(strength: float, aspect: float, samples: int) -> float:
    r"""Standard deviation of the outlier, :math:`\ell\sqrt{2(1-\gamma/(\ell-1)^2)/n}`, for normal inputs.

    Raises GnomonError at or below the threshold, where the largest eigenvalue follows the law of Tracy and Widom.

    Source: Paul, Statist. Sinica 17 (2007) 1617, theorem 3.
    """
    if strength <= covariance_threshold(aspect):
        raise GnomonError(
            f"a strength of {strength} is not beyond the threshold", mend="below it the edge fluctuates, by edge_scale"
        )
    return strength * math.sqrt(2 * _open(strength, aspect) / samples)


def _open(strength: float, aspect: float) -> float:
    return 1 - aspect / (strength - 1) ** 2


@dataclass(frozen=True, kw_only=True, eq=False)
class _SpikedCovariance(Theory):
    strength: float
    samples: int
    dimensions: int

    domain: ClassVar[str] = (
        "normal inputs, 16 or more in 16 dimensions or more, one spike outside the critical window around the "
        "threshold: beyond it, farther from the edge than the bound; below it, by a factor 1 − min(n, p)^(−1/3)"
    )
    source: ClassVar[str] = SOURCE

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.strength >= 1 or min(self.samples, self.dimensions) < 1:
            raise GnomonError(
                f"a variance of {self.strength} in {self.dimensions} dimensions, {self.samples} examples",
                mend="take a variance of 1 or more, and 1 or more of each",
            )

    @property
    def aspect(self) -> float:
        """γ."""
        return self.dimensions / self.samples

    @property
    def relative_strength(self) -> float:
        r"""How many times the threshold's :math:`\sqrt\gamma` the variance is above 1."""
        return (self.strength - 1) / math.sqrt(self.aspect)

    def outside(self) -> tuple[str, ...]:
        """Too small, or too near the threshold."""
        fewest = min(self.samples, self.dimensions)
        reasons = []
        if fewest < 16:
            reasons.append(f"{fewest} examples or dimensions are fewer than 16")
        t = self.relative_strength
        if t > 1:
            gap = covariance_outlier(self.strength, self.aspect) - (1 + math.sqrt(self.aspect)) ** 2
            critical = not self._eigenvalue_bound() < gap
        else:
            critical = t > 1 - fewest ** (-1 / 3)
        if critical:
            reasons.append(f"{t:.3g} times the threshold's strength is in its critical window at this size")
        return tuple(reasons)

    def _eigenvalue_bound(self) -> float:
        if self.relative_strength <= 1:
            return 2 * edge_scale(self.samples, self.dimensions) / self.samples
        strength, aspect = self.strength, self.aspect
        grown = aspect * strength**2 / ((strength - 1) ** 3 * _open(strength, aspect))
        return 2 * (grown + strength / (strength - 1)) / self.samples

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """Beyond and below the threshold; next to it, and too small."""
        return {
            "inside": (cls(strength=4.0, samples=200, dimensions=100), cls(strength=1.2, samples=200, dimensions=100)),
            "outside": (cls(strength=1.75, samples=200, dimensions=100), cls(strength=4.0, samples=200, dimensions=3)),
        }


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class SpikedCovariance(_SpikedCovariance):
    r"""The largest eigenvalue of the sample covariance of inputs with one spike.

    .. math:: \hat\lambda_1 \to \begin{cases}\ell\,\bigl(1 + \frac{\gamma}{\ell-1}\bigr) & \ell > 1+\sqrt\gamma\\
        (1+\sqrt\gamma)^2 & \text{else,}\end{cases}

    with fluctuations of `covariance_deviation`. Beyond the threshold its mean is off by

    .. math:: \frac1n\Bigl(\frac{\gamma\ell^2}{(\ell-1)^3D} - \frac{\ell}{\ell-1}\Bigr), \qquad
        D = 1 - \frac{\gamma}{(\ell-1)^2},

    at first order; the bound is twice the sum of both parts' sizes, and below the threshold twice the scale on which
    the edge fluctuates.

    Parameters
    ----------
    strength : ℓ, 1 or more.
    samples, dimensions : n and p.

    Raises GnomonError on what has no meaning.

    >>> SpikedCovariance(strength=3.0, samples=400, dimensions=200).value()
    3.75
    """

    name: ClassVar[str] = "spiked_covariance"
    title: ClassVar[str] = "Outlier of a spiked covariance"
    predicts: ClassVar[Quantity] = OUTLIER_EIGENVALUE

    def value(self) -> float:
        """The limit."""
        return covariance_outlier(self.strength, self.aspect)

    def systematic(self) -> float:
        """See the class."""
        return self._eigenvalue_bound()


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class SpikedCovarianceOverlap(_SpikedCovariance):
    r"""Squared cosine between the first eigenvector of the sample covariance and the spike.

    .. math:: \cos^2\theta \to \frac{1 - \gamma/(\ell-1)^2}{1 + \gamma/(\ell-1)} \quad (\ell > 1 + \sqrt\gamma),
        \qquad 0 \text{ else.}

    The bound is empirical in its factor: :math:`2/(mD^2)` with :math:`m = \min(n, p)` and
    :math:`D = 1-\gamma/(\ell-1)^2` beyond the threshold, and :math:`2/(p(1-t)^2)` at t times its strength below.

    Parameters
    ----------
    strength : ℓ, 1 or more.
    samples, dimensions : n and p.

    Raises GnomonError on what has no meaning.

    >>> round(SpikedCovarianceOverlap(strength=3.0, samples=400, dimensions=200).value(), 3)
    0.7
    """

    name: ClassVar[str] = "spiked_covariance_overlap"
    title: ClassVar[str] = "Eigenvector of a spiked covariance"
    predicts: ClassVar[Quantity] = SPIKE_OVERLAP

    def value(self) -> float:
        """The limit."""
        return covariance_overlap(self.strength, self.aspect)

    def systematic(self) -> float:
        """See the class."""
        t = self.relative_strength
        if t > 1:
            return 2 / (min(self.samples, self.dimensions) * (1 - t**-2) ** 2)
        return 2 / (self.dimensions * (1 - t) ** 2) if t < 1 else math.inf
