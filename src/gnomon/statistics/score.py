"""Ends of intervals that invert a score test."""

from __future__ import annotations

from collections.abc import Callable

from scipy.optimize import brentq

_ROOT = 1e-12
_STEEPEST = 1e9  # scores beyond are as good as infinite


def score_end(score: Callable[[float], float], seen: float, z: float) -> float:
    """The difference above the ``seen`` one at which the score, which falls with it from 0, is ``-z``; at most 1."""
    end = 1 - _ROOT
    if seen >= end or score(end) > -z:
        return 1.0
    return float(brentq(lambda delta: max(score(delta), -_STEEPEST) + z, seen, end, xtol=_ROOT))
