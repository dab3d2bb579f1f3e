"""Rows made fit for a dimension estimate: copies merged, dependence kept out of the neighbourhoods."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from gnomon.estimators.geometry.neighbours import Neighbours, nearest_neighbours
from gnomon.subjects import RowAccumulator

MOST_NEIGHBOURS = 192
FEWEST_CLUSTERS = 128
_MERGED_WITHIN = 2  # times the resolution of the stored numbers
_TRUSTED_BEYOND = 10


class CannotReadError(Exception):
    """Why a cloud has no dimension to report; ``growth`` is how many times more independent rows would do."""

    def __init__(self, reason: str, growth: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.growth = reason, growth


@dataclass(frozen=True, eq=False)
class Cloud:
    """Distinct rows and their neighbours, each of which is of another cluster.

    Parameters
    ----------
    distances : ``(n, k)`` distances to the nearest rows of the k nearest other clusters.
    clusters : ``(n,)`` cluster of each row, counted from 0.
    neighbour_clusters : ``(n, k)`` cluster of each neighbour.
    duplicates : share of the rows given that repeat another, exactly or to the resolution of the stored numbers.
    """

    distances: NDArray[np.float64]
    clusters: NDArray[np.int64]
    neighbour_clusters: NDArray[np.int64]
    duplicates: float


_clouds: WeakKeyDictionary[RowAccumulator, Cloud | CannotReadError] = WeakKeyDictionary()


def cloud_of(rows: RowAccumulator) -> Cloud:
    """The cloud of a finished sample, worked out once for all its readers. Raises CannotReadError."""
    found = _clouds.get(rows)
    if found is None:
        try:
            found = make_cloud(rows.values, rows.clusters)
        except CannotReadError as error:
            found = error
        _clouds[rows] = found
    if isinstance(found, CannotReadError):
        raise found
    return found


def make_cloud(values: NDArray[np.float32], clusters: NDArray[np.int64]) -> Cloud:
    """Merge copies and find neighbours.

    Two rows closer than twice the spacing of the stored numbers are one point: what keeps them apart is rounding.
    Raises CannotReadError when too few independent rows are left or rounding reaches up to the neighbour distances.
    """
    given = len(values)
    kept = np.arange(given)
    resolution = _resolution(values)
    while True:
        points, ids = values[kept], np.unique(clusters[kept], return_inverse=True)[1].astype(np.int64)
        count = int(ids.max()) + 1
        if count < FEWEST_CLUSTERS:
            apart = "" if len(kept) == given else " that differ by more than the spacing of the stored numbers"
            reason = f"{count} independent rows{apart}; at least {FEWEST_CLUSTERS} are needed"
            raise CannotReadError(reason, FEWEST_CLUSTERS / count)
        k = min(MOST_NEIGHBOURS, count - 1)
        found = nearest_neighbours(points, k, clusters=ids if count < len(ids) else None)
        copies = _copies(found, _MERGED_WITHIN * resolution[kept])
        if not copies.any():
            break
        distinct = _distinct(points)
        kept = kept[distinct if len(distinct) < len(points) else np.flatnonzero(~copies)]
    nearest = found.distances[:, 0]
    if np.median(nearest / resolution[kept]) < _TRUSTED_BEYOND:
        times = float(np.median(nearest / resolution[kept]))
        raise CannotReadError(f"nearest neighbours are {times:.1f} times the spacing of the stored numbers apart")
    return Cloud(found.distances, ids, ids[found.indices], 1 - len(kept) / given)


def _distinct(points: NDArray[np.float32]) -> NDArray[np.int64]:
    """The first of each set of equal rows, in order."""
    # adding zero turns -0.0 into 0.0, which is the same number in other bits
    _, first = np.unique(points + np.float32(0), axis=0, return_index=True)
    return np.sort(first).astype(np.int64)


def _copies(found: Neighbours, within: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Marks the rows that have an earlier one within reach."""
    close = found.distances < within[:, None]
    return np.asarray((close & (found.indices < np.arange(len(close))[:, None])).any(axis=1))


def _resolution(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Spacing of the stored numbers, as the length of a vector, for each row.

    The number of bits in use tells half precision, kept in float32 for the computation, from float32.
    """
    used = int(np.bitwise_or.reduce(values.view(np.uint32), axis=None)) & 0x7FFFFF
    bits = 23 - ((used & -used).bit_length() - 1) if used else 0
    norms = np.linalg.norm(values.astype(np.float64), axis=1)
    return np.asarray(norms * 2.0 ** -max(bits, 7))
