"""Means over rows that belong to two things at once (an occupation and a template), each drawn anew in a repetition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from gnomon.measurement import Uncertainty
from gnomon.statistics.clusters import sums_by_cluster
from gnomon.statistics.proportions import binomial_ends

Array = NDArray[np.float64]
Clusters = tuple[object, ...]


@dataclass(frozen=True)
class Spread:
    """Variance of an estimate, and the quantile by which its root is to be multiplied for half an interval."""

    variance: float
    quantile: float
    clusters: int


def crossed_spread(influence: Array, clusterings: Sequence[Clusters], level: float) -> Spread | None:
    r"""The spread of an estimate whose rows are clustered in one or two ways.

    For :math:`\hat\theta - \theta \approx \sum_i \psi_i` and a clustering g in :math:`C_g` clusters,

    .. math:: V_g = \frac{C_g}{C_g - 1} \sum_c \Bigl(\sum_{i \in c} \psi_i\Bigr)^2, \qquad
        V = \max(V_1 + V_2 - V_{12}, V_1, V_2), \qquad
        t = \frac{\sum_g V_g \, t_{C_g - 1}}{\sum_g V_g},

    with :math:`V_{12}` that of the cells (rows alike in both), which the two count twice, and t Student's quantiles.
    With one clustering it is `gnomon.measurement.cluster_mean`. With effects of items (variance a²), of templates (b²)
    and of cells, V falls short of the variance of the mean by about :math:`(a^2 + b^2) / (I T)`; t, which is on the
    safe side, makes up for it. Covered by simulation (normal effects in seven proportions, 5 to 198 items), at a level
    of 95 %: 94.2 % or more from three templates on, 93.1 % or more with two. With Satterthwaite's degrees of freedom
    in place of t it was 93.8 % and 88.4 %; with clusters of items alone as little as 7 %, where templates differ.

    Parameters
    ----------
    influence : ``(n,)``, :math:`\psi_i`, summing to zero.
    clusterings : one or two, each ``(n,)``.

    Returns ``None`` where a clustering has one cluster only: what would change with another is then not seen.

    Sources: Cameron, Gelbach & Miller, J. Bus. Econ. Stat. 29 (2011) 238 (the variance); Cochran, Biometrics 20 (1964)
    191 (the quantile).
    """
    parts = [_part(influence, one) for one in clusterings]
    fewest = min(count for _, count in parts)
    if fewest < 2:
        return None
    total = variance = sum(own for own, _ in parts)
    if len(parts) == 2:
        cells, _ = _part(influence, tuple(zip(*clusterings, strict=True)))
        variance = max(variance - cells, *(own for own, _ in parts))
    quantiles = [(own, float(stdtrit(count - 1, 0.5 + level / 2))) for own, count in parts]
    if total == 0:
        return Spread(0.0, max(t for _, t in quantiles), fewest)
    return Spread(variance, sum(own * t for own, t in quantiles) / total, fewest)


def student(value: float, spread: Spread, level: float, within: tuple[float, float]) -> Uncertainty:
    """Student's interval, cut to the bounds of the value."""
    half = spread.quantile * spread.variance**0.5
    return Uncertainty.interval(
        max(value - half, within[0]),
        min(value + half, within[1]),
        level=level,
        covers={"data"},
        effective_samples=float(spread.clusters),
        systematic=0.0,
    )


def crossed_proportion(
    share: float, n: int, spread: Spread, clusterings: Sequence[Clusters], level: float
) -> Uncertainty:
    r"""The exact interval of a proportion at the number of independent rows that n rows are worth.

    As `gnomon.statistics.cluster_proportion`, with the variance of `crossed_spread`; worth no less than the fewest
    clusters count (where all agree, the variance says nothing).
    """
    sizes = [sums_by_cluster(np.ones(n), one)[1] for one in clusterings]
    least = min(n**2 / float(np.square(own).sum()) for own in sizes)
    worth = least
    if spread.variance > 0:
        correction = (float(stdtrit(n - 1, 0.5 + level / 2)) / spread.quantile) ** 2
        worth = min(float(n), max(least, share * (1 - share) / spread.variance * correction))
    low, high = binomial_ends(share * worth, worth, level)
    return Uncertainty.interval(low, high, level=level, covers={"data"}, effective_samples=worth, systematic=0.0)


def _part(influence: Array, clusters: Clusters) -> tuple[float, int]:
    sums, _ = sums_by_cluster(influence, clusters)
    count = len(sums)
    return (count / (count - 1) * float(np.square(sums).sum()) if count > 1 else 0.0), count
