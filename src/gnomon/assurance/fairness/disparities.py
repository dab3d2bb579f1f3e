r"""Differences and ratios of rates between groups, as fairlearn defines them, with intervals that hold at every n.

A largest difference among groups is biased: of groups that are alike in truth one is always above another in a sample,
by more the smaller they are. So the interval is not put around the value but made from the rates: their intervals hold
all at once with probability ``level`` (each at :math:`1 - (1 - \mathrm{level}) / m` for m rates), and with
:math:`l_g \le r_g \le u_g` for all groups

.. math::
    \max\Bigl(0, \max_g l_g - \min_g u_g\Bigr) &\le \max_g r_g - \min_g r_g
        \le \max_{g \ne h}\, (u_g - l_h), \\
    \min_{g \ne h} \frac{l_g}{u_h} &\le \frac{\min_g r_g}{\max_g r_g}
        \le \min\Bigl(1, \frac{\min_g u_g}{\max_g l_g}\Bigr),

the least and the largest that the difference can be inside the box. It is wider than it must be for two large groups
(about 1.6 times Wald's), and its coverage is at least the level for independent rows.

Source: Weerts et al., arXiv:2303.16626, and fairlearn's definitions (between groups, worst case).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rates:
    """One rate of each of G groups: ``(G,)`` values, and the ends of intervals that hold at once."""

    values: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Disparity:
    """A value with the ends of its interval."""

    value: float
    low: float
    high: float


def difference(rates: Rates) -> Disparity:
    """The largest minus the least.

    >>> difference(Rates(np.array([0.2, 0.5]), np.array([0.1, 0.4]), np.array([0.3, 0.6])))
    Disparity(value=0.3, low=0.1, high=0.5)
    """
    low = max(0.0, float(rates.low.max() - rates.high.min()))
    high = max(float(rates.high[g] - rates.low[h]) for g, h in _pairs(len(rates.values)))
    return Disparity(*(round(x, 12) for x in (float(np.ptp(rates.values)), low, high)))


def ratio(rates: Rates) -> Disparity | None:
    """The least over the largest; ``None`` where no group has any, so that there is no ratio."""
    top = float(rates.values.max())
    if top == 0:
        return None
    low = min(float(rates.low[g] / rates.high[h]) for g, h in _pairs(len(rates.values)))
    floor = float(rates.low.max())
    high = min(1.0, float(rates.high.min()) / floor) if floor > 0 else 1.0
    return Disparity(float(rates.values.min()) / top, min(low, 1.0), high)


def worst(disparities: Sequence[Disparity], *, largest: bool) -> Disparity:
    """The largest (of differences), or the least (of ratios), whose intervals hold at once."""
    pick = max if largest else min
    return Disparity(
        pick(d.value for d in disparities), pick(d.low for d in disparities), pick(d.high for d in disparities)
    )


def _pairs(groups: int) -> list[tuple[int, int]]:
    return [(g, h) for g in range(groups) for h in range(groups) if g != h]
