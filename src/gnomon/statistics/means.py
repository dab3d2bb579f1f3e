"""Means, with an interval by what is known of the values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnomon.errors import GnomonError
from gnomon.measurement import Randomness, Uncertainty, cluster_mean
from gnomon.statistics.bounded import betting_interval
from gnomon.statistics.clusters import sums_by_cluster

_DATA: frozenset[Randomness] = frozenset({"data"})


def mean(
    values: ArrayLike,
    clusters: Sequence[object] | NDArray[np.generic] | None = None,
    *,
    level: float = 0.95,
    within: tuple[float, float] | None = None,
    covers: frozenset[Randomness] = _DATA,
) -> tuple[float, Uncertainty]:
    """The mean of all values, and an interval that no dependence inside a cluster breaks.

    Of values ``within`` stated bounds it is `betting_interval`: it holds at every n. Of others it is Student's over
    clusters (`gnomon.measurement.cluster_mean`), which is right for many clusters or nearly normal ones; where it has
    nothing to go by, one cluster or values that are all alike, it is unknown.

    Parameters
    ----------
    values : ``(n,)``, finite.
    clusters : ``(n,)``, what each belongs to.
    within : bounds that no value can be outside of, e.g. ``(0, 1)``; not the smallest and largest seen.

    Raises GnomonError when there are no values, or one is not finite or out of bounds.

    >>> share, interval = mean([0.0] * 30, within=(0, 1))
    >>> share, interval.low, round(interval.high, 3)
    (0.0, 0.0, 0.164)
    >>> mean([0.0] * 30)[1].kind
    'unknown'
    """
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1 or len(given) == 0:
        raise GnomonError("there are no values to average", mend="give at least one")
    if not np.isfinite(given).all():
        raise GnomonError("values hold NaN or infinite numbers", mend="leave out what has no value, and say so")
    sums, sizes = sums_by_cluster(given, clusters)
    if within is None:
        if np.ptp(given) == 0:
            return float(given[0]), Uncertainty.unknown()
        found, spread = cluster_mean(sums, sizes, level=level)
        if spread.kind == "unknown":
            return found, spread
        return found, Uncertainty.interval(
            spread.low,  # type: ignore[arg-type]
            spread.high,  # type: ignore[arg-type]
            level=level,
            covers=covers,
            effective_samples=spread.effective_samples,
            systematic=0.0,
        )
    if given.min() < within[0] or given.max() > within[1]:
        raise GnomonError(f"values are not all between {within[0]:g} and {within[1]:g}", mend="give their true bounds")
    low, high = betting_interval(sums, sizes, level=level, within=within)
    worth = float(sizes.sum() ** 2 / np.square(sizes).sum())
    interval = Uncertainty.interval(low, high, level=level, covers=covers, effective_samples=worth, systematic=0.0)
    return float(given.mean()), interval
