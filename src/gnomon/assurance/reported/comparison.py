"""Two logs of the same questions, question by question."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.assurance.reported.quantities import SCORE_DIFFERENCE
from gnomon.assurance.reported.score import Points, Score
from gnomon.measurement import Measurement, Uncertainty
from gnomon.statistics import mcnemar, mean, paired_difference

_STEPS = 30  # of bisection
_LEAST = -12.0  # decimal logarithm of the smallest p-value that is told apart from 0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A difference and how probable one as large is where there is none.

    Parameters
    ----------
    difference : the score less the other.
    p_value : of no difference; ``None`` where it cannot be told.
    changed : share of the questions whose points differ; of shares, what decides how many are needed.
    deviation : standard deviation of the differences over questions.
    """

    difference: Measurement
    p_value: float | None = None
    changed: float | None = None
    deviation: float | None = None


def compare(score: Score, other: Score, *, level: float = 0.95) -> Comparison:
    """The score less the ``other``'s, over the questions that have points in both.

    Questions that one log lacks are left out and counted. With one answer each of right and wrong the interval is
    Tango's and the p-value McNemar's exact one; else both are those of the mean difference of the questions' means.
    """
    labels = score.labels
    if score.points is None or other.points is None:
        lacking = (score if score.points is None else other).log.name
        reason = f"{lacking} has no samples that this score is the mean of, so nothing can be paired"
        return Comparison(difference=_insufficient(reason, labels))
    one, two = _means(score.points), _means(other.points)
    shared = [key for key in one if key in two]
    diagnostics = {
        "log": score.log.name,
        "against": other.log.name,
        "pairs": len(shared),
        "unpaired": len(one) + len(two) - 2 * len(shared),
    }
    if not shared:
        return Comparison(difference=_insufficient("no question has points in both logs", labels))
    first, second = (np.array([means[key] for key in shared]) for means in (two, one))
    owners = dict(zip(score.points.samples, score.points.clusters, strict=True))
    clusters = [owners[key] for key in shared]
    bounds = score.points.bounds if score.points.bounds == other.points.bounds else None
    binary = bool(np.isin(np.concatenate([first, second]), (0.0, 1.0)).all())

    def spread(at: float) -> tuple[float, Uncertainty]:
        if binary:
            return paired_difference(first, second, clusters, level=at)
        if bounds is not None:
            return paired_difference(first, second, clusters, level=at, within=bounds)
        return mean(second - first, clusters, level=at)

    value, interval = spread(level)
    if interval.kind == "unknown":
        reason = f"nothing is seen of how differences vary: all are {value:.4g}, or all are in one cluster"
        return Comparison(difference=_insufficient(reason, labels))
    diagnostics["changed"] = int((first != second).sum())
    alone = len(set(clusters)) == len(clusters)
    won, lost = int((second > first).sum()), int((second < first).sum())
    return Comparison(
        difference=Measurement.ok(
            SCORE_DIFFERENCE, value, interval, labels=labels, estimator="reported", diagnostics=diagnostics
        ),
        p_value=mcnemar(won, lost) if binary and alone else _p_value(lambda at: spread(at)[1]),
        changed=float((first != second).mean()) if binary else None,
        deviation=float(np.std(second - first, ddof=1)) if len(shared) > 1 else None,
    )


def _means(points: Points) -> dict[str, float]:
    """The mean of each question's points, where it has any."""
    found: dict[str, list[float]] = {}
    for key, value in zip(points.samples, points.values.tolist(), strict=True):
        if not math.isnan(value):
            found.setdefault(key, []).append(value)
    return {key: sum(values) / len(values) for key, values in found.items()}


def _p_value(spread: Callable[[float], Uncertainty]) -> float:
    """One less the highest level at which the interval leaves out 0."""

    def leaves_out(level: float) -> bool:
        found = spread(level)
        ends: NDArray[np.float64] = np.array([found.low, found.high], dtype=np.float64)
        return bool(ends[0] > 0 or ends[1] < 0)

    low, high = _LEAST, 0.0  # decimal logarithms
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if leaves_out(1 - 10**middle) else (middle, high)
    return float(10**high)


def _insufficient(reason: str, labels: dict[str, str]) -> Measurement:
    return Measurement.insufficient(SCORE_DIFFERENCE, reason, labels=labels, estimator="reported")
