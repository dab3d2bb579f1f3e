"""How much of the squared length of a found direction is noise, and how well that is known."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import f as snedecor

_CAUTION = 4.0  # two standard errors, of 2/m each, of the estimate of 1/ν


@dataclass(frozen=True, kw_only=True)
class Noise:
    r"""Noise across the population's direction.

    Parameters
    ----------
    share : estimate of its share of the squared length of the direction found, :math:`\sin^2\theta`; 1 or more where
        all may be noise.
    freedom : ν, its degrees of freedom: :math:`\operatorname{tr}^2 V / \operatorname{tr} V^2` of its covariance V, the
        dimension that it fills.
    clusters : m, how many independent parts the estimate is made from.
    """

    share: float
    freedom: float
    clusters: float

    def interval(self, level: float) -> tuple[float, float]:
        r"""Of :math:`\sin^2\theta`; beyond 1 where all may be noise.

        The squared length of the noise and its estimate are taken as chi-squared with ν and mν degrees of freedom.
        ν itself is estimated, with a relative standard error of 2/m; two of them are taken off.
        """
        freedom = self.freedom / (1 + _CAUTION / self.clusters)
        tail = (1 - level) / 2
        low, high = (float(snedecor.ppf(q, freedom, self.clusters * freedom)) for q in (tail, 1 - tail))
        return self.share * low, self.share * high
