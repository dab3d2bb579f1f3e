"""How many hits a value and its error stand for, where a log holds no samples."""

from __future__ import annotations

import math

_RELATIVE = 1e-4  # of an error that logs print in full; those of other laws differ by far more


def counted(value: float, error: float | None, count: int | None, *, share: bool) -> tuple[int, int] | None:
    r"""Hits and trials, where ``value`` is shown to be a mean of zeros and ones; else ``None``.

    Of n points between 0 and 1 with mean p the error of the mean is at most :math:`\sqrt{p (1 - p) / (n - 1)}`, and is
    that only where all are 0 or 1. So an error of that size shows what they were, and n as well if it is not stated.
    A value of 0 or 1 shows it for a ``share``, whose points are known to lie between.

    >>> counted(0.25, 0.0693375245, None, share=True)
    (10, 40)
    >>> counted(0.0, 0.0, 30, share=True), counted(0.25, 0.05, 40, share=True)
    ((0, 30), None)
    """
    if not 0 <= value <= 1:
        return None
    if value in (0.0, 1.0):
        return (round(value * count), count) if share and count and not error else None
    if not error or math.isnan(error):
        return None
    trials = value * (1 - value) / error**2 + 1
    n = round(trials) if count is None else count
    hits = round(value * n)
    if n < 2 or not math.isclose(hits / n, value, rel_tol=1e-9, abs_tol=1e-9):
        return None
    return (hits, n) if math.isclose(math.sqrt(value * (1 - value) / (n - 1)), error, rel_tol=_RELATIVE) else None
