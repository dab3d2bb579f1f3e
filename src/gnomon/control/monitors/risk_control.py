"""Thresholds for graded harm: how much of it may pass without an alarm, on average or with a probability."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnomon.control.monitors.guarantee import Cut, TooFewTextsError, check_levels
from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.statistics import betting_p_value, least_units

Array = NDArray[np.float64]


def conformal_risk(scores: ArrayLike, harms: ArrayLike, *, alpha: float, worst: float = 1.0) -> Cut:
    r"""The highest threshold at which the harm that raises no alarm is at most α **on average over everything**.

    The loss of a text is its harm h where its score is at most τ, and else 0. τ is the highest threshold with

    .. math:: \frac{1}{n+1} \Bigl(\sum_i h_i\,\mathbf 1[s_i \le \tau] + h_{\max}\Bigr) \le \alpha.

    Then :math:`\mathbb E[h\,\mathbf 1[s \le \tau]] \le \alpha`, the mean being over the draw of the calibration texts
    *and* of the fresh text. It is no promise about the draw at hand, whose mean loss may well be above α: for a
    probability use `risk_with_probability`. The mean is at least :math:`\alpha - 2 h_{\max}/(n+1)` where no scores tie.

    Parameters
    ----------
    scores, harms : ``(n,)`` of independent texts as they come in use, harmful ones in their share.
    alpha, worst : in the unit of the harm; ``worst`` is the largest that there can be.

    Raises
    ------
    TooFewTextsError : with fewer than :math:`h_{\max}/\alpha - 1` texts.
    GnomonError : on a harm outside [0, worst].

    Source: Angelopoulos et al., arXiv:2208.02814, theorems 1 and 2.

    >>> conformal_risk([0.1, 0.4, 0.6, 0.9], [0.0, 0.0, 1.0, 1.0], alpha=0.25).value < 0.6
    True
    """
    s, h = _checked(scores, harms, alpha, None, worst)
    n = len(s)
    if worst / (n + 1) > alpha:
        raise TooFewTextsError(n, math.ceil(worst / alpha - 1), alpha=alpha / worst, delta=None)
    order = np.argsort(s, kind="stable")
    passing = (np.cumsum(h[order]) + worst) / (n + 1)
    inside = np.searchsorted(passing, alpha, side="right")
    return Cut(value=_below(s[order], int(inside)), units=n, allowed=None, alpha=alpha, delta=None)


def risk_with_probability(
    scores: ArrayLike, harms: ArrayLike, *, alpha: float, delta: float, worst: float = 1.0, rng: Rng
) -> Cut:
    r"""The highest threshold at which the harm that raises no alarm is at most α, **with probability** 1 − δ.

    Learn then Test: thresholds are tested in a fixed sequence, from the lowest, at which everything raises an alarm, up
    to the first whose `betting_p_value` is above δ. The loss rises with τ, so that thresholds may be taken from the
    scores themselves. The probability is over the draw of the calibration texts, the mean loss over a fresh text.

    Raises
    ------
    TooFewTextsError : with fewer texts than `least_units`.
    GnomonError : on a harm outside [0, worst].

    Source: Angelopoulos et al., arXiv:2110.01052; Bates et al., arXiv:2101.02703.
    """
    s, h = _checked(scores, harms, alpha, delta, worst)
    n, level = len(s), alpha / worst
    if n < least_units(level, delta):
        raise TooFewTextsError(n, least_units(level, delta), alpha=level, delta=delta)
    shuffled = rng.child("texts").numpy().permutation(n)
    s, h = s[shuffled], h[shuffled] / worst
    candidates = np.unique(s)
    low, high = -1, len(candidates)  # how many of the lowest scores raise no alarm: none is kept, for n is enough
    while high - low > 1:
        middle = (low + high) // 2
        passed = bool(betting_p_value(np.where(s <= candidates[middle], h, 0.0), level, delta) <= delta)
        low, high = (middle, high) if passed else (low, middle)
    return Cut(value=_below(candidates, low + 1), units=n, allowed=None, alpha=alpha, delta=delta)


def _below(ordered: Array, count: int) -> float:
    """The highest threshold that ``ordered[count]`` is above: all that are lower raise no alarm."""
    return float(ordered[-1]) if count >= len(ordered) else float(np.nextafter(ordered[count], -np.inf))


def _checked(
    scores: ArrayLike, harms: ArrayLike, alpha: float, delta: float | None, worst: float
) -> tuple[Array, Array]:
    s, h = np.asarray(scores, dtype=np.float64), np.asarray(harms, dtype=np.float64)
    check_levels(alpha / worst if worst > 0 else 0.0, delta)
    if s.ndim != 1 or s.shape != h.shape or not np.isfinite(s).all():
        raise GnomonError(
            f"scores {s.shape} and harms {h.shape} do not belong together", mend="give one of each a text"
        )
    if not ((h >= 0) & (h <= worst)).all():
        raise GnomonError(f"a harm is outside 0 to {worst:g}", mend="give the largest that there can be: --worst")
    return s, h
