"""Resampling of the rows, or of the groups that rows depend in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gnomon.laws.form import Array
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


def interval(draws: Array, level: float, *, units: int, parameters: int) -> tuple[Array, Array]:
    r"""Percentile interval of ``draws`` (draws, p), widened for the few units that were resampled.

    Resampling m units with p parameters fitted gives a spread too small by :math:`\sqrt{(m - p)/m}` and normal tails
    where t with m - p degrees of freedom belong; so the percentiles are those of a normal at
    :math:`t \sqrt{m/(m - p)}`.

    Source: Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69 (2015) 371, 4.2
    (expanded percentile interval).
    """
    freedom = max(units - parameters, 1)
    reach = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(units / freedom)
    tail = float(stats.norm.cdf(-reach))
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return low, high
