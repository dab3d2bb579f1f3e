"""Selective prediction: how often answers are wrong that are given with at least some confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, expit, logit, stdtrit

from gnomon.assurance.errors.confirmation import share
from gnomon.assurance.errors.graded import Graded
from gnomon.errors import GnomonError
from gnomon.measurement import Uncertainty
from gnomon.statistics import Family, proportion

Array = NDArray[np.float64]

POINTS = 20
# thresholds of confidence that are tried; fixed, so that no error decides which they are
THRESHOLDS = (0.999, 0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.2, 0.0)
_FEWEST = 5  # clusters that have the rarer outcome, for an asymptotic interval


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """Risk at thresholds of confidence.

    Parameters
    ----------
    thresholds, coverage, risk : ``(k,)``; coverage is the share of examples at or above the threshold.
    low, high : ``(k,)``; the band holds for all of these thresholds at once.
    """

    thresholds: Array
    coverage: Array
    risk: Array
    low: Array
    high: Array


def confidence_of(graded: Graded) -> Array:
    """Its confidences. Raises GnomonError where there are none."""
    if graded.confidence is None or not len(graded):
        raise GnomonError(f"{graded.source or 'the table'} has no confidences", mend="add a column confidence")
    return graded.confidence


def risk_coverage(graded: Graded, *, level: float = 0.95) -> RiskCoverage:
    r"""The risk :math:`R(\tau) = \mathbb E[e \mid c \ge \tau]` at 20 coverages, with a band that holds for all at once.

    The thresholds are the confidences above which a twentieth, two twentieths, … of all examples are. Given a threshold
    that is the confidence of an example, the errors of those above it are independent draws of :math:`R(\tau)`, so each
    interval is exact for independent examples; the band corrects for 20 (Bonferroni).

    Raises GnomonError without confidences. Cost: a sort, and an interval a threshold.
    """
    sure = confidence_of(graded)
    ordered = np.sort(sure)[::-1]
    ranks = np.unique(np.ceil(len(sure) * np.arange(1, POINTS + 1) / POINTS).astype(np.int64))
    thresholds = np.unique(ordered[ranks - 1])[::-1]
    each = Family("coverages", tuple(map(repr, thresholds.tolist()))).simultaneous(level)
    found = [share(graded, sure >= threshold, each) for threshold in thresholds]
    return RiskCoverage(
        thresholds=thresholds,
        coverage=np.array([(sure >= threshold).mean() for threshold in thresholds]),
        risk=np.array([risk for risk, _ in found]),
        low=np.array([interval.low for _, interval in found], dtype=np.float64),
        high=np.array([interval.high for _, interval in found], dtype=np.float64),
    )


def area(graded: Graded, *, level: float = 0.95) -> tuple[float, Uncertainty]:
    r"""The area under the risk–coverage curve, :math:`\psi = \int R(t)\, dF(t)`, F the distribution of confidence.

    With :math:`G(t) = \Pr[c \ge t]` and :math:`R(t) = \mathbb E[e\,1[c \ge t]] / G(t)`, an example (c, e) moves ψ by

    .. math:: \varphi(c, e) = R(c) - \psi + \int_{t \le c} \frac{e - R(t)}{G(t)} \, dF(t),

    and the interval is Student's on the clusters' sums of φ, for the logit of ψ, with K degrees of freedom: the number
    of clusters that have the rarer of errors and right answers. It is asymptotic: the tests say how well it covers.
    With K below 5 it is the range of ψ that the interval of :math:`p = \mathbb E[e]` leaves: at most all errors are the
    most confident, at least the least confident answers,

    .. math:: p + (1 - p) \ln(1 - p) \le \psi \le p - p \ln p,

    which holds at every n, and is unknown for one cluster.

    Raises GnomonError without confidences. Cost: a sort.
    Source: Geifman, Uziel & El-Yaniv, arXiv:1805.08206; Zhou et al., arXiv:2410.15361; φ and range are derived here.
    """
    sure = confidence_of(graded)
    n = len(sure)
    values, place, counts = np.unique(sure, return_inverse=True, return_counts=True)
    at_least = np.cumsum(counts[::-1])[::-1]
    wrong = np.cumsum(np.bincount(place, weights=graded.errors)[::-1])[::-1]
    risk, mass = wrong / at_least, counts / n
    value = min(float(risk @ mass), 1.0)
    slope, offset = (np.cumsum(mass * factor * n / at_least) for factor in (np.ones(len(values)), risk))
    moved = risk[place] - value + graded.errors * slope[place] - offset[place]
    _, ids = np.unique(graded.clusters, return_inverse=True)
    count = int(ids.max()) + 1
    if count == 1:
        return value, Uncertainty.unknown()
    rarer = min(len(np.unique(ids[graded.errors > 0])), len(np.unique(ids[graded.errors < 1])))
    residual = float(np.square(np.bincount(ids, weights=moved)).sum())
    _, overall = share(graded, np.ones(n, dtype=bool), level)
    if rarer < _FEWEST or residual == 0:
        rates = [float(end or 0.0) for end in (overall.low, overall.high)]
        low, high = rates[0] - float(entr(1 - rates[0])), rates[1] + float(entr(rates[1]))
    else:
        half = float(stdtrit(min(count - 1, rarer), 0.5 + level / 2)) * math.sqrt(count / (count - 1) * residual) / n
        half /= value * (1 - value)
        low, high = (float(expit(logit(value) + side * half)) for side in (-1, 1))
    return value, Uncertainty.interval(
        min(max(0.0, low), value),
        max(min(1.0, high), value),
        level=level,
        covers={"data"},
        effective_samples=overall.effective_samples,
        systematic=0.0,
    )


@dataclass(frozen=True)
class Answering:
    """From which confidence on answers may be given.

    Parameters
    ----------
    threshold : of confidence; answers below it are withheld.
    coverage, coverage_interval : share of questions that are answered.
    risk : share of errors among the answers, as seen.
    """

    threshold: float
    coverage: float
    coverage_interval: Uncertainty
    risk: float


def answering(graded: Graded, *, risk: float, delta: float, level: float = 0.95) -> Answering | None:
    r"""The lowest threshold τ at which :math:`\mathbb E[e \mid c \ge \tau] \le r` with probability 1 − δ, or ``None``.

    For each of 12 fixed thresholds the risk has an upper bound at confidence :math:`1 - \delta/12`, so that all 12 hold
    at once with probability 1 − δ; those at or below r are kept, and the lowest of them is taken. (The most careful
    threshold answers hardly anything and proves nothing: no sequence of tests could begin there.) The bound is exact
    for independent answers that are right or wrong; with clusters as good as `gnomon.statistics.proportion` is.

    Raises GnomonError without confidences.
    Sources: Geifman & El-Yaniv, arXiv:1705.08500; Angelopoulos et al., arXiv:2110.01052.
    """
    sure = confidence_of(graded)
    kept = []
    for threshold in THRESHOLDS:
        above = sure >= threshold
        if above.any():
            seen, interval = share(graded, above, 1 - 2 * delta / len(THRESHOLDS))
            if float(interval.high or 0.0) <= risk:
                kept.append((threshold, seen))
    if not kept:
        return None
    threshold, seen = min(kept)
    coverage, interval = proportion(sure >= threshold, graded.clusters, level=level)
    return Answering(threshold, coverage, interval, seen)


def least_answers(risk: float, delta: float) -> int:
    """How many independent answers, all right, are enough for `answering` to keep a threshold."""
    return math.ceil(math.log(delta / len(THRESHOLDS)) / math.log1p(-risk))
