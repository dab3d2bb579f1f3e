"""Whether chains agree with each other and have settled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

Draws = NDArray[np.float64]

_ROUNDING = 1e-12


def split_r_hat(draws: Draws) -> float:
    r"""Rank-normalised split :math:`\hat R` of ``(draws, chains)``, the larger of the bulk's and the folded one's.

    1 when half-chains are distributed alike; infinite when each stands still at a place of its own.

    Source: Vehtari et al., Bayesian Analysis 16 (2021) 667, arXiv:1903.08008.

    >>> noise = np.random.default_rng(0).normal(size=(500, 4))
    >>> bool(split_r_hat(noise) < 1.02), bool(split_r_hat(noise + np.arange(4)) > 1.5)
    (True, True)
    """
    halves = _halves(draws)
    folded = np.abs(halves - np.median(halves))
    return max(_r_hat(_normal_scores(halves)), _r_hat(_normal_scores(folded)))


def effective_samples(draws: Draws) -> float:
    r"""Bulk effective sample size of ``(draws, chains)``: independent draws that would know the mean as well.

    Autocorrelations of the rank-normalised half-chains are added up in pairs until a pair's sum is negative.

    Source: Geyer, Statist. Sci. 7 (1992) 473 (initial monotone sequence); Vehtari et al. (2021).
    """
    x = _normal_scores(_halves(draws))
    n, m = x.shape
    centred = x - x.mean(axis=0)
    spectrum = np.fft.rfft(centred, n=2 * n, axis=0)
    covariances = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:n].mean(axis=1) / n
    within = covariances[0] * n / (n - 1)
    total = covariances[0] + x.mean(axis=0).var(ddof=1)
    if total <= 0:
        return float(n * m)
    correlations = 1 - (within - covariances * n / (n - 1)) / total
    correlations[0] = 1.0
    pairs = correlations[: 2 * (n // 2)].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs < 0)
    pairs = np.minimum.accumulate(pairs[: negative[0] if len(negative) else len(pairs)])
    time = max(-1 + 2 * pairs.sum(), 1 / np.log10(n * m))
    return float(n * m / time)


def drift(draws: Draws) -> tuple[float, float]:
    """Mean of the second half less that of the first, averaged over chains, and its standard error over chains."""
    half = len(draws) // 2
    moved = draws[-half:].mean(axis=0) - draws[:half].mean(axis=0)
    return float(moved.mean()), float(moved.std(ddof=1) / np.sqrt(len(moved)))


def _halves(draws: Draws) -> Draws:
    half = len(draws) // 2
    return np.concatenate([draws[:half], draws[-half:]], axis=1)


def _normal_scores(x: Draws) -> Draws:
    ranks = rankdata(x, method="average").reshape(x.shape)
    return np.asarray(norm.ppf((ranks - 0.375) / (x.size + 0.25)))


def _r_hat(x: Draws) -> float:
    n = len(x)
    within = float(x.var(axis=0, ddof=1).mean())
    between = float(n * x.mean(axis=0).var(ddof=1))
    if within == 0 == between:
        return 1.0
    if within <= _ROUNDING * between:
        return float("inf")
    return float(np.sqrt(((n - 1) / n * within + between / n) / within))
