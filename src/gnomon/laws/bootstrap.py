"""Resampling of the rows, or of the groups that rows depend in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gnomon.laws.fit import Noise
from gnomon.laws.form import Array
from gnomon.laws.table import Table
from gnomon.randomness import Rng


def multiplicities(n: int, draws: int, rng: Rng, groups: NDArray[np.int64] | None = None) -> Array:
    """How often each row is in each resample, shape ``(draws, n)``; rows of one group come together.

    >>> counts = multiplicities(6, 4, Rng(0), np.array([7, 7, 7, 9, 9, 9]))
    >>> bool((counts[:, :3] == counts[:, :1]).all()), counts.sum(1).tolist()
    (True, [6.0, 6.0, 6.0, 6.0])
    """
    names, member = np.unique(np.arange(n) if groups is None else groups, return_inverse=True)
    counts = rng.numpy().multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return np.asarray(counts[:, member], dtype=float)


def count(table: Table) -> int:
    """How many units are resampled: groups, or rows that are each their own."""
    return len(table) if table.groups is None else len(np.unique(table.groups))


def tail(table: Table, noise: Noise, parameters: int, level: float) -> float:
    r"""Share of the draws beyond each end of a percentile interval, corrected for the few units that are resampled.

    *Normal.* Resampling m units with p parameters fitted gives a spread too small by :math:`\sqrt{(m - p)/m}`, and
    normal tails where t with m - p degrees of freedom belong; so the share is that of a normal beyond
    :math:`t \sqrt{m/(m - p)}`. A group that is a whole curve, with p different inputs or more, takes only one degree.

    *Laplace.* The draws of a median scatter more than the median does while m is small; uncorrected, its intervals
    cover 93-98 of 100, corrected 95-100.

    Source: Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69 (2015) 371, 4.2
    (expanded percentile interval).
    """
    if noise.kind == "laplace" and table.groups is None:
        return (1 - level) / 2
    units, left = count(table), freedom(table, parameters)
    reach = stats.t.ppf((1 + level) / 2, left) * np.sqrt(units / left)
    return float(stats.norm.cdf(-reach))


def freedom(table: Table, parameters: int) -> int:
    """Degrees of freedom that the units leave, at least 1; a group with p different inputs or more takes only one."""
    taken = parameters
    if table.groups is not None:
        whole = (np.unique(table.x[table.groups == name], axis=0) for name in np.unique(table.groups))
        taken = 1 if min(len(one) for one in whole) >= parameters else parameters
    return max(count(table) - taken, 1)


def interval(draws: Array, share: float) -> tuple[Array, Array]:
    """The percentile interval of ``draws`` (draws, …) with ``share`` of them beyond each end."""
    low, high = np.quantile(draws, [share, 1 - share], axis=0)
    return low, high
