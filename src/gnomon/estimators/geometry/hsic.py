"""Products of covariances without bias: averages over rows of four different clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FEWEST_CLUSTERS = 8
_BLOCK_NUMBERS = 2**22


@dataclass(frozen=True, eq=False)
class Moments:
    r"""Unbiased estimates of products of covariance matrices, from all data and without each cluster in turn.

    Parameters
    ----------
    products : ``(s, s)``, :math:`\operatorname{tr} C_{st} C_{ts}` for the cross-covariance of sets s and t; on the
        diagonal :math:`\operatorname{tr} C_s^2`.
    traces : ``(s,)``, :math:`(\operatorname{tr} C_s)^2`.
    products_without, traces_without : the same without one cluster, ``(clusters, s, s)`` and ``(clusters, s)``.
    """

    products: Floats
    traces: Floats
    products_without: Floats
    traces_without: Floats


def moments(sets: Sequence[NDArray[Any]], clusters: Integers) -> Moments:
    r"""`Moments` of several sets of features of the same rows.

    With :math:`K = X_s X_s^\top` and :math:`L = X_t X_t^\top`, over rows i, j, k, l of distinct clusters,

    .. math:: \operatorname{tr} C_{st} C_{ts} = \langle K_{ij} L_{ij} \rangle
        - 2\, \langle K_{ij} L_{jk} \rangle + \langle K_{ij} L_{kl} \rangle,

    the Hilbert–Schmidt independence criterion of linear kernels, and
    :math:`(\operatorname{tr} C)^2 = \langle K_{ii} K_{jj} \rangle - 2 \langle K_{ii} K_{jk} \rangle
    + \langle K_{ij} K_{kl} \rangle`. No mean is subtracted, no row meets itself or a row that depends on it, so that
    there is no bias at any n when clusters are of equal size. What remains without one cluster is worked out in
    closed form.

    Parameters
    ----------
    sets : arrays ``(n, d_s)``.
    clusters : ``(n,)`` cluster of each row, at least 4 different ones.

    Cost: :math:`2 n^2 \sum_s d_s + 6 s^2 n^2` operations.

    Source: Song et al., Journal of Machine Learning Research 13 (2012) 1393 (unbiased HSIC); Chen, Zhang & Zhong,
    Journal of the American Statistical Association 105 (2010) 810 (:math:`\operatorname{tr} C^2`).
    """
    order = np.argsort(clusters, kind="stable")
    ids = np.unique(clusters[order], return_inverse=True)[1].astype(np.int64)
    centred = [_prepared(x[order]) for x in sets]
    scales = np.array([scale for _, scale in centred])
    # a constant feature has products of one: it counts the terms of each sum
    features = [*(x for x, _ in centred), np.ones((len(ids), 1))]
    sums = _Sums(features, ids)
    averages, without = sums.products()
    trace, trace_without = sums.squared_traces()
    squares = scales**2
    pairs = squares[:, None] * squares
    return Moments(averages * pairs, trace * squares**2, without * pairs, trace_without * squares**2)


def _prepared(values: NDArray[Any]) -> tuple[Floats, float]:
    """Rows about their mean and in units of their size: it changes no covariance and keeps the digits."""
    centred = values.astype(np.float64)
    centred -= centred.mean(axis=0)
    scale = float(np.sqrt(np.mean(np.square(centred)))) or 1.0
    return centred / scale, scale


class _Sums:
    """Sums over rows of distinct clusters. The last feature set is the constant one."""

    def __init__(self, features: Sequence[Floats], ids: Integers) -> None:
        self.ids = ids
        self.starts = np.flatnonzero(np.diff(ids, prepend=-1))
        self.alone = len(self.starts) == len(ids)
        self.totals = [self._by_cluster(x) for x in features]  # (clusters, d)
        self.squares = np.stack([self._by_cluster(np.square(x).sum(axis=1)) for x in features])
        self._scan(features)

    def _by_cluster(self, values: Floats) -> Floats:
        return np.asarray(np.add.reduceat(values, self.starts, axis=0))

    def _scan(self, features: Sequence[Floats]) -> None:
        r"""The sums that need every pair of rows, block by block.

        For row j and cluster c, :math:`R_{jc} = \sum_{i \in c} K_{ij}`, zero where c holds j.
        """
        n, s = len(self.ids), len(features)
        pair_rows = np.empty((n, s, s))  # Σ_i K_ij L_ij
        chain_rows = np.empty((n, s, s))  # Σ_{a≠b} R_ja Q_jb
        row_totals = np.empty((s, n))  # Σ_c R_jc
        ends = np.zeros((len(self.starts), s, s))  # Σ_j R_jc Q_jc
        height = max(1, _BLOCK_NUMBERS // (s * n))
        for start in range(0, n, height):
            block = slice(start, min(start + height, n))
            gram = np.empty((block.stop - start, s, n))
            for i, x in enumerate(features):
                gram[:, i] = x[block] @ x.T
            own = self.ids[block, None] == self.ids
            np.multiply(gram, ~own[:, None], out=gram)
            pair_rows[block] = gram @ gram.transpose(0, 2, 1)
            sums = gram if self.alone else np.add.reduceat(gram, self.starts, axis=2)
            inside = pair_rows[block] if self.alone else sums @ sums.transpose(0, 2, 1)
            total = sums.sum(axis=2)
            row_totals[:, block] = total.T
            chain_rows[block] = total[:, :, None] * total[:, None, :] - inside
            if not self.alone:
                across = sums.transpose(2, 1, 0)
                ends += across @ across.transpose(0, 2, 1)
        self.pair = self._by_cluster(pair_rows)
        self.chain = self._by_cluster(chain_rows)
        self.ends = self.pair if self.alone else ends
        self.row_totals = row_totals
        self._features = features

    def products(self) -> tuple[Floats, Floats]:
        """Averages of the three terms put together, in full and without each cluster; the constant set left out."""
        pair, chain = self.pair.sum(axis=0), self.chain.sum(axis=0)
        pair_without = pair - 2 * self.pair
        chain_without = chain - self.chain - self._chain_ends()
        quad, quad_without = self._quadruples
        counts = [m[..., -1, -1] for m in (pair, chain, quad)]
        counts_without = [m[:, -1:, -1:] for m in (pair_without, chain_without, quad_without)]
        full = pair / counts[0] - 2 * chain / counts[1] + quad / counts[2]
        without = (
            pair_without / counts_without[0] - 2 * chain_without / counts_without[1] + quad_without / counts_without[2]
        )
        return full[:-1, :-1], without[:, :-1, :-1]

    def squared_traces(self) -> tuple[Floats, Floats]:
        """Averages for (tr C)² of each set, in full and without each cluster; the constant set left out."""
        squares, sums = self.squares, self.cluster_sums
        total, whole, met = squares.sum(axis=1), sums.sum(axis=1), np.einsum("sc,sc->s", squares, sums)
        pair = total**2 - np.square(squares).sum(axis=1)
        triple = total * whole - 2 * met
        pair_without = pair[:, None] - 2 * squares * (total[:, None] - squares)
        # Σ_{b≠c} q_b (K_b - K_bc), where K_bc is the product of the clusters' totals
        across = np.stack(
            [t @ (q @ t) - np.square(t).sum(axis=1) * q for t, q in zip(self.totals, squares, strict=True)]
        )
        met_without = met[:, None] - squares * sums - across
        triple_without = (total[:, None] - squares) * (whole[:, None] - 2 * sums) - 2 * met_without
        quad, quad_without = (np.diagonal(m, axis1=-2, axis2=-1) for m in self._quadruples)
        full = pair / pair[-1] - 2 * triple / triple[-1] + quad / quad[-1]
        without = (
            (pair_without / pair_without[-1]).T
            - 2 * (triple_without / triple_without[-1]).T
            + quad_without / quad_without[:, -1:]
        )
        return full[:-1], without[:, :-1]

    def _chain_ends(self) -> Floats:
        """Chains of which a cluster is one end: Σ_j R_jc (Q_j - Q_jc), for either set at that end."""
        s = len(self._features)
        meeting = np.empty((len(self.starts), s, s))  # Σ_{j∉c} R_jc Q_j
        for i, (x, total) in enumerate(zip(self._features, self.totals, strict=True)):
            for j, weights in enumerate(self.row_totals):
                inside = self._by_cluster(weights[:, None] * x)
                meeting[:, i, j] = np.einsum("cd,cd->c", total, weights @ x - inside)
        return meeting + meeting.transpose(0, 2, 1) - 2 * self.ends

    @cached_property
    def cluster_sums(self) -> Floats:
        """Σ_b K_ab over the other clusters, ``(s, clusters)``."""
        return np.stack([t @ t.sum(axis=0) - np.square(t).sum(axis=1) for t in self.totals])

    @cached_property
    def _quadruples(self) -> tuple[Floats, Floats]:
        """Σ K_ab L_cd over clusters a, b, c, d, all distinct, in full and without each cluster."""
        sums = self.cluster_sums
        inside = self._cluster_pairs()  # Σ_b K_ab L_ab
        across = np.empty_like(inside)  # Σ_b K_ab L_b
        for i, t in enumerate(self.totals):
            across[:, i] = t @ (sums @ t).T - np.square(t).sum(axis=1)[:, None] * sums.T
        whole, shared = sums.sum(axis=1), sums @ sums.T
        full = np.outer(whole, whole) - 4 * shared + 2 * inside.sum(axis=0)
        left = whole[:, None] - 2 * sums  # (s, clusters)
        whole_without = np.einsum("sc,tc->cst", left, left)
        own = np.einsum("sc,tc->cst", sums, sums)
        shared_without = shared - own - across - across.transpose(0, 2, 1) + inside
        inside_without = inside.sum(axis=0) - 2 * inside
        return full, whole_without - 4 * shared_without + 2 * inside_without

    def _cluster_pairs(self) -> Floats:
        if self.alone:
            return self.pair
        clusters, s = len(self.starts), len(self.totals)
        found = np.empty((clusters, s, s))
        height = max(1, _BLOCK_NUMBERS // (s * clusters))
        for start in range(0, clusters, height):
            block = slice(start, min(start + height, clusters))
            gram = np.stack([t[block] @ t.T for t in self.totals], axis=1)
            gram[np.arange(block.stop - start), :, np.arange(start, block.stop)] = 0
            found[block] = gram @ gram.transpose(0, 2, 1)
        return found
