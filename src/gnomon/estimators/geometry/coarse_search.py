"""The nearest neighbours of points from coarse distances whose errors are bounded, measured again where it counts."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Hits = list[tuple[Integers, Integers, Integers]]  # rows, columns, coarse distances as integers

_TILE = 1000
_REFINED_AT_ONCE = 256
_RELATIVE_ACCURACY = 1e-9
_HITS_A_NEIGHBOUR = 8  # pairs kept for each neighbour that is wanted, before it pays to sort them out


@dataclass(frozen=True)
class Format:
    """A number format for the coarse distances, and what it does to them."""

    dtype: torch.dtype
    integer: torch.dtype  # of the same width: non-negative floats sort like these, which compare faster
    rounding: float  # relative error of a stored distance
    addition: float  # relative error of one addition inside the product
    norm_pieces: int  # numbers that it takes to hold a squared norm to `addition`


BFLOAT16 = Format(torch.bfloat16, torch.int16, 1.01 * 2.0**-9, 2.0**-24, 3)
FLOAT32 = Format(torch.float32, torch.int32, 1.01 * 2.0**-24, 2.0**-24, 1)
FLOAT64 = Format(torch.float64, torch.int64, 1.01 * 2.0**-53, 2.0**-53, 1)


def search(
    points: NDArray[Any], clusters: Integers | None, k: int, format_: Format, *, give_up: bool = False
) -> tuple[Floats, Integers] | None:
    """Distances and indices ``(n, k)`` of the nearest neighbours, worked out with coarse distances in ``format_``.

    Parameters
    ----------
    points : ``(n, d)`` finite, float32 or float64, in order of cluster.
    clusters : ``(n,)`` ascending from 0; ``None`` if every point is alone.
    give_up : return ``None`` when the format cannot tell most pairs apart.
    """
    with _one_thread_each() as in_parallel:
        return _Search(points, clusters, k, format_).run(give_up, in_parallel)


@contextlib.contextmanager
def _one_thread_each() -> Iterator[Callable[..., Iterable[Any]]]:
    """A `map` over as many threads as torch may use, while torch itself uses one.

    Threads that have to meet after every operation stand still whenever one of them waits for a busy core.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        yield map
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            yield pool.map
    finally:
        torch.set_num_threads(threads)


