"""Confidence sequences of rates: intervals at every n that hold at once, however often one looks."""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import betaln

_ROOT = 1e-12


def rate_interval(errors: float, observed: int, *, delta: float) -> tuple[float, float]:
    r"""Ends of a confidence sequence for a rate: all of them hold at once with probability at least :math:`1-\delta`.

    They are the rates p at which Robbins' mixture of likelihood ratios is below 1/δ,

    .. math:: \frac{B(k + \frac12,\, n - k + \frac12)}{B(\frac12, \frac12)\; p^k (1-p)^{n-k}} < \frac1\delta,

    k the sum of the errors. For errors between 0 and 1, not 0 or 1 alone, the left side is still a supermartingale,
    because :math:`(q/p)^x ((1-q)/(1-p))^{1-x}` is convex in x. The rate is to be the same at every time given the past.

    Sources: Robbins, Ann. Math. Stat. 41 (1970) 1397; Waudby-Smith & Ramdas, arXiv:2010.09686.
    """
    if observed == 0:
        return 0.0, 1.0
    ahead = float(betaln(errors + 0.5, observed - errors + 0.5) - betaln(0.5, 0.5)) + math.log(delta)
    return _lower(errors, observed, ahead), 1 - _lower(observed - errors, observed, ahead)


def _lower(errors: float, observed: int, ahead: float) -> float:
    r"""The smaller root of :math:`a = k \log p + (n-k) \log(1-p)`; 0 where it is below all numbers."""
    if errors == observed:
        return math.exp(ahead / observed)
    least = math.exp(ahead / errors) if errors > 0 else 0.0  # without the second term, which is negative
    if least == 0.0:
        return 0.0

    def excess(p: float) -> float:
        return ahead - errors * math.log(p) - (observed - errors) * math.log1p(-p)

    return float(brentq(excess, least, errors / observed, xtol=_ROOT))
