"""The exact test of a randomised comparison, and the interval of what the treatment adds."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.randomness import Rng

Array = NDArray[np.float64]

_ENUMERATED = 20_000  # assignments; more are drawn
_DRAWN = 9_999
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Randomised:
    """A difference of means, its one-sided p-value (no unit is raised), and the interval of a common rise."""

    difference: float
    p_value: float
    low: float
    high: float


def randomisation_test(treated: Array, control: Array, rng: Rng, *, level: float = 0.95) -> Randomised:
    r"""What treatment adds, where which units are treated was drawn at random and nothing else is assumed.

    Under the hypothesis that treatment adds δ to every unit, :math:`x_i - \delta z_i` are the values that all units
    would have without it, and every assignment S of as many units was as likely as the true one. With
    :math:`T_S = \bar x_S - \bar x_{S^c}`, and :math:`b_S` the same of the indicator z,

    .. math:: p(\delta) = \Pr_S\bigl[T_S - \delta b_S \ge T - \delta\bigr]
              = \Pr_S\Bigl[\tfrac{T - T_S}{1 - b_S} \le \delta\Bigr],

    so that the interval is read off the sorted ratios, with no search. All assignments are enumerated up to
    20,000, else 9999 are drawn and the true one counted with them, which keeps the level.

    Sources: Fisher, The Design of Experiments (1935); Pitman, JRSS Suppl. 4 (1937) 119; Phipson & Smyth, Stat. Appl.
    Genet. Mol. Biol. 9 (2010) 39 (the true assignment counts). Raises GnomonError when a group is empty.

    >>> found = randomisation_test(np.array([5.0, 6, 7, 8]), np.array([1.0, 2, 3, 4]), Rng(0), level=0.9)
    >>> found.difference, round(found.p_value * 70)
    (4.0, 1)
    """
    count, others = len(treated), len(control)
    if not count or not others:
        raise GnomonError(f"{count} treated and {others} not", mend="give at least one of each")
    pooled = np.concatenate([treated, control])
    n = count + others
    if math.comb(n, count) <= _ENUMERATED:
        chosen = np.array(list(itertools.combinations(range(n), count)))[1:]  # the first is the true one
    else:
        generator = rng.child("assignments").numpy()
        chosen = generator.permuted(np.tile(np.arange(n), (_DRAWN, 1)), axis=1)[:, :count]
    difference = float(treated.mean() - control.mean())
    sums, kept = pooled[chosen].sum(axis=1), (chosen < count).sum(axis=1)
    others_mean = (pooled.sum() - sums) / others
    share = kept / count - (count - kept) / others
    moved = sums / count - others_mean
    p_value = (1 + float((moved >= difference - _ROUNDING * (1 + abs(difference))).sum())) / (1 + len(chosen))
    same = kept == count  # a drawn assignment may be the true one: it is never against any δ
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(same, np.nan, (difference - moved) / (1 - share))
    always = 1 + int(same.sum())
    ordered = np.sort(ratios[~same])
    allowed = math.floor((1 - level) / 2 * (1 + len(chosen)))  # assignments that may lie beyond an end
    beyond = allowed - always
    low = -math.inf if beyond < 0 or beyond >= len(ordered) else float(ordered[beyond])
    high = math.inf if beyond < 0 or beyond >= len(ordered) else float(ordered[len(ordered) - 1 - beyond])
    return Randomised(difference, p_value, low, high)
