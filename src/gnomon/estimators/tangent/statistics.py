"""What is read off a kernel matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnomon.estimators.tangent.jackknife import Floats


def eigenvalues(kernel: Floats) -> Floats:
    """Eigenvalues of K / n, descending; those below zero by rounding are zero."""
    found: Floats = np.linalg.eigvalsh(kernel)[::-1] / len(kernel)
    return np.maximum(found, 0.0)


def effective_rank(kernel: Floats) -> Floats:
    """Exponential of the entropy of the shares of the eigenvalues; 1 for a kernel that is zero."""
    return spread_over(eigenvalues(kernel))


def spread_over(values: Floats) -> Floats:
    """Exponential of the entropy of the shares that ``values`` are of their sum, over the last axis."""
    total = values.sum(axis=-1, keepdims=True)
    shares = values / np.where(total > 0, total, 1.0)
    return np.asarray(np.exp(-(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=-1)))


def label_kernel(targets: NDArray[np.generic]) -> Floats:
    """Inner products of the labels: 1 for equal classes, else 0; of vectors of values, as they are."""
    if np.issubdtype(targets.dtype, np.integer):
        return np.asarray(targets[:, None] == targets[None, :], dtype=np.float64)
    values = targets.reshape(len(targets), -1).astype(np.float64)
    return np.asarray(values @ values.T)


def alignment(kernel: Floats, labels: Floats) -> Floats:
    """Cosine between two kernels, each centred so that a sample's size does not bias it (diagonals are left out).

    NaN where one of them is constant.

    Source: Cortes, Mohri & Rostamizadeh, JMLR 13 (2012) 795; Székely & Rizzo, Annals of Statistics 42 (2014) 2382.
    """
    a, b = _centred(kernel), _centred(labels)
    scale = float(np.square(a).sum() * np.square(b).sum())
    return np.asarray((a * b).sum() / np.sqrt(scale)) if scale > 0 else np.full((), np.nan)


def _centred(kernel: Floats) -> Floats:
    """U-centred: means over other predictions are taken off, and the diagonal is zero."""
    n = len(kernel)
    off = kernel - np.diag(np.diag(kernel))
    sums = off.sum(axis=0)
    out: Floats = off - (sums[:, None] + sums[None, :]) / (n - 2) + sums.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(out, 0.0)
    # what is constant but for rounding is constant
    return np.zeros_like(out) if np.abs(out).max() <= 1e-12 * np.abs(kernel).max() else out


def relative_change(now: Floats, before: Floats) -> Floats:
    """Distance between two kernels as a share of the earlier one's norm."""
    return np.asarray(np.linalg.norm(now - before) / np.linalg.norm(before))


def kernel_distance(now: Floats, before: Floats) -> Floats:
    """One minus the cosine between two kernels, not below zero by rounding."""
    cosine = float((now * before).sum() / (np.linalg.norm(now) * np.linalg.norm(before)))
    return np.asarray(max(0.0, 1.0 - cosine))
