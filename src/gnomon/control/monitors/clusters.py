"""Thresholds where texts come in clusters that depend on each other: a conversation's turns, a document's parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnomon.control.monitors.guarantee import Cut, TooFewTextsError, check_levels
from gnomon.control.monitors.order_statistic import order_statistic
from gnomon.randomness import Rng
from gnomon.statistics import betting_p_value, least_units

Array = NDArray[np.float64]


def any_in_cluster(scores: Array, clusters: NDArray[np.int64], *, alpha: float, delta: float) -> Cut:
    r"""The threshold by the highest score of each cluster: at most α of clusters raise any alarm.

    Clusters are independent, so that `order_statistic` of their maxima is exact. Every text of a cluster raises an
    alarm no more often than the cluster does.

    Parameters
    ----------
    scores, clusters : ``(n,)``.

    Raises as `order_statistic` does.
    """
    _, ids = np.unique(clusters, return_inverse=True)
    highest = np.full(int(ids.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(highest, ids, scores)
    return order_statistic(highest, alpha=alpha, delta=delta, unit="cluster")


def text_of_cluster(scores: Array, clusters: NDArray[np.int64], *, alpha: float, delta: float, rng: Rng) -> Cut:
    r"""The lowest threshold at which a random text of a random cluster raises an alarm with probability at most α.

    The loss of a cluster is the share :math:`L_c(\tau)` of its texts above τ, in [0, 1] whatever the dependence inside;
    clusters count alike, whatever their size. τ is the lowest score at which `betting_p_value` of all clusters' losses
    is at most δ. The rate falls with τ, so that a single test at level δ is what the search costs: let q be the lowest
    threshold that keeps α; where τ < q, the p-value of the losses at q (scores equal to q counted as above) was at most
    δ, though their mean is at least α.

    That is never much worse than the exact threshold from one text of each cluster, and better the less texts of a
    cluster depend on each other (docs/control/monitors.md has numbers); it uses all texts. It is not exact: the
    probability of exceeding α is below δ by an unknown amount.

    Parameters
    ----------
    rng : shuffles the clusters: the p-value is not valid in an order that follows the scores.

    Raises TooFewTextsError with fewer clusters than `least_units`. Cost: :math:`4C \log_2 n` operations.
    Source: Bates et al., arXiv:2101.02703 (the search over thresholds).
    """
    check_levels(alpha, delta)
    _, ids = np.unique(clusters, return_inverse=True)
    count = int(ids.max(initial=-1)) + 1
    if count < least_units(alpha, delta):
        raise TooFewTextsError(count, least_units(alpha, delta), alpha=alpha, delta=delta, unit="cluster")
    ids = rng.child("clusters").numpy().permutation(count)[ids]
    sizes = np.bincount(ids)
    candidates = np.unique(scores)

    def kept(candidate: int) -> bool:
        losses = np.bincount(ids, weights=scores > candidates[candidate], minlength=count) / sizes
        return bool(betting_p_value(losses, alpha, delta) <= delta)

    low, high = -1, len(candidates) - 1  # at the highest score nothing is above, and there are clusters enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if kept(middle) else (middle, high)
    return Cut(value=float(candidates[high]), units=count, allowed=None, alpha=alpha, delta=delta)
