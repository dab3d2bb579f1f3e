"""From what a log states to a measurement whose interval can be believed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.assurance.reported.counts import counted
from gnomon.assurance.reported.quantities import SCORE
from gnomon.assurance.reported.score import Points, Score
from gnomon.measurement import Measurement, Uncertainty, clopper_pearson
from gnomon.statistics import mean, proportion

_ESTIMATOR = "reported"


def measured(score: Score, *, level: float = 0.95) -> Measurement:
    """The score with an interval that holds, or why there is none. The value is the log's own.

    From samples: `gnomon.statistics.proportion` of zeros and ones, `gnomon.statistics.mean` of other points, by sample
    or by what the log clusters by. Samples without a score widen the interval to all that they could have had. Without
    samples: the exact interval where value, error and n show that all points were 0 or 1 (see `counted`), else
    Student's from the log's own error.
    """
    points = score.points
    diagnostics: dict[str, Any] = {"log": score.log.name, "model": score.model}
    if not math.isnan(score.stated):
        diagnostics["stated"] = score.stated
    if score.error is not None and not math.isnan(score.error):
        diagnostics["stated_error"] = score.error
    common: dict[str, Any] = {"labels": score.labels, "estimator": _ESTIMATOR, "diagnostics": diagnostics}
    if points is None:
        if math.isnan(score.stated):
            return Measurement.insufficient(SCORE, "the log states NaN and has no samples for it", **common)
        return _from_aggregate(score, level, common)
    lacking = np.isnan(points.values)
    diagnostics |= {
        "observations": len(points.values),
        "clusters": len(set(points.clusters)),
        "unscored": int(lacking.sum()),
    }
    if lacking.all():
        return Measurement.insufficient(SCORE, "no sample has a score", suffices={"samples": 1.0}, **common)
    value = float(points.values[~lacking].mean())
    if not lacking.any():
        _, spread = _spread(points, points.values, level)
        return _told(value, spread, common)
    if points.bounds is None:
        reason = f"{lacking.sum()} of {len(lacking)} samples have no score, and nothing bounds what it would be"
        return Measurement.insufficient(SCORE, reason, **common)
    lowest, highest = (_spread(points, np.where(lacking, end, points.values), level)[1] for end in points.bounds)
    spread = Uncertainty.interval(
        _end(lowest.low),
        _end(highest.high),
        level=level,
        covers={"data"},
        effective_samples=lowest.effective_samples,
        systematic=0.0,
    )
    return _told(value, spread, common)


def _spread(points: Points, values: NDArray[np.float64], level: float) -> tuple[float, Uncertainty]:
    if points.binary:
        return proportion(values, points.clusters, level=level)
    return mean(values, points.clusters, level=level, within=points.within)


def _told(value: float, spread: Uncertainty, common: dict[str, Any]) -> Measurement:
    if spread.kind == "unknown":
        reason = f"nothing is seen of how scores vary: all are {value:.4g}, or all are in one cluster"
        return Measurement.insufficient(SCORE, reason, **common)
    return Measurement.ok(SCORE, value, spread, **common)


def _end(end: object) -> float:
    assert isinstance(end, float)
    return end


def _from_aggregate(score: Score, level: float, common: dict[str, Any]) -> Measurement:
    found = counted(score.stated, score.error, score.count, share=score.share)
    if score.hits is not None and score.count is not None:
        found = score.hits, score.count
    if found is not None:
        hits, n = found
        common["diagnostics"]["observations"] = n
        return Measurement.ok(SCORE, score.stated, clopper_pearson(hits, n, level=level), **common)
    if score.count is not None:
        common["diagnostics"]["observations"] = score.count
    if not score.error or math.isnan(score.error):
        without = "without samples" if score.error != 0 else "without samples, and an error of 0 that says nothing"
        return Measurement.insufficient(SCORE, f"a value {without}", suffices={"samples": 1.0}, **common)
    if score.count is not None and score.count < 2:
        return Measurement.insufficient(SCORE, "one sample", suffices={"samples": 2.0}, **common)
    spread = Uncertainty.stderr(
        score.stated,
        score.error,
        covers={"data"},
        level=level,
        degrees_of_freedom=None if score.count is None else score.count - 1,
    )
    return Measurement.ok(SCORE, score.stated, spread, **common)
