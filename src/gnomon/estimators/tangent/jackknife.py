"""What another draw of the predictions, or of the probes, would do to a statistic of a kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.measurement import Uncertainty, Value

Floats = NDArray[np.float64]
Statistic = Callable[[Floats, NDArray[np.int64]], Floats]
_MOST_GROUPS = 32


@dataclass(frozen=True, eq=False)
class Jackknifed:
    """A statistic with its standard errors over data and, where there are probes, over these.

    ``value`` is what remains after ``bias``, that of a finite number of probes, is taken off.

    ``freedom`` is the number of degrees of freedom of the whole error.
    """

    value: Floats
    error: Floats
    freedom: float
    bias: Floats
    probes: bool
    clusters: int

    def uncertainty(self, value: Floats) -> Uncertainty:
        """An interval around ``value``, over data, and over probes if there are any."""
        return Uncertainty.stderr(
            _plain(value),
            _plain(self.error),
            covers={"data", "probe"} if self.probes else {"data"},
            degrees_of_freedom=self.freedom,
            effective_samples=float(self.clusters),
        )


def jackknifed(statistic: Statistic, kernels: Floats, clusters: NDArray[np.int64]) -> Jackknifed:
    r"""``statistic(kernel, rows)`` of the mean of ``kernels``, with errors from leaving out groups and probes.

    Clusters are dealt into at most 32 groups, which are left out in turn; so are probes, one by one. The variances
    :math:`\frac{G - 1}{G} \sum_g (\theta_{(g)} - \bar\theta)^2` of the two add up to first order.

    Parameters
    ----------
    statistic : of a kernel among the predictions ``rows``.
    kernels : ``(probes, …, n, n)``, of which the mean over probes counts; one alone is exact.
    clusters : ``(n,)``.

    Source: Efron & Stein, Annals of Statistics 9 (1981) 586; Satterthwaite, Biometrics Bulletin 2 (1946) 110.
    """
    everything = np.arange(len(clusters), dtype=np.int64)
    mean = kernels.mean(axis=0)
    value = statistic(mean, everything)
    ids, which = np.unique(clusters, return_inverse=True)
    groups = which % _MOST_GROUPS
    count = int(groups.max()) + 1
    kept = [everything[groups != g] for g in range(count)]
    by_data = _variance([statistic(mean[..., rows[:, None], rows], rows) for rows in kept])
    probes = len(kernels)
    if probes == 1:
        return Jackknifed(
            value, np.asarray(np.sqrt(by_data)), count - 1.0, np.zeros_like(value), probes=False, clusters=len(ids)
        )
    without = [statistic((mean * probes - one) / (probes - 1), everything) for one in kernels]
    by_probe = _variance(without)
    bias = np.asarray((probes - 1) * (np.mean(without, axis=0) - value))
    total = by_data.sum() + by_probe.sum()
    parts = by_data.sum() ** 2 / (count - 1) + by_probe.sum() ** 2 / (probes - 1)
    freedom = float(total**2 / parts) if parts > 0 else count - 1.0
    error = np.asarray(np.sqrt(by_data + by_probe))
    return Jackknifed(np.asarray(value - bias), error, freedom, bias, probes=True, clusters=len(ids))


def _variance(without: list[Floats]) -> Floats:
    stacked = np.stack(without)
    count = len(stacked)
    return np.asarray((count - 1) / count * np.square(stacked - stacked.mean(axis=0)).sum(axis=0))


def _plain(array: Floats) -> Value:
    return float(array) if array.ndim == 0 else array
