"""The share found at a stated share of false alarms, with an interval that is exact in both."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, betaincinv

from gnomon.errors import GnomonError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Detected:
    """The share of positives above the threshold, its interval, and how many there are."""

    value: float
    low: float
    high: float


def detected_at(positive: Array, negative: Array, rate: float, *, level: float = 0.95) -> Detected | None:
    r"""The share of positives found where the share ``rate`` of negatives raises a false alarm.

    The value is at the lowest threshold that at most ``rate`` of the seen negatives exceed. The interval speaks of the
    threshold whose false-alarm rate is ``rate`` among all negatives, which is not known. Of n negatives the j-th
    largest is at or above it with probability :math:`\Pr[\mathrm{Bin}(n, \mathrm{rate}) \ge j]` and at or below it
    with :math:`\Pr[\mathrm{Bin}(n, \mathrm{rate}) < j]`. With :math:`\alpha = 1 - \mathrm{level}`, the lower end is
    that of Clopper and Pearson at :math:`\alpha/4` for the share above the lowest of them that is at or above it with
    probability :math:`1 - \alpha/4`; the upper end that for the share at or above the highest that is at or below it.
    The four errors add to α at most, whatever the distributions.

    Returns ``None`` with fewer than 1 / rate negatives: then no threshold is known. Raises GnomonError for a rate
    outside (0, 1) or no positives.

    Sources: TPR at low FPR: Carlini et al., arXiv:2112.03570; order statistics as tolerance limits: Wilks, Ann. Math.
    Stat. 12 (1941) 91.

    >>> found = detected_at(np.arange(100.0) + 90, np.arange(100.0), 0.1)
    >>> found.value, round(found.low, 2), found.high
    (1.0, 0.85, 1.0)
    """
    if not 0 < rate < 1 or not len(positive):
        raise GnomonError(f"{len(positive)} positives at a rate of {rate:g}", mend="give some, and a rate such as 0.01")
    n, count, tail = len(negative), len(positive), (1 - level) / 4
    allowed = math.floor(rate * n + 1e-9)
    if allowed < 1:
        return None
    falling = np.sort(negative)[::-1]
    value = float((positive > falling[allowed]).mean()) if allowed < n else 1.0
    ranks = np.arange(1, n + 1)
    # the j-th largest negative is not below the threshold sought where j or more negatives lie above that
    above = ranks[np.asarray(bdtrc(ranks - 1, n, rate)) >= 1 - tail].max(initial=0)
    below = ranks[np.asarray(bdtr(ranks - 1, n, rate)) >= 1 - tail].min(initial=n + 1)
    hits = int((positive > falling[above - 1]).sum()) if above else 0
    low = 0.0 if hits == 0 else float(betaincinv(hits, count - hits + 1, tail))
    hits = int((positive >= falling[below - 1]).sum()) if below <= n else count
    high = 1.0 if hits == count else float(betaincinv(hits + 1, count - hits, 1 - tail))
    return Detected(value, min(low, value), max(high, value))
