"""From numbers, one a seed, to measurements over seeds: what every claim rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, t

from gnomon.measurement import Measurement, Quantity, Randomness, Uncertainty, clopper_pearson

LEVEL = 0.95
_LEAST_LEVEL = 0.9
_OVER_SEEDS: frozenset[Randomness] = frozenset({"seed"})


def median_over_seeds(
    quantity: Quantity, values: Sequence[float | None], *, labels: dict[str, str] | None = None
) -> Measurement:
    r"""The median over seeds, with the distribution-free interval between two order statistics.

    :math:`[x_{(k)}, x_{(n+1-k)}]` covers the median with probability at least
    :math:`1 - 2 P(\mathrm{Bin}(n, 1/2) < k)`, whatever the distribution; k is the largest for which that is 0.95, or
    1 where that gives 0.9 at least (n = 5: 0.9375), and the level stated is the exact one. ``None`` stands for a seed
    in which the event never came: it counts as +∞. With fewer than 5 seeds, or where an end is infinite, nothing
    is read.

    Source: David & Nagaraja, Order Statistics (2003), section 7.1.
    """
    x = np.sort([math.inf if v is None else float(v) for v in values])
    n = len(x)
    k, level = _order(n)
    if k == 0:
        return Measurement.insufficient(
            quantity,
            f"{n} seeds bound no median",
            suffices={"seeds": 5.0},
            labels=labels,
            estimator="median_over_seeds",
        )
    low, high, middle = x[k - 1], x[n - k], float(np.median(x))
    if not np.isfinite([low, high]).all():
        never = int(np.isinf(x).sum())
        reason = f"never reached in {never} of {n} seeds"
        return Measurement.insufficient(quantity, reason, labels=labels, estimator="median_over_seeds")
    interval = Uncertainty.interval(
        float(low), float(high), level=level, covers=_OVER_SEEDS, effective_samples=float(n), systematic=0.0
    )
    return Measurement.ok(
        quantity, middle, interval, labels=labels, estimator="median_over_seeds", diagnostics=_values(x)
    )


def mean_over_seeds(
    quantity: Quantity, values: Sequence[float], *, level: float = LEVEL, labels: dict[str, str] | None = None
) -> Measurement:
    """The mean over seeds with Student's interval; exact for normal values. At least 3 seeds are needed."""
    return _mean(quantity, np.asarray(values, dtype=np.float64), level, labels, "mean_over_seeds", logarithms=False)


def geometric_mean_over_seeds(
    quantity: Quantity, values: Sequence[float], *, level: float = LEVEL, labels: dict[str, str] | None = None
) -> Measurement:
    """The geometric mean over seeds with Student's interval of the logarithms. At least 3 positive values."""
    x = np.asarray(values, dtype=np.float64)
    return _mean(quantity, x, level, labels, "geometric_mean_over_seeds", logarithms=True)


def share_of_seeds(
    quantity: Quantity, happened: Sequence[bool], *, level: float = LEVEL, labels: dict[str, str] | None = None
) -> Measurement:
    """The share of seeds in which something happened, with the exact binomial interval."""
    if not happened:
        return Measurement.insufficient(
            quantity, "no seed was run", suffices={"seeds": 5.0}, labels=labels, estimator="share_of_seeds"
        )
    interval = clopper_pearson(sum(happened), len(happened), level=level, covers=_OVER_SEEDS)
    return Measurement.ok(quantity, sum(happened) / len(happened), interval, labels=labels, estimator="share_of_seeds")


def _order(n: int) -> tuple[int, float]:
    """The k of the interval of the median, and its level; k = 0 where there is none."""
    best = 0
    for k in range(1, n // 2 + 1):
        if 1 - 2 * float(binom.cdf(k - 1, n, 0.5)) >= LEVEL:
            best = k
    if best == 0 and n >= 1 and 1 - 2 * 0.5**n >= _LEAST_LEVEL:
        best = 1
    return best, 1 - 2 * float(binom.cdf(best - 1, n, 0.5)) if best else 0.0


def _mean(
    quantity: Quantity,
    x: NDArray[np.float64],
    level: float,
    labels: dict[str, str] | None,
    name: str,
    *,
    logarithms: bool,
) -> Measurement:
    n = len(x)
    if n < 3:
        return Measurement.insufficient(
            quantity, f"{n} seeds bound no mean", suffices={"seeds": 5.0}, labels=labels, estimator=name
        )
    if not np.isfinite(x).all() or (logarithms and (x <= 0).any()):
        return Measurement.insufficient(quantity, "a seed gave no finite number", labels=labels, estimator=name)
    y = np.log(x) if logarithms else x
    half = float(t.ppf((1 + level) / 2, n - 1) * y.std(ddof=1) / math.sqrt(n))
    middle = float(y.mean())
    ends = middle - half, middle, middle + half
    low, value, high = (float(np.exp(e)) for e in ends) if logarithms else ends
    interval = Uncertainty.interval(
        low, high, level=level, covers=_OVER_SEEDS, effective_samples=float(n), systematic=0.0
    )
    return Measurement.ok(quantity, value, interval, labels=labels, estimator=name, diagnostics=_values(x))


def _values(x: NDArray[np.float64]) -> dict[str, Any]:
    return {"values": [None if math.isinf(v) else float(v) for v in x]}
