"""Exact nearest neighbours, fast enough that no approximation is needed."""

from __future__ import annotations

import functools
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from gnomon.errors import GnomonError

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_TILE = 1000
_REFINED_AT_ONCE = 256
_RELATIVE_ACCURACY = 1e-9


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


@dataclass(frozen=True)
class _Format:
    """A number format for the coarse distances, and what it does to them."""

    dtype: torch.dtype
    integer: torch.dtype  # of the same width: non-negative floats sort like these, which compare faster
    rounding: float  # relative error of a stored distance
    addition: float  # relative error of one addition inside the product
    norm_pieces: int  # numbers that it takes to hold a squared norm to `addition`


_BFLOAT16 = _Format(torch.bfloat16, torch.int16, 1.01 * 2.0**-9, 2.0**-24, 3)
_FLOAT32 = _Format(torch.float32, torch.int32, 1.01 * 2.0**-24, 2.0**-24, 1)
_FLOAT64 = _Format(torch.float64, torch.int64, 1.01 * 2.0**-53, 2.0**-53, 1)


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
    if clusters is None:
        return _search(array, None, k)
    order = np.argsort(ids, kind="stable")
    found = _search(array[order], ids[order] if ids.max() + 1 < len(ids) else None, k)
    back = np.argsort(order)
    return Neighbours(found.distances[back], order[found.indices[back]])


def _search(points: NDArray[Any], clusters: Integers | None, k: int) -> Neighbours:
    n = len(points)
    # Coarse formats pay while few pairs must be measured again; float64 hardly has to.
    if clusters is not None or n < 64 * k:
        formats = [_FLOAT64]
    else:
        formats = [_BFLOAT16, _FLOAT32, _FLOAT64] if _bfloat16_is_faster() else [_FLOAT32, _FLOAT64]
    for format_ in formats[:-1]:
        found = _Search(points, clusters, k, format_).run(most=8 * k * n)
        if found is not None:
            return found
    last = _Search(points, clusters, k, formats[-1]).run(most=n * n)
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


