"""Permutations that leave everything as likely as it was if labels did not matter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnomon.randomness import Rng

Members = list[NDArray[np.int64]]


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
    orders = np.tile(np.arange(len(labels)), (draws + 1, 1))
    whole: dict[tuple[int, int], Members] = {}
    for members in _clusters(clusters, strata):
        if _of_one_label(labels, members):
            whole.setdefault((int(strata[members[0]]), len(members)), []).append(members)
        else:
            orders[1:, members] = generator.permuted(np.tile(members, (draws, 1)), axis=1)
    for alike in whole.values():
        blocks = np.stack(alike)
        turns = generator.permuted(np.tile(np.arange(len(blocks)), (draws, 1)), axis=1)
        orders[1:, blocks.ravel()] = blocks[turns].reshape(draws, -1)
    return orders


def relabelled(
    labels: NDArray[np.float64],
    *,
    clusters: NDArray[np.int64],
    strata: NDArray[np.int64],
    draws: int,
    rng: Rng,
) -> NDArray[np.float64]:
    """Labels that examples could have had, ``(draws + 1, n)``; the first are those that they have.

    As by `exchanges`, but a cluster of one label may give it to any whose size is within the same power of two (1, 2
    to 3, 4 to 7, …): sizes that all differ would leave nothing to exchange, and labels that go with size stay so.
    """
    generator = rng.child("relabel").numpy()
    found = np.tile(labels, (draws + 1, 1))
    whole: dict[tuple[int, int], Members] = {}
    for members in _clusters(clusters, strata):
        if _of_one_label(labels, members):
            whole.setdefault((int(strata[members[0]]), len(members).bit_length()), []).append(members)
        else:
            found[1:, members] = generator.permuted(found[1:, members], axis=1)
    for alike in whole.values():
        theirs = np.tile(labels[[members[0] for members in alike]], (draws, 1))
        turned = generator.permuted(theirs, axis=1)
        found[1:, np.concatenate(alike)] = turned.repeat([len(members) for members in alike], axis=1)
    return found


def _clusters(clusters: NDArray[np.int64], strata: NDArray[np.int64]) -> Members:
    """The examples of each cluster in each stratum."""
    order = np.lexsort((clusters, strata))
    ends = np.flatnonzero(np.diff(strata[order]) | np.diff(clusters[order])) + 1
    return np.split(order, ends)


def _of_one_label(labels: NDArray[np.float64], members: NDArray[np.int64]) -> bool:
    return bool((labels[members] == labels[members[0]]).all())
