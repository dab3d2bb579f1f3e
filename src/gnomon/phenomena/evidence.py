"""From numbers, one a seed, to measurements over seeds: what every claim rests on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, t

from gnomon.lab.sweep import Outcome
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
    in which the event never came: it counts as +∞. NaN stands for a seed that was lost (see `of_each`). As it may
    have been anything, it counts as −∞ in the lower end and as +∞ in the upper. With fewer than 5 seeds, or where an
    end is infinite, nothing is read.

    Source: David & Nagaraja, Order Statistics (2003), section 7.1.
    """
    given = np.array([math.inf if v is None else float(v) for v in values], dtype=np.float64)
    lost = np.isnan(given)
    x, n = np.sort(given[~lost]), len(given)
    k, level = _order(n)
    if k == 0:
        return Measurement.insufficient(
            quantity,
            f"{n} seeds bound no median",
            suffices={"seeds": 5.0},
            labels=labels,
            estimator="median_over_seeds",
        )
    low, high = np.sort(np.where(lost, -math.inf, given))[k - 1], np.sort(np.where(lost, math.inf, given))[n - k]
    if not np.isfinite([low, high]).all():
        never, gone = int(np.isinf(x).sum()), int(lost.sum())
        reason = f"{gone} of {n} seeds lost" if gone else f"never reached in {never} of {n} seeds"
        return Measurement.insufficient(quantity, reason, labels=labels, estimator="median_over_seeds")
    interval = Uncertainty.interval(
        float(low), float(high), level=level, covers=_OVER_SEEDS, effective_samples=float(n), systematic=0.0
    )
    return Measurement.ok(
        quantity,
        float(np.median(x)),
        interval,
        labels=labels,
        estimator="median_over_seeds",
        diagnostics=_values(given),
    )


def mean_over_seeds(
    quantity: Quantity, values: Sequence[float | None], *, level: float = LEVEL, labels: dict[str, str] | None = None
) -> Measurement:
    """The mean over seeds with Student's interval; exact for normal values.

    At least 3 seeds are needed, and a finite value of each: where one was lost, nothing is read.
    """
    return _mean(quantity, _array(values), level, labels, "mean_over_seeds", logarithms=False)


def geometric_mean_over_seeds(
    quantity: Quantity, values: Sequence[float | None], *, level: float = LEVEL, labels: dict[str, str] | None = None
) -> Measurement:
    """The geometric mean over seeds with Student's interval of the logarithms; otherwise as `mean_over_seeds`."""
    return _mean(quantity, _array(values), level, labels, "geometric_mean_over_seeds", logarithms=True)


def share_of_seeds(
    quantity: Quantity, happened: Sequence[bool | None], *, level: float = LEVEL, labels: dict[str, str] | None = None
) -> Measurement:
    """The share of seeds in which something happened, with the exact binomial interval.

    ``None`` stands for a seed that was lost: the lower end is that of its not having happened there, the upper end
    that of its having happened.
    """
    if not happened:
        return Measurement.insufficient(
            quantity, "no seed was run", suffices={"seeds": 5.0}, labels=labels, estimator="share_of_seeds"
        )
    n, known = len(happened), [h for h in happened if h is not None]
    if not known:
        return Measurement.insufficient(quantity, f"{n} of {n} seeds lost", labels=labels, estimator="share_of_seeds")
    least, most = (
        clopper_pearson(sum(known) + lost, n, level=level, covers=_OVER_SEEDS) for lost in (0, n - len(known))
    )
    share = sum(known) / len(known)
    return Measurement.ok(quantity, share, replace(least, high=most.high), labels=labels, estimator="share_of_seeds")


def of_each(outcomes: Sequence[Outcome | None], read: Callable[[Outcome], float | None]) -> list[float | None]:
    """What ``read`` makes of each outcome, one a seed; NaN where there is none, as its point failed.

    A seed that was lost is never left out: it may have been lost for what it would have shown.

    >>> of_each([{"loss": 2.0}, None], lambda outcome: outcome["loss"])
    [2.0, nan]
    """
    return [math.nan if outcome is None else read(outcome) for outcome in outcomes]


def _array(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([math.nan if v is None else v for v in values], dtype=np.float64)


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
    return {"values": [float(v) if math.isfinite(v) else None for v in x]}
