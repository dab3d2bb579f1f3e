"""Shares and ratios over rows that come in clusters, with bounded memory.

Clusters are dealt out to at most `GROUPS` groups by their number. Groups of independent clusters are independent, so
that an interval from the sums of groups covers as one from the sums of clusters does, with fewer degrees of freedom;
up to `GROUPS` clusters, each is a group of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit
from torch import Tensor

from gnomon.estimators.geometry.jackknife import jackknife_half_width
from gnomon.measurement import Uncertainty
from gnomon.measurement.uncertainty import Randomness
from gnomon.structure.dictionaries.firing import firing_rates

Array = NDArray[np.float64]
GROUPS = 1024


def add_by_group(sums: Tensor, values: Tensor, clusters: NDArray[np.int64]) -> None:
    """Add ``values``, ``(n, …)``, to ``sums``, ``(groups, …)`` in float64, at the group of each row."""
    group = torch.from_numpy(clusters % len(sums)).to(sums.device)
    sums.index_add_(0, group, values.to(sums))


def proportion(hits: Array, counts: Array, *, clusters: int, level: float) -> tuple[float, Uncertainty]:
    """A share of rows, from ``(groups,)`` hits and rows, of so many clusters; see `firing_rates`.

    The uncertainty is ``unknown`` for fewer than two groups.
    """
    if int((counts > 0).sum()) < 2:
        return float(hits.sum() / counts.sum()), Uncertainty.unknown()
    found = firing_rates(hits[:, None], counts, clusters=clusters, level=level)
    low, high = float(found.low[0]), float(found.high[0])
    return float(found.rate[0]), Uncertainty.interval(low, high, level=level, covers={"data"}, systematic=0.0)


def jackknifed(
    value: float, without: Array, *, level: float, lowest: float = -math.inf, highest: float = math.inf
) -> Uncertainty:
    """Interval around ``value`` from its values without each group; ``unknown`` for fewer than two groups."""
    if len(without) < 2:
        return Uncertainty.unknown()
    half = jackknife_half_width(without, level=level)
    low, high = max(value - half, lowest), min(value + half, highest)
    return Uncertainty.interval(
        low, high, level=level, covers={"data"}, effective_samples=float(len(without)), systematic=0.0
    )


def ratio(
    numerators: Array, denominators: Array, *, level: float, of: Callable[[Array], Array] = lambda r: r
) -> tuple[float, Uncertainty]:
    """``of`` the ratio of the sums over groups, with a jackknife interval over the groups."""
    top, bottom = numerators.sum(), denominators.sum()
    without = of((top - numerators) / (bottom - denominators))
    value = float(of(np.asarray(top / bottom)))
    return value, jackknifed(value, without, level=level)


def over_repeats(
    values: Sequence[float],
    *,
    covers: Randomness,
    level: float,
    lowest: float = -math.inf,
    highest: float = math.inf,
) -> Uncertainty:
    """Student interval around the mean of repeats; ``unknown`` for fewer than two, or where they do not differ."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    if spread == 0:
        return Uncertainty.unknown()
    mean, count = float(np.mean(values)), len(values)
    half = float(stdtrit(count - 1, 0.5 + level / 2)) * spread / math.sqrt(count)
    ends = (max(mean - half, lowest), min(mean + half, highest))
    return Uncertainty.interval(*ends, level=level, covers={covers}, effective_samples=float(count), systematic=0.0)
