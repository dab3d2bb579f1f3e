"""The median of repetitions, with an interval that needs no assumption about their distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr

from gnomon.errors import GnomonError
from gnomon.measurement import Uncertainty


def median_interval(
    values: ArrayLike, *, level: float = 0.95, systematic: float | None = None, systematic_source: str = ""
) -> tuple[float, Uncertainty]:
    r"""The median of independent repetitions, and the narrowest symmetric pair of them that holds it.

    The ends are the r-th smallest and the r-th largest of n, with the largest r at which

    .. math:: 1 - 2 \Pr[\mathrm{Bin}(n, 1/2) \le r - 1] \ge \mathrm{level}.

    Source: David & Nagaraja, Order Statistics (2003), section 7.1.

    Raises GnomonError when there are too few for the level: the smallest and the largest hold it with probability
    :math:`1 - 2^{1-n}`.

    >>> value, interval = median_interval([5.0, 1.0, 2.0, 9.0, 3.0, 4.0])
    >>> value, interval.low, interval.high
    (3.5, 1.0, 9.0)
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    missed = [2 * float(bdtr(float(r - 1), n, 0.5)) for r in range(1, n // 2 + 1)]
    ranks = [r for r, miss in enumerate(missed, start=1) if miss <= 1 - level]
    if not ranks:
        needed = int(np.ceil(1 - np.log2(1 - level)))
        raise GnomonError(f"{n} repetitions for an interval of level {level:g}", mend=f"make at least {needed}")
    low, high = float(ordered[ranks[-1] - 1]), float(ordered[n - ranks[-1]])
    interval = Uncertainty.interval(
        low,
        high,
        level=level,
        covers={"probe"},
        effective_samples=float(n),
        systematic=systematic,
        systematic_source=systematic_source,
    )
    return float(np.median(ordered)), interval
