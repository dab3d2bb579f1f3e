"""How well a score tells examples with a concept from those without: area under the ROC curve, with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import stdtrit

from gnomon.errors import GnomonError
from gnomon.measurement import Uncertainty

Array = NDArray[np.float64]

# The model's variance at which an interval stops shrinking: with few pairs in the wrong order the empirical variance
# is far too small, and the exponential model's is within a factor of two of the truth for bell-shaped scores.
_LEAST_SHARE = 0.5
_ROOT = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Auroc:
    """An area under the ROC curve.

    Parameters
    ----------
    value : share of the pairs of a positive and a negative example that are in the right order, ties counting half.
    uncertainty : over ``data``; ``unknown`` when a class comes from one cluster alone.
    influence : ``(clusters,)``, what each cluster moves the value by to first order; they sum to zero.
    """

    value: float
    uncertainty: Uncertainty
    influence: Array


def auroc(
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    inflation: float = 1.0,
    level: float = 0.95,
) -> Auroc:
    r"""Area under the ROC curve, :math:`\Pr[s_+ > s_-] + \frac12 \Pr[s_+ = s_-]`, from ranks.

    The variance :math:`\hat\sigma^2` is that of the placements, summed over clusters; for independent examples it is
    DeLong's. The interval holds every θ with :math:`(\hat\theta - \theta)^2 \le t^2 \hat\kappa V(\theta)`, where

    .. math:: V(\theta) = \frac{\theta(1-\theta)}{mn}
       \Bigl[1 + k\frac{1-\theta}{2-\theta} + k\frac{\theta}{1+\theta}\Bigr], \quad k = \frac{m+n}{2} - 1

    is the variance for exponential scores, :math:`\hat\kappa = \max(\hat\sigma^2 / V(\hat\theta), \frac12)` puts it
    right, and t is Student's, its degrees of freedom after Satterthwaite. So it stays inside [0, 1] and does not
    collapse near its ends.

    When fewer than one of the P disjoint pairs of independent clusters is in the wrong order, the variance says
    nothing, and the lower end is at most :math:`(\frac{1-\mathrm{level}}2)^{1/P}`, which holds for every
    distribution: all P pairs are in order with probability :math:`\theta^P`. The interval is never [1, 1].

    Parameters
    ----------
    scores : ``(n,)``.
    labels : ``(n,)``; positive where above zero.
    clusters : ``(n,)`` ids of dependent examples; by default each is its own.
    strata : ``(n,)`` ids; only pairs within a stratum are compared, such as a fold of cross-validation, whose scores
        come from one read-out; the interval then holds the read-outs fixed (LeDell et al.), see `cross_validated`.
    inflation : what the variance is multiplied by, for dependence that clusters do not tell of.
    level : of the interval.

    Raises
    ------
    GnomonError : on shapes that do not match, scores that are not finite, or no stratum with both classes.

    Cost: :math:`n \log n`. Sources: DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988) 837; Obuchowski, Biometrics
    53 (1997) 567 (clusters); Hanley & McNeil, Radiology 143 (1982) 29 (V); Newcombe, Stat. Med. 25 (2006) 559 (score
    interval); LeDell, Petersen & van der Laan, Electron. J. Stat. 9 (2015) 1583 (folds).

    >>> found = auroc([0.1, 0.4, 0.35, 0.8], [-1, -1, 1, 1])
    >>> found.value
    0.75
    >>> perfect = auroc(range(20), [-1] * 10 + [1] * 10)
    >>> perfect.value, round(perfect.uncertainty.low, 3), perfect.uncertainty.high
    (1.0, 0.692, 1.0)
    """
    s, positive, ids, stratum = _checked(scores, labels, clusters, strata)
    above, counted = _placements(s, positive, stratum)
    positive, ids, stratum, above = positive[counted], ids[counted], stratum[counted], above[counted]
    pairs = _pairs(positive, stratum)
    # a placement counts as often as its example is compared: with the opposite class of its stratum
    share = pairs / pairs[positive].sum()
    value = min(float((share * above)[positive].sum()), 1.0)
    moved = share * (above - value)
    count = int(ids.max()) + 1
    moved *= inflation**0.5
    up, down = (_sums(moved[side], ids[side], count) for side in (positive, ~positive))
    present = tuple(len(np.unique(ids[side])) for side in (positive, ~positive))
    uncertainty = _uncertainty(value, up, down, present, positive, ids, stratum, level)
    return Auroc(value=value, uncertainty=uncertainty, influence=up + down)


def area(scores: Array, positive: NDArray[np.bool_]) -> float:
    """The value alone, of one stratum; ½ where a class is absent."""
    up, down = scores[positive], scores[~positive]
    return float(_below(up, down).mean()) if len(up) and len(down) else 0.5


def compare(first: Auroc, second: Auroc) -> tuple[float, Uncertainty]:
    r"""How much larger the first of two areas on the same examples and clusters is, and its uncertainty.

    The interval is put together from those of the two areas and the correlation :math:`\hat\rho` of their influences:
    :math:`L = d - \sqrt{a^2 + b^2 - 2\hat\rho ab}` with :math:`a = \theta_1 - l_1`, :math:`b = u_2 - \theta_2`, and the
    like for the upper end. Where one has no influence to see (an area of 1), :math:`\hat\rho = 0`.

    Raises GnomonError when they are not of the same clusters. Source: Zou & Donner, Stat. Med. 27 (2008) 1693; DeLong
    et al. (1988) for the correlation.
    """
    if first.influence.shape != second.influence.shape:
        raise GnomonError("the two areas are not of the same examples", mend="score the same examples with both")
    difference = first.value - second.value
    one, two = first.uncertainty, second.uncertainty
    if "unknown" in (one.kind, two.kind) or one.level is None or one.level != two.level:
        return difference, Uncertainty.unknown()
    lengths = float(np.linalg.norm(first.influence) * np.linalg.norm(second.influence))
    rho = float(first.influence @ second.influence) / lengths if lengths > 0 else 0.0

    def reach(a: float, b: float) -> float:
        return float(np.sqrt(max(a * a + b * b - 2 * rho * a * b, 0.0)))

    below, above = _arms(first), _arms(second)
    low = max(difference - reach(below[0], above[1]), -1.0)
    high = min(difference + reach(below[1], above[0]), 1.0)
    return difference, Uncertainty.interval(low, high, level=one.level, covers={"data"})


def _arms(one: Auroc) -> tuple[float, float]:
    low, high = one.uncertainty.low, one.uncertainty.high
    assert low is not None
    assert high is not None
    return one.value - float(low), float(high) - one.value


def _checked(
    scores: ArrayLike, labels: ArrayLike, clusters: ArrayLike | None, strata: ArrayLike | None
) -> tuple[Array, NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    s = np.asarray(scores, dtype=np.float64)
    positive = np.asarray(labels, dtype=np.float64) > 0
    ids = np.arange(len(s)) if clusters is None else np.asarray(clusters)
    stratum = np.zeros(len(s), dtype=np.int64) if strata is None else np.asarray(strata)
    if s.ndim != 1 or not s.shape == positive.shape == ids.shape == stratum.shape:
        raise GnomonError(f"scores {s.shape} and labels {positive.shape} do not belong together")
    if not np.isfinite(s).all():
        raise GnomonError("scores hold NaN or infinite numbers", mend="leave out such examples")
    return s, positive, _codes(ids), _codes(stratum)


def _codes(ids: NDArray[Any]) -> NDArray[np.int64]:
    return np.unique(ids, return_inverse=True)[1].astype(np.int64)


def _placements(s: Array, positive: NDArray[np.bool_], stratum: NDArray[np.int64]) -> tuple[Array, NDArray[np.bool_]]:
    """Share of the opposite class of its stratum that each example is on the right side of; and which have any."""
    above, counted = np.zeros(len(s)), np.zeros(len(s), dtype=np.bool_)
    for each in range(int(stratum.max(initial=-1)) + 1):
        up, down = (np.flatnonzero((stratum == each) & side) for side in (positive, ~positive))
        if len(up) and len(down):
            above[up] = _below(s[up], s[down])
            above[down] = 1 - _below(s[down], s[up])
            counted[up] = counted[down] = True
    if not counted.any():
        raise GnomonError("no stratum has both classes", mend="give examples with and without the concept")
    return above, counted


def _below(these: Array, others: Array) -> Array:
    """Share of ``others`` below each of ``these``, ties counting half."""
    ordered = np.sort(others)
    sides = ordered.searchsorted(these, "left") + ordered.searchsorted(these, "right")
    return np.asarray(sides / (2 * len(others)), dtype=np.float64)


def _sums(values: Array, ids: NDArray[np.int64], count: int) -> Array:
    return np.bincount(ids, weights=values, minlength=count).astype(np.float64)


def _pairs(positive: NDArray[np.bool_], stratum: NDArray[np.int64]) -> Array:
    """With how many examples each is compared."""
    size = np.bincount(stratum).astype(np.float64)
    up = np.bincount(stratum, weights=positive, minlength=len(size))
    return np.where(positive, (size - up)[stratum], up[stratum])


def _uncertainty(
    value: float,
    up: Array,
    down: Array,
    present: tuple[int, ...],
    positive: NDArray[np.bool_],
    ids: NDArray[np.int64],
    stratum: NDArray[np.int64],
    level: float,
) -> Uncertainty:
    if min(present) < 2:
        return Uncertainty.unknown()
    first, second = (float(np.square(x).sum()) * n / (n - 1) for x, n in zip((up, down), present, strict=True))
    clusters = len(np.unique(ids))
    variance = max(first + second + 2 * float(up @ down) * clusters / (clusters - 1), 0.0)
    freedom = clusters - 1.0
    if first + second > 0:
        spread = first**2 / (present[0] - 1) + second**2 / (present[1] - 1)
        freedom = min(freedom, (first + second) ** 2 / spread)
    m, n = float(positive.sum()), float((~positive).sum())
    tail = (1 - level) / 2
    free = _free_pairs(positive, ids, stratum)
    low, high = _score_interval(value, variance, m, n, float(stdtrit(freedom, 1 - tail)))
    sure = tail ** (1 / free)  # the least area at which all disjoint pairs are in order with probability ``tail``
    if value > 1 - 1 / free:
        low = min(low, sure)
    if value < 1 / free:
        high = max(high, 1 - sure)
    return Uncertainty.interval(low, high, level=level, covers={"data"}, effective_samples=float(clusters))


def _score_interval(value: float, variance: float, m: float, n: float, t: float) -> tuple[float, float]:
    k = (m + n) / 2 - 1

    def model(theta: float) -> float:
        return theta * (1 - theta) * (1 + k * (1 - theta) / (2 - theta) + k * theta / (1 + theta)) / (m * n)

    ratio = max(variance / model(value), _LEAST_SHARE) if 0 < value < 1 else 1.0

    def lower(seen: float) -> float:
        if seen <= _ROOT:
            return 0.0
        # the gap is positive at 0, and negative just below what was seen
        return float(brentq(lambda x: (seen - x) ** 2 - t * t * ratio * model(x), 0.0, seen - 1e-3 * _ROOT, xtol=_ROOT))

    return lower(value), 1 - lower(1 - value)  # V is the same at 1 - θ


def _free_pairs(positive: NDArray[np.bool_], ids: NDArray[np.int64], stratum: NDArray[np.int64]) -> int:
    """How many pairs of a positive and a negative, of different clusters, can be formed with no cluster used twice."""
    total = 0
    used: set[int] = set()
    for each in np.unique(stratum):
        here = stratum == each
        up, down = ({*ids[here & side].tolist()} - used for side in (positive, ~positive))
        used |= up | down
        total += min(len(up), len(down), len(up | down) // 2)
    return max(total, 1)
