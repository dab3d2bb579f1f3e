"""Before a test: how likely it is to show what is true, and how many observations it takes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrik, ndtri

from gnomon.errors import GnomonError

_MOST_HITS = 2**16


def power(n: int, rate: float, limit: float, *, confidence: float = 0.95) -> float:
    r"""Probability that the exact bound on a proportion clears ``limit`` after ``n`` independent outcomes.

    For ``rate`` below ``limit`` the upper bound at ``confidence`` has to be below it, which it is at up to k hits:
    those with :math:`\Pr[\mathrm{Bin}(n, \mathrm{limit}) \le k] < 1 - \mathrm{confidence}`; for a rate above, the lower
    bound above it.

    >>> round(power(59, 0.0, 0.05), 3), round(power(58, 0.0, 0.05), 3)
    (1.0, 0.0)
    """
    _check(rate, limit, confidence)
    if rate > limit:
        return power(n, 1 - rate, 1 - limit, confidence=confidence)
    guess = float(bdtrik(1 - confidence, float(n), limit))
    below = [k for k in range(max(0, int(guess) - 1), int(guess) + 2) if bdtr(float(k), n, limit) < 1 - confidence]
    return float(bdtr(float(below[-1]), n, rate)) if below else 0.0


def needed(
    rate: float,
    limit: float,
    *,
    confidence: float = 0.95,
    power: float = 0.8,
    design_effect: float = 1.0,
) -> int:
    r"""The n from which on the exact bound on a proportion clears ``limit`` with probability at least ``power``.

    That is for this n and every larger one: where one hit more is allowed power leaps, and between such n it falls.

    Parameters
    ----------
    rate : what the proportion is thought to be.
    limit : what the bound at ``confidence`` has to be below (above, for a rate above it): threshold minus buffer.
    design_effect : of clusters, see `design_effect`: so many dependent outcomes are worth one.

    Raises GnomonError when rate and limit are equal or outside [0, 1], or more than about 30,000 hits would be allowed.

    >>> needed(0.0, 0.05), needed(0.01, 0.05), needed(0.01, 0.05, design_effect=2)
    (59, 124, 248)
    """
    _check(rate, limit, confidence)
    if rate > limit:
        rate, limit = 1 - rate, 1 - limit
    if not 0 < power < 1 or not design_effect >= 1:
        raise GnomonError(f"a power of {power:g} with a design effect of {design_effect:g}", mend="e.g. 0.8 and 1")
    z_limit, z_rate = float(ndtri(confidence)), float(ndtri(power))
    spread = z_limit * math.sqrt(limit * (1 - limit)) + z_rate * math.sqrt(rate * (1 - rate))
    # twice the hits that the normal approximation allows: the answer lies in the first half
    count = max(64, 2 * math.ceil(limit * (spread / (limit - rate)) ** 2))
    while count <= _MOST_HITS:
        starts = _starts(count, limit, confidence)
        # least before one hit more is allowed
        worst = bdtr(np.arange(count - 1.0), starts[1:] - 1, rate)
        short = np.flatnonzero(worst < power)
        first = int(short[-1]) + 1 if len(short) else 0
        if first < count // 2:
            return math.ceil(int(starts[first]) * design_effect)
        count *= 2
    raise GnomonError(f"a rate of {rate:g} is too near to {limit:g} to be told from it", mend="give a smaller buffer")


def design_effect(size: float, correlation: float) -> float:
    r"""How many outcomes in clusters are worth one: :math:`1 + (m - 1)\rho`, with m of correlation ρ in each.

    Source: Kish, Survey Sampling (1965).

    >>> design_effect(5, 0.5)
    3.0
    """
    if size < 1 or not 0 <= correlation <= 1:
        raise GnomonError(f"clusters of {size:g} with a correlation of {correlation:g}", mend="give ≥ 1 and 0 to 1")
    return 1 + (size - 1) * correlation


def _starts(count: int, limit: float, confidence: float) -> NDArray[np.int64]:
    """The least n at which 0, 1, …, count - 1 hits are allowed."""
    hits = np.arange(float(count))
    low, high = hits.astype(np.int64), np.maximum(2 * hits, 1).astype(np.int64)
    while (behind := bdtr(hits, high, limit) >= 1 - confidence).any():
        high[behind] *= 2
    while (high - low > 1).any():
        middle = (low + high) // 2
        enough = bdtr(hits, middle, limit) < 1 - confidence
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(high)


def _check(rate: float, limit: float, confidence: float) -> None:
    if not (0 <= rate <= 1 and 0 < limit < 1) or rate == limit:
        raise GnomonError(f"a rate of {rate:g} cannot be told from {limit:g}", mend="give two that differ, in [0, 1]")
    if not 0 < confidence < 1:
        raise GnomonError(f"a confidence of {confidence:g}", mend="give one between 0 and 1, such as 0.95")
