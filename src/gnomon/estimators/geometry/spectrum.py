"""The spectrum of the covariance of activation rows, from all rows and from halves of the clusters."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from gnomon.measurement import cluster_mean
from gnomon.randomness import Rng
from gnomon.subjects import RowAccumulator

Floats = NDArray[np.float64]

FEWEST_CLUSTERS = 32
_SPLITS = 2


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of a covariance and what each row contributes to them.

    Parameters
    ----------
    variances : ``(k,)`` eigenvalues in descending order, positive.
    squares : ``(n, k)`` squared coordinates of the centred rows along the eigenvectors.
    halves : the same eigenvalues from each of some halves of the clusters.
    held_out : share of the variance of one half that lies along the first eigenvector of the other half, for each.
    clusters : ``(n,)`` cluster of each row, counted from 0.
    """

    variances: Floats
    squares: Floats
    halves: tuple[Floats, ...]
    held_out: Floats
    clusters: NDArray[np.int64]

    def half_width(self, influence: Floats) -> float:
        """Half the width of the interval of a statistic on which each row has this ``influence``."""
        sums, counts = (np.bincount(self.clusters, w).astype(np.float64) for w in (influence, None))
        return float(cluster_mean(sums, counts)[1].half_width)


_spectra: WeakKeyDictionary[RowAccumulator, Spectrum | None] = WeakKeyDictionary()


def spectrum_of(rows: RowAccumulator) -> Spectrum | None:
    """The spectrum of a finished sample, worked out once for all its readers; ``None`` if it has no variance."""
    if rows not in _spectra:
        _spectra[rows] = make_spectrum(rows.values, rows.clusters)
    return _spectra[rows]


def make_spectrum(values: NDArray[np.float32], clusters: NDArray[np.int64]) -> Spectrum | None:
    """See `Spectrum`; ``None`` when all rows are equal."""
    centred = values.astype(np.float64)
    centred -= centred.mean(axis=0)
    size = float(np.abs(centred).max())
    if size <= 1e-6 * float(np.abs(values).max()):
        return None
    if centred.shape[1] > len(centred):  # the rows span no more than their number: turn them into that many features
        centred = np.asarray(np.linalg.qr(centred.T, mode="r")).T
    ids = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    variances, vectors = _eigen(centred)
    coordinates = centred @ vectors
    count = int(ids.max()) + 1
    generator = Rng(0, ("halves",)).numpy()  # rows come in random order: the splits need no seed of their own
    halves, held_out = [], []
    for _ in range(_SPLITS if count > 3 else 0):
        side = (generator.permutation(count) % 2 == 0)[ids]
        for mine in (side, ~side):
            inside, outside = (coordinates[m] - coordinates[m].mean(axis=0) for m in (mine, ~mine))
            found, directions = _eigen(inside)
            halves.append(found)
            held_out.append(float(np.square(outside @ directions[:, 0]).sum() / np.square(outside).sum()))
    return Spectrum(variances, np.square(coordinates), tuple(halves), np.array(held_out), ids)


def _eigen(centred: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues above rounding, descending, and their eigenvectors."""
    values, vectors = eigh(centred.T @ centred / (len(centred) - 1))
    kept = values > 1e-13 * values[-1]
    return values[kept][::-1], vectors[:, kept][:, ::-1]
