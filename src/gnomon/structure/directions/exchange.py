"""Permutations that leave everything as likely as it was if labels did not matter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnomon.randomness import Rng


def exchanges(
    labels: NDArray[np.float64],
    *,
    clusters: NDArray[np.int64],
    strata: NDArray[np.int64],
    draws: int,
    rng: Rng,
) -> NDArray[np.int64]:
    """Orders of the examples, ``(draws + 1, n)``; the first is the one they have.

    Within a cluster whose labels differ (a pair, a city with true and false statements), its examples are exchanged.
    Clusters of one label are exchanged whole, with those of the same size. Nothing leaves its stratum.
    """
    generator = rng.child("exchange").numpy()
    n = len(labels)
    orders = np.tile(np.arange(n), (draws + 1, 1))
    whole: dict[tuple[int, int], list[NDArray[np.int64]]] = {}
    order = np.lexsort((clusters, strata))
    ends = np.flatnonzero(np.diff(strata[order]) | np.diff(clusters[order])) + 1
    for members in np.split(order, ends):
        if (labels[members] == labels[members[0]]).all():
            whole.setdefault((int(strata[members[0]]), len(members)), []).append(members)
        else:
            orders[1:, members] = generator.permuted(np.tile(members, (draws, 1)), axis=1)
    for alike in whole.values():
        blocks = np.stack(alike)
        turns = generator.permuted(np.tile(np.arange(len(blocks)), (draws, 1)), axis=1)
        orders[1:, blocks.ravel()] = blocks[turns].reshape(draws, -1)
    return orders
