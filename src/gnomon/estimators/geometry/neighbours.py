"""Exact nearest neighbours, fast enough that no approximation is needed."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from gnomon.errors import GnomonError
from gnomon.estimators.geometry.coarse_search import BFLOAT16, FLOAT32, FLOAT64, search

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest neighbours of every point, nearest first.

    Parameters
    ----------
    distances : ``(n, k)`` float64, in the unit of the points.
    indices : ``(n, k)`` int64.
    """

    distances: Floats
    indices: Integers


def nearest_neighbours(points: ArrayLike, k: int, *, clusters: Integers | None = None) -> Neighbours:
    r"""The ``k`` nearest neighbours of every point in Euclidean distance: exact, blockwise, in bounded memory.

    Distances :math:`\tfrac12\|x_i - x_j\|^2` are first computed coarsely, tile by tile, as one matrix product over
    the upper triangle. Every error of that step has a bound (rounding of the points by the triangle inequality,
    accumulation and storage by the number format), so the pairs that could be among the nearest are known for
    certain, and those alone are measured again from their differences in float64. Distances are right to a relative
    :math:`10^{-9}`, whatever offset the points share.

    Parameters
    ----------
    points : ``(n, d)`` floats.
    k : number of neighbours.
    clusters : ``(n,)`` ids. If given, the neighbours are the ``k`` nearest *other clusters*, each at its nearest
        point: points of one cluster are not independent, so they may neither be neighbours nor count twice.

    Cost: :math:`\tfrac12 n^2 d` multiply-adds, in bfloat16 where the processor is faster at it; memory
    :math:`O(n(d + k))` and a few tiles of :math:`10^6` numbers.

    Raises
    ------
    GnomonError : when the points are not a finite ``(n, d)`` array, or have fewer than ``k`` others.

    >>> found = nearest_neighbours([[0.0], [1.0], [3.0], [7.0]], 2)
    >>> found.indices.tolist()
    [[1, 2], [0, 2], [1, 0], [2, 1]]
    >>> found.distances[3].tolist()
    [4.0, 6.0]
    """
    array = np.asarray(points)
    if array.dtype != np.float32:
        array = array.astype(np.float64, copy=False)
    if array.ndim != 2 or array.size == 0:
        raise GnomonError(f"points have shape {array.shape}", mend="give an array (n, d)")
    if clusters is not None and len(clusters) != len(array):
        raise GnomonError(f"clusters have {len(clusters)} rows, points have {len(array)}")
    ids = np.arange(len(array)) if clusters is None else np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    if not 1 <= k <= ids.max():
        raise GnomonError(f"{k} neighbours asked for, each point has {ids.max()}", mend="give more points")
    if not np.isfinite(array.sum()) and not np.isfinite(array).all():
        raise GnomonError("points hold NaN or infinite numbers", mend="clean the data")
    if ids.max() + 1 == len(ids):
        return Neighbours(*_search(array, None, k))
    order = np.argsort(ids, kind="stable")
    distances, indices = _search(array[order], ids[order], k)
    back = np.argsort(order)
    return Neighbours(distances[back], order[indices[back]])


def _search(points: NDArray[np.floating], clusters: Integers | None, k: int) -> tuple[Floats, Integers]:
    n = len(points)
    # Coarse formats pay while few pairs must be measured again; float64 hardly has to.
    if clusters is None and n >= 64 * k:
        for format_ in (BFLOAT16, FLOAT32) if _bfloat16_is_faster() else (FLOAT32,):
            found = search(points, None, k, format_, give_up=True)
            if found is not None:
                return found
    last = search(points, clusters, k, FLOAT64)
    assert last is not None
    return last


@functools.cache
def _bfloat16_is_faster() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32. It changes the time, never the result."""
    seconds = []
    for dtype in (torch.bfloat16, torch.float32):
        a = torch.ones(256, 256, dtype=dtype)
        repeats = []
        for _ in range(4):
            started = time.perf_counter()
            a @ a
            repeats.append(time.perf_counter() - started)
        seconds.append(min(repeats))
    return seconds[0] < 0.7 * seconds[1]