class _Search:
    """One search in one number format. Points come in order of cluster; ``clusters`` is None if all are alone."""

    def __init__(self, points: NDArray[Any], clusters: Integers | None, k: int, format_: _Format) -> None:
        self.clusters, self.k, self.format = clusters, k, format_
        self.n, d = points.shape
        # in one sweep of whole rows, or in square tiles of the upper triangle
        self.whole_rows = clusters is not None or self.n < 64 * k
        self.starts = None if clusters is None else np.flatnonzero(np.diff(clusters, prepend=-1))
        peak = max(float(points.max()), -float(points.min()))
        if not np.isfinite(peak):
            raise GnomonError("points hold NaN or infinite numbers", mend="clean the data")
        self.unit = 1.0
        if peak > 0 and not 0.1 < peak < 1e8:  # squares must neither overflow nor vanish; a power of two is exact
            self.unit = 2.0 ** round(math.log2(peak))
            points = points.astype(np.float64) / self.unit
        self.points = points
        work = np.float64 if format_ is _FLOAT64 else np.float32
        centred = np.empty(points.shape, dtype=work)
        np.subtract(points, points.mean(axis=0, dtype=np.float64), out=centred, casting="same_kind")
        full = torch.from_numpy(centred)
        rounded = full.to(format_.dtype)
        widened = rounded.to(full.dtype)
        half_norms = torch.linalg.vector_norm(widened, dim=1).square_() / 2
        # how far a point may have moved: by rounding to the format, and before that by the subtraction
        self.moved = 2 * float(np.finfo(work).eps) * float(half_norms.max()) ** 0.5
        if rounded is not full:
            self.moved += 1.001 * float(torch.linalg.vector_norm(full.sub_(widened), dim=1).max())
        self.noise = 4 * (d + 16) * format_.addition * float(half_norms.max())
        self.left, self.right = _factors(rounded, half_norms, format_)
        self.limits = np.empty(self.n, dtype=np.int64)  # the largest coarse distance that may count, by row
        self.hits: list[tuple[Integers, Integers, Integers]] = []  # rows, columns, coarse distances as integers

    def run(self, *, most: int) -> Neighbours | None:
        """The neighbours; ``None`` when more than ``most`` pairs are left that the format cannot tell apart."""
        width = self.n if self.whole_rows else min(_TILE, self.n)
        height = max(1, _TILE * _TILE // width)
        self._tile = torch.empty(height * width, dtype=self.format.dtype)
        self._mask, self._other_mask = np.zeros((2, -(-height * width // 8) * 8), dtype=bool)
        for row in range(0, self.n, height):
            distances = self._distances(row, row + height, 0, width)
            self.limits[row : row + height] = self._limit(self._kth(distances, row))
            self._collect(distances, row, 0, both=row >= width)
            if self._hit_count() > 2 * most:
                return None
        for row in range(width, self.n, height):
            for column in range(row, self.n, width):
                distances = self._distances(row, row + height, column, column + width)
                self._collect(distances, row, column, both=column > row)
                if self._hit_count() > 2 * most and self._tightened_count() > most:
                    return None
        if not self.whole_rows and self._tightened_count() > most:
            return None
        return self._select(*self._measured())

    def _distances(self, row: int, row_end: int, column: int, column_end: int) -> NDArray[Any]:
        """A tile of coarse distances, as integers that sort alike; a point is infinitely far from itself."""
        left, right = self.left[row:row_end], self.right[column:column_end]
        height, width = len(left), len(right)
        tile = self._tile[: height * width].view(height, width)
        torch.mm(left, right.T, out=tile)
        found: NDArray[Any] = tile.view(self.format.integer).numpy()
        if column <= row < column_end:
            inside = np.arange(height)
            found[inside, inside + row - column] = np.iinfo(found.dtype).max
        return found

    def _kth(self, distances: NDArray[Any], row: int) -> Floats:
        """The k-th smallest coarse distance of each row, counting a cluster once and the row's own not at all."""
        if self.starts is not None and self.clusters is not None:
            distances = np.minimum.reduceat(distances, self.starts, axis=1)
            own = self.clusters[row : row + len(distances)]
            distances[np.arange(len(distances)), own] = np.iinfo(distances.dtype).max
        return self._values(np.partition(distances, self.k - 1, axis=1)[:, self.k - 1])

    def _values(self, integers: NDArray[Any]) -> Floats:
        width = torch.iinfo(self.format.integer).bits // 8
        narrow = torch.from_numpy(integers.astype(f"i{width}"))
        return np.asarray(narrow.view(self.format.dtype).double().clamp_(min=0).numpy())

    def _limit(self, kth: Floats) -> Integers:
        """The largest coarse distance that a pair may have and still be as close as ``kth`` in truth."""
        exaggeration = 1 + self.format.rounding
        farthest = np.sqrt(2 * (kth * exaggeration + self.noise)) + 2 * self.moved
        coarse = (np.square(farthest + 2 * self.moved) / 2 + self.noise) * exaggeration
        nearest = torch.from_numpy(coarse).to(self.format.dtype)
        above = (nearest.double() > torch.from_numpy(coarse)).numpy()
        return np.asarray(nearest.view(self.format.integer).numpy().astype(np.int64) - above)

    def _collect(self, distances: NDArray[Any], row: int, column: int, *, both: bool) -> None:
        """Keep the pairs of a tile that are within the limit of their row, or (``both``) of their column."""
        height, width = distances.shape
        mask = self._mask[: height * width].reshape(height, width)
        row_limits = self.limits[row : row + height].astype(distances.dtype)
        np.less_equal(distances, row_limits[:, None], out=mask)
        if both:
            column_limits = self.limits[column : column + width].astype(distances.dtype)
            other = self._other_mask[: height * width].reshape(height, width)
            np.less_equal(distances, column_limits, out=other)
            np.logical_or(mask, other, out=mask)
        self._mask[height * width :] = False
        words = np.flatnonzero(self._mask.view(np.uint64))  # hits are rare: skip the zeros eight at a time
        places = np.flatnonzero(self._mask.reshape(-1, 8)[words])
        flat = 8 * words[places // 8] + places % 8
        rows, columns = np.divmod(flat, width)
        found = distances.reshape(-1)[flat]
        if not both:
            self.hits.append((row + rows, column + columns, found.astype(np.int64)))
            return
        mine, theirs = found <= row_limits[rows], found <= column_limits[columns]
        self.hits.append((row + rows[mine], column + columns[mine], found[mine].astype(np.int64)))
        self.hits.append((column + columns[theirs], row + rows[theirs], found[theirs].astype(np.int64)))

    def _hit_count(self) -> int:
        return sum(len(rows) for rows, _, _ in self.hits)

    def _tightened_count(self) -> int:
        """Lower the limits to what the hits allow by now, drop the hits beyond them, and count the others."""
        rows, columns, found = (np.concatenate(parts) for parts in zip(*self.hits, strict=True))
        low = np.maximum(found, 0)
        if self.format is _FLOAT64:  # as float32, to fit beside the row; the limit allows for its rounding
            low = self._values(found).astype(np.float32).view(np.int32)
        order = np.argsort((rows << 32) | low)
        first = np.searchsorted(rows[order], np.arange(self.n))
        kth = self._values(found[order[first + self.k - 1]]) * (1 + 2.0**-22)
        self.limits = np.minimum(self.limits, self._limit(kth))
        close = order[found[order] <= self.limits[rows[order]]]
        self.hits = [(rows[close], columns[close], found[close])]
        return len(close)

    def _measured(self) -> tuple[Integers, Integers, Floats]:
        """Rows in ascending order, columns and exact distances of the hits."""
        rows, columns, found = (np.concatenate(parts) for parts in zip(*self.hits, strict=True))
        if self.clusters is not None:
            others = self.clusters[rows] != self.clusters[columns]
            rows, columns, found = rows[others], columns[others], found[others]
        halves = self._values(found)
        distances = np.sqrt(2 * halves)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = self.noise / halves + self.format.rounding + 4 * self.moved / distances
        again = np.flatnonzero(~(error < _RELATIVE_ACCURACY))
        size = min(_REFINED_AT_ONCE, len(again))
        one, other = np.empty((2, size, self.points.shape[1]), dtype=self.points.dtype)
        difference = np.empty(one.shape, dtype=np.float64)
        for start in range(0, len(again), _REFINED_AT_ONCE):
            part = again[start : start + _REFINED_AT_ONCE]
            m = len(part)
            np.take(self.points, rows[part], axis=0, out=one[:m], mode="clip")  # modes other than raise do not buffer
            np.take(self.points, columns[part], axis=0, out=other[:m], mode="clip")
            np.subtract(one[:m], other[:m], out=difference[:m], dtype=np.float64)
            distances[part] = np.sqrt(np.einsum("ij,ij->i", difference[:m], difference[:m]))
        return rows, columns, distances * self.unit

    def _select(self, rows: Integers, columns: Integers, distances: Floats) -> Neighbours:
        """The k nearest among the measured pairs of each row."""
        first = np.searchsorted(rows, np.arange(self.n + 1))
        best = Neighbours(np.empty((self.n, self.k)), np.empty((self.n, self.k), dtype=np.int64))
        start = 0
        while start < self.n:
            stop = start + max(1, int(_TILE * _TILE // max(1, np.diff(first[start:]).max())))
            counts = np.diff(first[start : stop + 1])
            table = np.arange(counts.max()) + first[start : start + len(counts), None]
            table = np.where(np.arange(counts.max()) < counts[:, None], table, -1)
            lengths = np.where(table >= 0, distances[table], np.inf)
            order = np.argsort(lengths, axis=1, kind="stable")
            lengths = np.take_along_axis(lengths, order, axis=1)
            found = columns[np.take_along_axis(table, order, axis=1)]
            if self.clusters is not None:
                chosen = _first_of_each(self.clusters[found], lengths, self.k)
                lengths, found = (a[chosen].reshape(len(counts), self.k) for a in (lengths, found))
            best.distances[start:stop], best.indices[start:stop] = lengths[:, : self.k], found[:, : self.k]
            start = stop
        return best


def _first_of_each(clusters: Integers, lengths: Floats, k: int) -> NDArray[np.bool_]:
    """Marks, in each row, the nearest point of each of the k nearest clusters."""
    order = np.argsort(clusters, axis=1, kind="stable")
    ranked = np.take_along_axis(clusters, order, axis=1)
    new = np.ones(clusters.shape, dtype=bool)
    np.put_along_axis(new, order[:, 1:], ranked[:, 1:] != ranked[:, :-1], axis=1)
    new &= np.isfinite(lengths)
    return np.asarray(new & (np.cumsum(new, axis=1) <= k))


def _factors(points: Tensor, half_norms: Tensor, format_: _Format) -> tuple[Tensor, Tensor]:
    """Matrices whose product ``left @ right.T`` is half the squared distances: the norms are extra columns."""
    pieces, rest = [], half_norms
    for _ in range(format_.norm_pieces):
        pieces.append(rest.to(format_.dtype))
        rest = rest - pieces[-1].to(rest.dtype)
    norms = torch.stack(pieces, dim=1)
    ones = torch.ones_like(norms)
    return torch.cat([points, ones, norms], dim=1), torch.cat([-points, norms, ones], dim=1)
