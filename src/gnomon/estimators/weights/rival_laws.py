"""Likelihood ratios of a power law against the laws it is most easily mistaken for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import erfc, erfcx, log_ndtr

Array = NDArray[np.float64]

_STRAIGHTEST = 100.0  # a normal law cut so many deviations out has a moment ratio of 0.9999: an exponential law


@dataclass(frozen=True)
class LikelihoodRatio:
    """Log-likelihood of the power law minus that of a rival, over all points of the tail.

    Parameters
    ----------
    total : positive where the power law is likelier.
    normalised : Vuong's statistic, the total over its standard deviation.
    p_value : probability of so large a size of it if both laws were equally far from the truth.
    """

    total: float
    normalised: float
    p_value: float

    def to_json(self) -> dict[str, float]:
        """For diagnostics."""
        return {"log_ratio": self.total, "normalised": self.normalised, "p_value": self.p_value}


def against_exponential(excess: Array) -> LikelihoodRatio:
    r"""Against :math:`\rho \propto e^{-\lambda/m}` above :math:`x_\min`, m by maximum likelihood.

    ``excess`` are :math:`z = \ln(\lambda/x_\min)`. Source: Vuong, Econometrica 57 (1989) 307.
    """
    beyond = np.expm1(excess)  # in units of x_min
    mean = beyond.mean()
    return _vuong(_power_law(excess) - (excess - np.log(mean) - beyond / mean))


def against_lognormal(excess: Array) -> LikelihoodRatio:
    r"""Against the lognormal law cut off below :math:`x_\min`, both parameters by maximum likelihood.

    In logarithms that is a normal law cut off at zero, which holds the power law as its limit: the ratio is never
    positive, Vuong's p-value is then too cautious, and the evidence is the curvature (see `PowerLaws`). Maximum
    likelihood equals the first two moments, which leaves one equation for the cut-off in standard deviations.

    Source: Vuong (1989); Malevergne, Pisarenko & Sornette, Phys. Rev. E 83 (2011) 036111 (curvature).
    """
    mean, ratio = excess.mean(), float(np.square(excess).mean() / (2 * excess.mean() ** 2))
    if ratio >= _moment_ratio(_STRAIGHTEST):
        return LikelihoodRatio(0.0, 0.0, 1.0)
    cut = brentq(lambda t: _moment_ratio(t) - ratio, -40.0, _STRAIGHTEST) if ratio > _moment_ratio(-40.0) else -40.0
    width = mean / (_hazard(cut) - cut)
    standard = excess / width + cut
    rival = -0.5 * standard**2 - 0.5 * np.log(2 * np.pi) - np.log(width) - log_ndtr(-cut)
    return _vuong(_power_law(excess) - rival)


def _power_law(excess: Array) -> Array:
    mean = excess.mean()
    return np.asarray(-np.log(mean) - excess / mean)


def _vuong(differences: Array) -> LikelihoodRatio:
    total, spread = float(differences.sum()), float(differences.std())
    normalised = total / (np.sqrt(len(differences)) * spread) if spread > 0 else 0.0
    return LikelihoodRatio(total, float(normalised), float(erfc(abs(normalised) / np.sqrt(2))))


def _hazard(cut: float) -> float:
    """Density over survival of the standard normal law."""
    return float(np.sqrt(2 / np.pi) / erfcx(cut / np.sqrt(2)))


def _moment_ratio(cut: float) -> float:
    """Second moment over twice the squared mean of what lies beyond the cut: 1/2 far below it, 1 far above."""
    mean = _hazard(cut) - cut
    return (1 - cut * mean) / (2 * mean**2)
