"""Second moments of gradients that come in clusters: unbiased products of the matrix with itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gnomon.estimators.features.gradients import GradientAccumulator


@dataclass(frozen=True, eq=False)
class OuterProducts:
    r"""The average gradient outer product :math:`\hat M = \frac1n \sum_i \sum_k g_{ik} g_{ik}^\top` and its parts.

    Parameters
    ----------
    rows : ``(n · outputs, width)`` gradients, float64.
    cluster : ``(n · outputs,)`` number of the cluster of each, from 0.
    counts : ``(clusters,)`` how many of the n pairs of example and position are in each cluster.
    """

    rows: NDArray[np.float64]
    cluster: NDArray[np.int64]
    counts: NDArray[np.float64]

    @classmethod
    def of(cls, sample: GradientAccumulator) -> OuterProducts:
        """From a sample of gradients."""
        n, outputs, width = sample.values.shape
        _, cluster = np.unique(sample.clusters, return_inverse=True)
        counts = np.bincount(cluster).astype(np.float64)
        return cls(sample.values.reshape(n * outputs, width).astype(np.float64), np.repeat(cluster, outputs), counts)

    def take(self, clusters: NDArray[np.int64]) -> OuterProducts:
        """The part that belongs to ``clusters``."""
        number = np.full(len(self.counts), -1)
        number[clusters] = np.arange(len(clusters))
        mine = number[self.cluster] >= 0
        return OuterProducts(self.rows[mine], number[self.cluster[mine]], self.counts[clusters])

    @cached_property
    def total(self) -> NDArray[np.float64]:
        """Sum over all rows, ``(width, width)``: n times the average."""
        return np.asarray(self.rows.T @ self.rows)

    @cached_property
    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Eigenvalues of the average, decreasing, and eigenvectors as columns; without those of rank zero for sure."""
        if len(self.rows) <= self.rows.shape[1]:
            _, sizes, vectors = np.linalg.svd(self.rows, full_matrices=False)
            return np.square(sizes) / self.n, vectors.T
        values, columns = np.linalg.eigh(self.total)
        return np.maximum(values[::-1], 0.0) / self.n, columns[:, ::-1]

    @property
    def n(self) -> float:
        """Number of pairs of example and position."""
        return float(self.counts.sum())

    def by_cluster(self, of_rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Numbers of each row, ``(rows, …)``, added up in each cluster."""
        out = np.zeros((len(self.counts), *of_rows.shape[1:]))
        np.add.at(out, self.cluster, of_rows)
        return out

    @cached_property
    def traces(self) -> NDArray[np.float64]:
        """Trace of each cluster's sum."""
        return self.by_cluster(np.square(self.rows).sum(axis=1))

    @property
    def effective_clusters(self) -> float:
        r"""Kish's effective number, :math:`(\sum_c t_c)^2 / \sum_c t_c^2` over the clusters' traces; 0 without any."""
        squares = float(np.square(self.traces).sum())
        return float(self.traces.sum() ** 2 / squares) if squares > 0 else 0.0

    @cached_property
    def with_total(self) -> NDArray[np.float64]:
        """Inner product of each cluster's sum with the total."""
        if len(self.rows) <= self.rows.shape[1]:
            return self.by_cluster(np.square(self.rows @ self.rows.T).sum(axis=1))
        return self.by_cluster(np.einsum("ij,ij->i", self.rows @ self.total, self.rows))

    @cached_property
    def with_itself(self) -> NDArray[np.float64]:
        """Squared Frobenius norm of each cluster's sum."""
        out = self.by_cluster(np.square(np.square(self.rows).sum(axis=1)))
        order = np.argsort(self.cluster, kind="stable")
        sizes = np.bincount(self.cluster)
        for number, stop in zip(np.flatnonzero(sizes > 1), np.cumsum(sizes)[sizes > 1], strict=True):
            mine = self.rows[order[stop - sizes[number] : stop]]
            out[number] = np.square(mine @ mine.T).sum()
        return out

    @property
    def squared_norm(self) -> tuple[float, NDArray[np.float64]]:
        r"""Unbiased estimate of :math:`\lVert M\rVert_F^2`, from pairs of different clusters, and without each one."""
        pairs = self.n**2 - np.square(self.counts).sum()
        products = (self.with_total - self.with_itself).sum()
        fewer_pairs = pairs - 2 * self.counts * (self.n - self.counts)
        fewer = products - 2 * (self.with_total - self.with_itself)
        return float(products / pairs), fewer / fewer_pairs

    @property
    def squared_trace(self) -> tuple[float, NDArray[np.float64]]:
        r"""Unbiased estimate of :math:`(\operatorname{tr} M)^2`, from pairs of different clusters, and without each."""
        pairs = self.n**2 - np.square(self.counts).sum()
        products = self.traces.sum() ** 2 - np.square(self.traces).sum()
        fewer_pairs = pairs - 2 * self.counts * (self.n - self.counts)
        fewer = products - 2 * self.traces * (self.traces.sum() - self.traces)
        return float(products / pairs), fewer / fewer_pairs


def jackknife(value: float, without_each: NDArray[np.float64]) -> tuple[float, float]:
    """A function of cluster sums with its bias of order 1/n removed, and its standard error.

    ``without_each`` holds the function with each cluster left out. Source: Efron & Stein, Annals of Statistics 9
    (1981) 586.
    """
    clusters = len(without_each)
    spread = np.square(without_each - without_each.mean()).sum()
    corrected = clusters * value - (clusters - 1) * without_each.mean()
    return float(corrected), float(np.sqrt((clusters - 1) / clusters * spread))
