"""Intervals for means of what lies between two bounds: they hold at every n, whatever the distribution."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from gnomon.errors import GnomonError

Array = NDArray[np.float64]
_ROOT = 1e-12  # relative, of what an end is above the lowest or below the highest value


def betting_interval(
    sums: Array, sizes: Array, *, level: float = 0.95, within: tuple[float, float] = (0.0, 1.0), anytime: bool = False
) -> tuple[float, float]:
    r"""Ends between which the mean of bounded values is with probability at least ``level``, at every n.

    With values scaled to [0, 1], clusters of :math:`m_c` values with sum :math:`s_c`, and M the largest of the
    :math:`m_c`, a gambler who bets the share f of what he has on the mean being above m has

    .. math:: K(m) = \sum_j w_j \prod_c \Bigl(1 + f_j \frac{s_c - m\, m_c}{m M}\Bigr), \qquad f_j = 2^{-j},

    whose expectation is at most 1 if the mean is at most m. The lower end is the m at which
    :math:`K(m) = 2 / (1 - \mathrm{level})`; the upper end is one minus the lower end of one minus the values. K falls
    with m, and does not depend on the order of the clusters. Bets :math:`j = 0, \dots, 2 + \log_4 C` are equally
    weighted, C the number of clusters. With ``anytime`` they are infinitely many, with
    :math:`w_j = 1 / ((j+1)(j+2))`, none depends on C, and the intervals of all C hold at once (Ville): data may be
    added until one is content. M has then to be stated by clusters of equal size.

    Nothing is assumed but that clusters are independent and that how large one is says nothing of its mean. The price
    against Student's interval, which is right for many clusters of benign values only: about 1.7 times its width.

    Sources: Waudby-Smith & Ramdas, arXiv:2010.09686; Orabona & Jun, arXiv:2110.14099 (mixtures of bets). Raises
    GnomonError when a value is outside the bounds. Cost: about 20 (3 + log₄ C) operations a
    cluster, of those that differ.

    >>> low, high = betting_interval(np.zeros(30), np.ones(30))
    >>> low, round(high, 3)
    (0.0, 0.164)
    """
    lowest, highest = within
    scaled = (sums - lowest * sizes) / (highest - lowest)
    if not lowest < highest or not ((scaled >= 0) & (scaled <= sizes)).all():
        raise GnomonError(f"values are not all between {lowest:g} and {highest:g}", mend="give the bounds they have")
    if anytime and np.ptp(sizes) > 0:
        raise GnomonError("a sequence of clusters of unequal size has no interval", mend="give clusters of equal size")
    low = _lower(scaled, sizes, level, anytime)
    high = 1 - _lower(sizes - scaled, sizes, level, anytime)
    return lowest + (highest - lowest) * low, lowest + (highest - lowest) * high


def _lower(sums: Array, sizes: Array, level: float, anytime: bool) -> float:
    if not sums.any():
        return 0.0
    bets = np.arange(3 + math.ceil(math.log(len(sums), 4)))
    log_weights = np.full(len(bets), -math.log(len(bets)))
    if anytime:
        # those beyond are counted as lost, which makes no interval narrower
        log_weights = -np.log((bets + 1.0) * (bets + 2.0))
    (sums, sizes), counts = np.unique(np.stack([sums, sizes]), axis=1, return_counts=True)
    rest = 1 - np.multiply.outer(2.0**-bets, sizes / sizes.max())
    gain = np.multiply.outer(2.0**-bets, sums / sizes.max())

    def ahead(log_mean: float) -> float:
        with np.errstate(divide="ignore"):  # a bet of everything may be lost
            logs = np.log(rest + gain * math.exp(-log_mean)) @ counts
        return float(np.logaddexp.reduce(log_weights + logs)) + math.log((1 - level) / 2)

    high = math.log(float(sums @ counts) / float(sizes @ counts))
    step = 1.0
    while ahead(high - step) < 0:
        step *= 2
    return math.exp(brentq(ahead, high - step, high, xtol=_ROOT))
