"""Noise and what stands out of it: the bulk of a spectrum, its edge, and the spikes beyond."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.estimators.weights.spectrum import Spectrum
from gnomon.estimators.weights.tracy_widom import largest_noise_eigenvalue
from gnomon.theory.marchenko_pastur import marchenko_pastur_cdf, marchenko_pastur_quantile

_ROUNDS = 50


@dataclass(frozen=True, kw_only=True)
class NoiseBulk:
    """A spectrum read as noise plus spikes.

    Parameters
    ----------
    scale : standard deviation of the noise's entries.
    error : its standard error.
    lowest_scale : what it would be if all of ``most_spikes`` were spikes.
    spikes : eigenvalues beyond the edge; ``most_spikes`` counts also those that the edge's fluctuation may hide.
    edge : singular value that noise alone exceeds with the stated probability.
    misfit : how many eigenvalues the bulk's counting function is off the Marchenko–Pastur law at its worst.
    tolerance : misfit that noise practically never reaches.
    """

    scale: float
    error: float
    lowest_scale: float
    spikes: int
    most_spikes: int
    edge: float
    misfit: float
    tolerance: float

    @property
    def fits(self) -> bool:
        """Whether the bulk follows the Marchenko–Pastur law."""
        return self.misfit <= self.tolerance


def fit_noise_bulk(spectrum: Spectrum, *, false_alarm: float, hidden: float) -> NoiseBulk | None:
    r"""Read ``spectrum`` as noise and the fewest spikes; ``None`` when half of it or more is zero or spikes.

    With the :math:`k` largest eigenvalues taken for spikes, the noise has the scale

    .. math::

        \hat\sigma^2 = \frac{\sum_{i>k} \lambda_i + \sum_{i\le k} \hat\sigma^4 NM/\ell_i}{(N-k)(M-k)},\qquad
        \lambda_i = \frac{(\ell_i + N\hat\sigma^2)(\ell_i + M\hat\sigma^2)}{\ell_i},

    where the second sum returns the variance that each spike, of strength :math:`\ell_i` before the noise, takes from
    the bulk. For :math:`k = 0` that is the mean square of the entries, whose standard error follows from their
    kurtosis. The reading is the smallest :math:`k` for which eigenvalue :math:`k + 1` lies within the edge of
    noise and the rest follows the Marchenko–Pastur law. The search ends at the number of eigenvalues beyond the edge
    for the scale that the median eigenvalue implies, which up to half of the eigenvalues cannot carry away: spikes
    do not hide behind the variance that they add themselves.

    Parameters
    ----------
    false_alarm : probability that the largest eigenvalue of noise lies beyond the edge.
    hidden : probability that it lies below the lower edge, down to which a spike may be hidden.

    Source: Kritchman & Nadler, IEEE Trans. Signal Process. 57 (2009) 3930; Baik, Ben Arous & Péché, Ann. Probab. 33
    (2005) 1643.
    """
    eigenvalues, n = spectrum.values**2, len(spectrum.values)
    median = float(np.median(eigenvalues)) if n else 0.0
    if median <= spectrum.noise**2:
        return None
    long = max(spectrum.rows, spectrum.columns)
    guess = median / (long * float(marchenko_pastur_quantile(np.array([0.5]), n / long)[0]))
    most = int((eigenvalues > guess * _edge(spectrum, 0, 1 - false_alarm)).sum())
    if 2 * most >= n:
        return None
    for spikes in range(most + 1):
        variance = _variance(spectrum, eigenvalues, spikes)
        edge = variance * _edge(spectrum, spikes, 1 - false_alarm)
        if eigenvalues[spikes] <= edge or spikes == most:
            misfit = _misfit(eigenvalues[spikes:], variance, spectrum.rows - spikes, spectrum.columns - spikes)
            if misfit <= _tolerance(n):
                break
    low = variance * _edge(spectrum, spikes, hidden)
    most_spikes = max(spikes, int((eigenvalues > low).sum()))
    lowest = _variance(spectrum, eigenvalues, min(most_spikes, n // 2))
    kurtosis = spectrum.kurtosis if spikes == 0 else max(spectrum.kurtosis, 3.0)
    return NoiseBulk(
        scale=variance**0.5,
        error=0.5 * (variance * max(kurtosis - 1, 0) / (spectrum.rows * spectrum.columns)) ** 0.5,
        lowest_scale=min(lowest, variance) ** 0.5,
        spikes=spikes,
        most_spikes=most_spikes,
        edge=edge**0.5,
        misfit=misfit,
        tolerance=_tolerance(n),
    )


def _tolerance(n: int) -> float:
    """Eigenvalues repel each other: the misfit of noise is about log(n)/2, and rarely more than 1 above that."""
    return 3 + 0.5 * float(np.log(n))


def _edge(spectrum: Spectrum, spikes: int, p: float) -> float:
    rows, columns = spectrum.rows - spikes, spectrum.columns - spikes
    return largest_noise_eigenvalue(rows, columns, p, kurtosis=spectrum.kurtosis)


def _variance(spectrum: Spectrum, eigenvalues: NDArray[np.float64], spikes: int) -> float:
    """Variance of the noise beneath so many spikes."""
    rows, columns = spectrum.rows, spectrum.columns
    rest, left = float(eigenvalues[spikes:].sum()), (rows - spikes) * (columns - spikes)
    variance = rest / left
    for _ in range(_ROUNDS):
        weakest = variance * np.sqrt(rows * columns)  # the weakest spike that leaves the bulk
        b = eigenvalues[:spikes] - (rows + columns) * variance
        strengths = np.maximum((b + np.sqrt(np.maximum(b**2 - 4 * weakest**2, 0))) / 2, weakest)
        variance, before = (rest + float((weakest**2 / strengths).sum())) / left, variance
        if abs(variance - before) <= 1e-12 * before:
            break
    return variance


def _misfit(bulk: NDArray[np.float64], variance: float, rows: int, columns: int) -> float:
    short, long = sorted((rows, columns))
    law = marchenko_pastur_cdf(bulk[::-1] / (variance * long), short / long) * len(bulk)
    count = np.arange(len(bulk))
    return float(np.maximum(law - count, count + 1 - law).max())
