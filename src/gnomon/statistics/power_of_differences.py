"""How many questions it takes to see that two subjects differ."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, gammaln, nctdtr, ndtri, stdtrit, xlogy

from gnomon.errors import GnomonError

_MOST = 10**7
_TAIL = 8.0  # standard deviations of the number of discordant pairs that are summed over: all but 1e-15


def paired_power(n: int, gap: float, changed: float, *, level: float = 0.95) -> float:
    r"""Probability that McNemar's exact test on ``n`` pairs shows a difference of proportions on the right side.

    With a share :math:`d` of pairs ``changed``, and a ``gap`` :math:`\Delta`, the number of changed pairs is
    :math:`\mathrm{Bin}(n, d)`, of which a share :math:`(1 + \Delta / d) / 2` is won.

    Raises GnomonError unless :math:`0 < |\Delta| \le d \le 1`.

    >>> round(paired_power(200, 0.1, 0.2), 3)
    0.875
    """
    gap = _checked(gap, changed)
    middle, spread = n * changed, _TAIL * math.sqrt(n * changed * (1 - changed)) + 1
    pairs = np.arange(max(0, math.floor(middle - spread)), min(n, math.ceil(middle + spread)) + 1)
    logs = gammaln(n + 1) - gammaln(pairs + 1) - gammaln(n - pairs + 1)
    logs += xlogy(pairs, changed) + xlogy(n - pairs, 1 - changed)
    # lost at most k, the largest number with 2 Pr[Bin(pairs, 1/2) <= k] <= 1 - level
    most = _most_lost(pairs, (1 - level) / 2)
    shown = np.where(most >= 0, bdtr(np.maximum(most, 0), pairs, (1 - gap / changed) / 2), 0.0)
    return float(np.exp(logs) @ shown)


def needed_pairs(gap: float, changed: float, *, level: float = 0.95, power: float = 0.8) -> int:
    """How many pairs `paired_power` takes to reach ``power``; from there on it wavers by about a hundredth.

    >>> needed_pairs(0.05, 0.2), needed_pairs(0.05, 0.05)
    (658, 157)
    """
    gap = _checked(gap, changed)
    return _least(lambda n: paired_power(n, gap, changed, level=level) >= power)


def needed_each(first: float, second: float, *, level: float = 0.95, power: float = 0.8) -> int:
    r"""How many outcomes of each of two independent proportions show that they differ, in the normal approximation.

    .. math:: n = \Bigl(\frac{z_\alpha \sqrt{2 \bar p (1 - \bar p)} + z_\beta \sqrt{p (1 - p) + p' (1 - p')}}
        {p - p'}\Bigr)^2, \qquad \bar p = \tfrac12 (p + p').

    Source: Fleiss, Levin & Paik, Statistical Methods for Rates and Proportions (2003), ch. 4.

    >>> needed_each(0.8, 0.75)
    1094
    """
    if not (min(first, second) >= 0 and max(first, second) <= 1) or first == second:
        raise GnomonError(f"proportions {first:g} and {second:g} do not differ, or are none", mend="give two that do")
    mean = (first + second) / 2
    alike = math.sqrt(2 * mean * (1 - mean))
    apart = math.sqrt(first * (1 - first) + second * (1 - second))
    z_alpha, z_beta = float(ndtri(0.5 + level / 2)), float(ndtri(power))
    return math.ceil(((z_alpha * alike + z_beta * apart) / (first - second)) ** 2)


def needed_means(deviation: float, gap: float, *, level: float = 0.95, power: float = 0.8) -> int:
    r"""How many normal values of a standard deviation show that their mean is ``gap`` away from 0, by Student's test.

    Of pairs: the deviation of their differences. Of two independent samples of equal size, n in each:
    :math:`\sqrt2` times the deviation of their values; the test then has more degrees of freedom, so that it is a
    little too many.

    >>> needed_means(1.0, 0.5), needed_means(1.0, 0.1)
    (34, 787)
    """
    if not deviation > 0 or gap == 0:
        raise GnomonError(f"a difference of {gap:g} with a deviation of {deviation:g}", mend="give two that are not 0")

    def enough(n: int) -> bool:
        if n < 2:
            return False
        cut, shift = float(stdtrit(n - 1, 0.5 + level / 2)), abs(gap) / deviation * math.sqrt(n)
        return 1 - float(nctdtr(n - 1, shift, cut)) >= power

    return _least(enough)


def _checked(gap: float, changed: float) -> float:
    if not 0 < abs(gap) <= changed <= 1:
        raise GnomonError(
            f"a difference of {gap:g} where {changed:g} change", mend="as many have to change as the difference is"
        )
    return abs(gap)


def _most_lost(pairs: NDArray[np.int64], tail: float) -> NDArray[np.float64]:
    low, high = np.full(len(pairs), -1), pairs // 2
    while (low < high).any():
        middle = (low + high + 1) // 2
        enough = bdtr(middle.astype(np.float64), pairs, 0.5) <= tail
        low, high = np.where(enough, middle, low), np.where(enough, high, np.maximum(middle - 1, low))
    return low.astype(np.float64)


def _least(enough: Callable[[int], bool]) -> int:
    high = 1
    while not enough(high):
        high *= 2
        if high > _MOST:
            raise GnomonError(f"more than {_MOST:,} would be needed", mend="look for a larger difference")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
