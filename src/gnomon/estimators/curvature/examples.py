"""Which examples are measured: as many as are affordable, and in groups that are independent of each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnomon.estimators import Budget
from gnomon.randomness import Rng
from gnomon.subjects import Data


def affordable(data: Data, positions: int, budget: Budget) -> int:
    """How many examples of mean length hold at most ``positions`` positions, at least two and at most all."""
    most = len(data) if budget.examples is None else min(budget.examples, len(data))
    return min(most, max(2, int(positions / float(np.mean(data.lengths)))))


def clusters_in(data: Data) -> int:
    """The number of independent examples."""
    return len(np.unique(data.clusters))


def groups(data: Data, most: int, rng: Rng) -> list[NDArray[np.int64]]:
    """The examples in at most ``most`` groups of whole clusters, dealt at random."""
    ids, cluster_of = np.unique(data.clusters, return_inverse=True)
    dealt = rng.child("groups").numpy().permutation(len(ids)) % most
    return [np.flatnonzero(dealt[cluster_of] == g) for g in range(min(most, len(ids)))]