class _Search:
    """One search in one number format. Points come in order of cluster; ``clusters`` is None if all are alone."""

    def __init__(self, points: NDArray[Any], clusters: Integers | None, k: int, format_: Format) -> None:
        self.clusters, self.k, self.format = clusters, k, format_
        self.n, d = points.shape
        # in one sweep of whole rows, or in square tiles of the upper triangle
        self.whole_rows = clusters is not None or self.n < 64 * k
        self.starts = None if clusters is None else np.flatnonzero(np.diff(clusters, prepend=-1))
        peak = max(float(points.max()), -float(points.min()))
        self.unit = 1.0
        if peak > 0 and not 0.1 < peak < 1e8:  # squares must neither overflow nor vanish; a power of two is exact
            self.unit = 2.0 ** round(math.log2(peak))
            points = points.astype(np.float64) / self.unit
        self.points = points
        work = np.float64 if format_ is FLOAT64 else np.float32
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
        # the first tile of columns has to be a fair sample of them, however the points are ordered
        self.order = np.arange(self.n) if self.whole_rows else np.random.default_rng(0).permutation(self.n)
        shuffled = torch.from_numpy(self.order)
        self.left, self.right = _factors(rounded[shuffled], half_norms[shuffled], format_)
        self.limits = np.empty(self.n, dtype=np.int64)  # the largest coarse distance that may count, by row
        self.hits: Hits = []
        self.width = self.n if self.whole_rows else min(_TILE, self.n)
        self.height = max(1, _TILE * _TILE // self.width)
        self.scratch = threading.local()

    def run(self, give_up: bool, in_parallel: Callable[..., Iterable[Any]]) -> tuple[Floats, Integers] | None:
        """See `search`."""
        most = _HITS_A_NEIGHBOUR * self.k * self.n
        rows = range(0, self.n, self.height)
        self.hits += self._first_tile(0)  # whose limits all other rows are compared with
        for found in in_parallel(self._first_tile, rows[1:]):
            self.hits += found
            if give_up and self._hit_count() > 2 * most:
                return None
        for row in rows[1:] if not self.whole_rows else ():
            columns = range(row, self.n, self.width)
            for found in in_parallel(self._tile, [row] * len(columns), columns):
                self.hits += found
                if give_up and self._hit_count() > 4 * most:
                    return None
            if self._hit_count() > 2 * most:
                most = max(most, self._tightened_count())
                if give_up and most > _HITS_A_NEIGHBOUR * self.k * self.n:
                    return None
        if not self.whole_rows and self._tightened_count() > most and give_up:
            return None
        distances, indices = self._select(*self._measured())
        back = np.argsort(self.order)
        return distances[back], self.order[indices[back]]

    def _first_tile(self, row: int) -> Hits:
        """The tile of some rows that gives them their first limits."""
        distances = self._distances(row, 0)
        self.limits[row : row + len(distances)] = self._limit(self._kth(distances, row))
        return self._within_limits(distances, row, 0, both=row >= self.width)

    def _tile(self, row: int, column: int) -> Hits:
        return self._within_limits(self._distances(row, column), row, column, both=column > row)

    def _buffers(self) -> tuple[Tensor, NDArray[np.bool_], NDArray[np.bool_]]:
        """A tile and two masks, one set a thread."""
        if not hasattr(self.scratch, "buffers"):
            size = self.height * self.width
            masks = np.zeros((2, -(-size // 8) * 8), dtype=bool)
            self.scratch.buffers = (torch.empty(size, dtype=self.format.dtype), *masks)
        buffers: tuple[Tensor, NDArray[np.bool_], NDArray[np.bool_]] = self.scratch.buffers
        return buffers

    def _distances(self, row: int, column: int) -> NDArray[Any]:
        """A tile of coarse distances, as integers that sort alike; a point is infinitely far from itself."""
        left, right = self.left[row : row + self.height], self.right[column : column + self.width]
        height, width = len(left), len(right)
        tile = self._buffers()[0][: height * width].view(height, width)
        torch.mm(left, right.T, out=tile)
        found: NDArray[Any] = tile.view(self.format.integer).numpy()
        if column <= row < column + width:
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

    def _within_limits(self, distances: NDArray[Any], row: int, column: int, *, both: bool) -> Hits:
        """The pairs of a tile that are within the limit of their row, or (``both``) of their column."""
        height, width = distances.shape
        _, marks, other = self._buffers()
        mask = marks[: height * width].reshape(height, width)
        row_limits = self.limits[row : row + height].astype(distances.dtype)
        np.less_equal(distances, row_limits[:, None], out=mask)
        if both:
            column_limits = self.limits[column : column + width].astype(distances.dtype)
            theirs = other[: height * width].reshape(height, width)
            np.less_equal(distances, column_limits, out=theirs)
            np.logical_or(mask, theirs, out=mask)
        marks[height * width :] = False
        words = np.flatnonzero(marks.view(np.uint64))  # hits are rare: skip the zeros eight at a time
        places = np.flatnonzero(marks.reshape(-1, 8)[words])
        flat = 8 * words[places // 8] + places % 8
        rows, columns = np.divmod(flat, width)
        found = distances.reshape(-1)[flat]
        if not both:
            return [(row + rows, column + columns, found.astype(np.int64))]
        near_row, near_column = found <= row_limits[rows], found <= column_limits[columns]
        found = found.astype(np.int64)
        return [
            (row + rows[near_row], column + columns[near_row], found[near_row]),
            (column + columns[near_column], row + rows[near_column], found[near_column]),
        ]

    def _hit_count(self) -> int:
        return sum(len(rows) for rows, _, _ in self.hits)

    def _tightened_count(self) -> int:
        """Lower the limits to what the hits allow by now, drop the hits beyond them, and count the others."""
        rows, columns, found = (np.concatenate(parts) for parts in zip(*self.hits, strict=True))
        low = np.maximum(found, 0)
        if self.format is FLOAT64:  # as float32, to fit beside the row; the limit allows for its rounding
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
            # modes other than raise do not buffer
            np.take(self.points, self.order[rows[part]], axis=0, out=one[:m], mode="clip")
            np.take(self.points, self.order[columns[part]], axis=0, out=other[:m], mode="clip")
            np.subtract(one[:m], other[:m], out=difference[:m], dtype=np.float64)
            distances[part] = np.sqrt(np.einsum("ij,ij->i", difference[:m], difference[:m]))
        return rows, columns, distances * self.unit

    def _select(self, rows: Integers, columns: Integers, distances: Floats) -> tuple[Floats, Integers]:
        """The k nearest among the measured pairs of each row."""
        first = np.searchsorted(rows, np.arange(self.n + 1))
        best, nearest = np.empty((self.n, self.k)), np.empty((self.n, self.k), dtype=np.int64)
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
            best[start:stop], nearest[start:stop] = lengths[:, : self.k], found[:, : self.k]
            start = stop
        return best, nearest


def _first_of_each(clusters: Integers, lengths: Floats, k: int) -> NDArray[np.bool_]:
    """Marks, in each row, the nearest point of each of the k nearest clusters."""
    order = np.argsort(clusters, axis=1, kind="stable")
    ranked = np.take_along_axis(clusters, order, axis=1)
    new = np.ones(clusters.shape, dtype=bool)
    np.put_along_axis(new, order[:, 1:], ranked[:, 1:] != ranked[:, :-1], axis=1)
    new &= np.isfinite(lengths)
    return np.asarray(new & (np.cumsum(new, axis=1) <= k))


def _factors(points: Tensor, half_norms: Tensor, format_: Format) -> tuple[Tensor, Tensor]:
    """Matrices whose product ``left @ right.T`` is half the squared distances: the norms are extra columns."""
    pieces, rest = [], half_norms
    for _ in range(format_.norm_pieces):
        pieces.append(rest.to(format_.dtype))
        rest = rest - pieces[-1].to(rest.dtype)
    norms = torch.stack(pieces, dim=1)
    ones = torch.ones_like(norms)
    return torch.cat([points, ones, norms], dim=1), torch.cat([-points, norms, ones], dim=1)
