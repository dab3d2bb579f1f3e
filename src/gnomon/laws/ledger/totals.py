r"""How the predictions of a ledger did together.

Predictions of one challenge (or of one law) share points, seeds and parameters, and so do those of challenges that
share points. They are a cluster, and only across clusters are they taken as independent. The interval of a share is
Clopper and Pearson's at the effective number of predictions,

.. math:: n^* = n \min\left(1, \frac{p (1-p) / n}{\hat v} \left(\frac{t_{n-1}}{t_{C-1}}\right)^2\right),

with :math:`\hat v` the variance of the share between the C clusters (Korn & Graubard 1998); where all predictions or
none are covered nothing is seen of that, and :math:`n^* = C`. It is the exact binomial interval where every cluster
made one prediction. Skill is one minus the geometric mean of the ratios CRPS / CRPS of the baseline, since the mean of
skills is ruled by whichever baseline happened to be right; its interval is Student's over clusters.

Source: Korn & Graubard, Survey Methodology 24 (1998) 193; Liang & Zeger, Biometrika 73 (1986) 13.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

from gnomon.laws.ledger.book import Record
from gnomon.laws.ledger.score import LEVELS, Score
from gnomon.measurement import cluster_mean

INTERVAL = 0.95
"""Level of the intervals of totals."""


@dataclass(frozen=True, kw_only=True)
class Ranged:
    """A total with its interval; ``None`` for ends that one cluster alone does not give."""

    value: float
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, kw_only=True)
class Totals:
    """The totals of some predictions that were scored.

    Parameters
    ----------
    predictions, challenges, clusters : how many.
    coverage : by level in per cent, the share whose central interval held the measured number.
    skill : against each baseline.
    z_mean, z_rms : mean and root mean square of z: 0 and 1 where predictions are right.
    """

    predictions: int
    challenges: int
    clusters: int
    coverage: Mapping[str, Ranged]
    skill: Mapping[str, Ranged]
    z_mean: float | None
    z_rms: float | None

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "predictions": self.predictions,
            "challenges": self.challenges,
            "clusters": self.clusters,
            "coverage": {level: one.to_json() for level, one in self.coverage.items()},
            "skill": {name: one.to_json() for name, one in self.skill.items()},
            "z_mean": self.z_mean,
            "z_rms": self.z_rms,
        }


def totals(records: Iterable[Record]) -> Totals:
    """The totals of those of ``records`` that have a score."""
    chosen = [r for r in records if r.score is not None]
    scored = [(r.registered.cluster, r.score) for r in chosen if r.score is not None]
    clusters = [cluster for cluster, _ in scored]
    z = np.array([s.z for _, s in scored if s.z is not None])
    whole = len(z) == len(scored) > 0
    levels = [f"{100 * level:g}" for level in LEVELS] if scored else []
    names = sorted({name for _, s in scored for name in s.skill})
    return Totals(
        predictions=len(scored),
        challenges=len({r.registered.challenge for r in chosen} - {""}),
        clusters=len(set(clusters)),
        coverage={level: share([s.covered[level] for _, s in scored], clusters) for level in levels},
        skill={name: found for name in names if (found := _skill(scored, name)) is not None},
        z_mean=float(z.mean()) if whole else None,
        z_rms=float(np.sqrt(np.mean(z**2))) if whole else None,
    )


def share(happened: Sequence[bool], clusters: Sequence[str]) -> Ranged:
    """The share in which something happened, with the interval above."""
    n, p = len(happened), float(np.mean(happened))
    sums, counts = _by_cluster([float(h) for h in happened], clusters)
    effective = float(n)
    if len(counts) < n:
        if p in (0.0, 1.0) or len(counts) == 1:
            effective = float(len(counts))
        else:
            between = cluster_mean(sums, counts)[1]
            error = float(np.asarray(between.error))
            quantiles = float(stdtrit(n - 1, 0.975) / stdtrit(len(counts) - 1, 0.975))
            effective = n * min(1.0, p * (1 - p) / n / error**2 * quantiles**2) if error > 0 else float(n)
    tail = (1 - INTERVAL) / 2
    hits = p * effective
    low = 0.0 if hits == 0 else float(betaincinv(hits, effective - hits + 1, tail))
    high = 1.0 if hits == effective else float(betaincinv(hits + 1, effective - hits, 1 - tail))
    return Ranged(value=p, low=low, high=high)


def _skill(scored: Sequence[tuple[str, Score]], name: str) -> Ranged | None:
    """Skill against the baseline ``name``; ``None`` where no prediction has a finite one."""
    ratios = [
        (cluster, math.log(1 - skill))
        for cluster, score in scored
        if (skill := score.skill.get(name)) is not None and skill < 1
    ]
    if not ratios:
        return None
    mean, between = cluster_mean(*_by_cluster([r for _, r in ratios], [c for c, _ in ratios]), level=INTERVAL)
    if between.low is None or between.high is None:
        return Ranged(value=1 - math.exp(mean), low=None, high=None)
    return Ranged(
        value=1 - math.exp(mean),
        low=1 - math.exp(float(np.asarray(between.high))),
        high=1 - math.exp(float(np.asarray(between.low))),
    )


def _by_cluster(values: Sequence[float], clusters: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and count of ``values`` in each cluster."""
    _, place = np.unique(np.array(clusters), return_inverse=True)
    return np.bincount(place, np.array(values)).astype(np.float64), np.bincount(place).astype(np.float64)
