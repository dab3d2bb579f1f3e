"""Means over rows that belong to two things at once (an occupation and a template), each drawn anew in a repetition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from gnomon.measurement import Uncertainty
from gnomon.statistics.clusters import sums_by_cluster
from gnomon.statistics.proportions import binomial_ends

Array = NDArray[np.float64]
Clusters = tuple[object, ...]


def crossed_variance(influence: Array, clusterings: Sequence[Clusters]) -> tuple[float, float]:
    r"""Variance of an estimate whose rows are clustered in one or two ways, and its degrees of freedom.

    For :math:`\hat\theta - \theta \approx \sum_i \psi_i` and a clustering g in :math:`C_g` clusters,

    .. math:: V_g = \frac{C_g}{C_g - 1} \sum_c \Bigl(\sum_{i \in c} \psi_i\Bigr)^2, \qquad
        V = \max(V_1 + V_2 - V_{12}, V_1, V_2), \qquad
        \nu = V^2 \Big/ \sum_g \frac{V_g^2}{C_g - 1},

    with :math:`V_{12}` that of the cells (rows alike in both), which the two count twice. V is unbiased where every
    item meets every template; ν is at least the smaller :math:`C_g - 1`.

    Parameters
    ----------
    influence : ``(n,)``, :math:`\psi_i`, summing to zero.
    clusterings : one or two, each ``(n,)``.

    Returns ``(nan, 0)`` where a clustering has one cluster only: what would change with another is then not seen.

    Sources: Satterthwaite, Biometrics Bull. 2 (1946) 110; Cameron, Gelbach & Miller, J. Bus. Econ. Stat. 29 (2011) 238.
    """
    parts: list[tuple[float, int]] = [_part(influence, one) for one in clusterings]
    if min(count for _, count in parts) < 2:
        return float("nan"), 0.0
    variance = sum(own for own, _ in parts)
    if len(parts) == 2:
        cells, _ = _part(influence, tuple(zip(*clusterings, strict=True)))
        variance = max(variance - cells, parts[0][0], parts[1][0])
    least = float(min(count for _, count in parts) - 1)
    spread = sum(own**2 / (count - 1) for own, count in parts)
    return variance, max(least, variance**2 / spread) if spread > 0 else least


def student(value: float, variance: float, freedom: float, level: float, within: tuple[float, float]) -> Uncertainty:
    """Student's interval, cut to the bounds of the value."""
    half = float(stdtrit(freedom, 0.5 + level / 2)) * variance**0.5
    return Uncertainty.interval(
        max(value - half, within[0]),
        min(value + half, within[1]),
        level=level,
        covers={"data"},
        effective_samples=freedom + 1,
        systematic=0.0,
    )


def crossed_proportion(
    share: float, n: int, variance: float, freedom: float, clusterings: Sequence[Clusters], level: float
) -> Uncertainty:
    r"""The exact interval of a proportion at the number of independent rows that n rows are worth.

    As `gnomon.statistics.cluster_proportion`, with the variance of `crossed_variance`; worth no less than the fewest
    clusters count (where all agree, the variance says nothing).
    """
    sizes = [sums_by_cluster(np.ones(n), one)[1] for one in clusterings]
    least = min(n**2 / float(np.square(own).sum()) for own in sizes)
    worth = least
    if variance > 0:
        tail = 0.5 + level / 2
        correction = float(stdtrit(n - 1, tail) / stdtrit(freedom, tail)) ** 2
        worth = min(float(n), max(least, share * (1 - share) / variance * correction))
    low, high = binomial_ends(share * worth, worth, level)
    return Uncertainty.interval(low, high, level=level, covers={"data"}, effective_samples=worth, systematic=0.0)


def _part(influence: Array, clusters: Clusters) -> tuple[float, int]:
    sums, _ = sums_by_cluster(influence, clusters)
    count = len(sums)
    return (count / (count - 1) * float(np.square(sums).sum()) if count > 1 else float("nan")), count
