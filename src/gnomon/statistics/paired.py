"""Two subjects on the same questions: differences that the questions cancel from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtri

from gnomon.errors import GnomonError
from gnomon.measurement import Uncertainty
from gnomon.statistics.clusters import sums_by_cluster
from gnomon.statistics.means import mean
from gnomon.statistics.proportions import effective_number
from gnomon.statistics.score import score_end


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    clusters: Sequence[object] | NDArray[np.generic] | None = None,
    *,
    level: float = 0.95,
    within: tuple[float, float] | None = None,
) -> tuple[float, Uncertainty]:
    r"""The mean of ``second - first`` over the same questions, with an interval for what the questions share.

    Where all are true or false (or 1 or 0) and no bounds are given it is Tango's score interval, of the numbers won
    and lost; with clusters, at the number of independent questions that they are worth, as in
    `gnomon.statistics.cluster_proportion`. Else it is `gnomon.statistics.mean` of the differences: with ``within``,
    the bounds of the values, it holds at every n, also for what is true or false.

    Tango's interval is not exact: see the tests for its least coverage. It is never of zero width, also where nothing
    was won or lost.

    Raises GnomonError when the two differ in number.

    >>> won, interval = paired_difference([True] * 30, [True] * 30)
    >>> won, round(interval.low, 3), round(interval.high, 3)
    (0.0, -0.114, 0.114)
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != two.shape or one.ndim != 1 or len(one) == 0:
        raise GnomonError(f"{one.shape} and {two.shape} values are not pairs", mend="give both for every question")
    if within is not None:
        widest = within[1] - within[0]
        return mean(two - one, clusters, level=level, within=(-widest, widest))
    if not (np.isin(one, (0.0, 1.0)).all() and np.isin(two, (0.0, 1.0)).all()):
        return mean(two - one, clusters, level=level)
    moved = two - one
    n, share = float(len(moved)), float(moved.mean())
    sums, sizes = sums_by_cluster(moved, clusters)
    changed, _ = sums_by_cluster(np.abs(moved), clusters)
    worth = n
    if len(sizes) < n:
        worth = n**2 / float(np.square(sizes).sum())
        discordant = float(changed.sum()) / n
        if len(sizes) > 1 and discordant > 0:
            residual = float(np.square(sums - share * sizes).sum())
            informative = float(np.count_nonzero(changed))
            worth = effective_number(discordant - share**2, residual, sizes, informative, 0.5 + level / 2)
    won, lost = (float((moved == sign).mean()) * worth for sign in (1, -1))
    low, high = tango(won, lost, worth, level=level)
    interval = Uncertainty.interval(low, high, level=level, covers={"data"}, effective_samples=worth, systematic=0.0)
    return share, interval


def tango(won: float, lost: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    r"""Score interval for the difference :math:`\Delta = p_w - p_l` of two paired proportions.

    The Δ at which :math:`|w - l - n\Delta| \le z \sqrt{n (2 \hat p_l + \Delta (1 - \Delta))}`, where
    :math:`\hat p_l` is the most likely probability of a loss given Δ,

    .. math:: \hat p_l = \frac{\sqrt{B^2 - 4AC} - B}{2A}, \quad A = 2n, \quad B = (2n - w + l)\Delta - w - l,
       \quad C = -l\Delta(1 - \Delta).

    Source: Tango, Statistics in Medicine 17 (1998) 891.
    """
    z = float(ndtri(0.5 + level / 2))
    upper = score_end(lambda delta: _score(won, lost, n, delta), (won - lost) / n, z)
    lower = -score_end(lambda delta: _score(lost, won, n, delta), (lost - won) / n, z)
    return lower, upper


def _score(won: float, lost: float, n: float, delta: float) -> float:
    b = (2 * n - won + lost) * delta - won - lost
    c = -lost * delta * (1 - delta)
    loses = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * loses + delta * (1 - delta))
    gap = won - lost - n * delta
    return gap / math.sqrt(variance) if variance > 0 else (0.0 if gap == 0 else math.copysign(math.inf, gap))


def mcnemar(won: int, lost: int) -> float:
    r"""Exact two-sided p-value of no difference: :math:`\min(1, 2 \Pr[\mathrm{Bin}(w + l, 1/2) \le \min(w, l)])`.

    Source: McNemar, Psychometrika 12 (1947) 153. Raises GnomonError on negative counts.

    >>> mcnemar(8, 1), mcnemar(0, 0)
    (0.0390625, 1.0)
    """
    if min(won, lost) < 0:
        raise GnomonError(f"{won} won and {lost} lost", mend="give counts")
    return min(1.0, 2 * float(bdtr(float(min(won, lost)), won + lost, 0.5))) if won + lost else 1.0
