"""Several means over the same texts, with errors that are robust to dependence inside a cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from gnomon.estimators import Estimator
from gnomon.measurement import Measurement, Uncertainty

FEWEST_CLUSTERS = 10
_DRAWS = 4000


@dataclass(frozen=True)
class ClusteredMeans:
    r"""Ratio means :math:`\hat\mu_b = \sum_c s_{cb} / \sum_c m_{cb}` with their joint linearised errors.

    Parameters
    ----------
    means : ``(bins,)``.
    influence : ``(clusters, bins)``, :math:`(s_{cb} - \hat\mu_b m_{cb}) / \sum_c m_{cb}`, scaled by
        :math:`\sqrt{C_b/(C_b - 1)}`; the covariance of the means is its product with itself over clusters.
    clusters : ``(bins,)`` how many clusters each mean holds.
    """

    means: NDArray[np.float64]
    influence: NDArray[np.float64]
    clusters: NDArray[np.int64]

    @property
    def errors(self) -> NDArray[np.float64]:
        """Standard errors, ``(bins,)``."""
        return np.asarray(np.sqrt(np.square(self.influence).sum(axis=0)))

    def half_widths(self, level: float = 0.95) -> NDArray[np.float64]:
        """Of the pointwise intervals, Student t with a degree of freedom less than there are clusters."""
        return np.asarray(self.errors * t.ppf(0.5 + level / 2, self.clusters - 1))

    def intervals(self) -> Uncertainty:
        """Pointwise 95 % intervals of means that are not negative; they cover the data."""
        half = self.half_widths()
        return Uncertainty.interval(
            np.maximum(0.0, self.means - half),
            self.means + half,
            covers={"data"},
            effective_samples=float(self.clusters.min()),
            systematic=0.0,
        )

    def simultaneous_factor(self, level: float = 0.95) -> float:
        """What to multiply `errors` by so that the intervals hold the whole curve at once (the sup-t band)."""
        errors = np.where(self.errors > 0, self.errors, 1.0)
        powers, axes = np.linalg.eigh((self.influence / errors).T @ (self.influence / errors))
        generator = np.random.default_rng(0)  # the factor is a number of the covariance, not a draw
        drawn = generator.normal(size=(_DRAWS, len(powers))) @ (axes * np.sqrt(np.maximum(powers, 0.0))).T
        freedom = int(self.clusters.min()) - 1
        drawn *= np.sqrt(freedom / generator.chisquare(freedom, size=(_DRAWS, 1)))
        return float(np.quantile(np.abs(drawn).max(axis=1), level))


def clustered_means(
    values: NDArray[np.float64], bins: NDArray[np.int64], groups: NDArray[np.int64], count: int
) -> ClusteredMeans:
    """Means of ``values`` in each of ``count`` bins; ``groups`` is the cluster of each value."""
    clusters = int(groups.max()) + 1
    cell, cells = groups * count + bins, clusters * count
    sums = np.bincount(cell, values, cells).reshape(clusters, count)
    counts = np.bincount(cell, minlength=cells).reshape(clusters, count)
    total = counts.sum(axis=0)
    means = sums.sum(axis=0) / total
    present = (counts > 0).sum(axis=0)
    influence = (sums - means * counts) / total * np.sqrt(present / np.maximum(present - 1, 1))
    return ClusteredMeans(means, influence, present)


def too_few(estimator: Estimator, clusters: int, of: str, examples: int) -> list[Measurement]:
    """A refusal of all quantities for want of independent texts."""
    reason = f"{clusters} independent {of}; errors over the data need {FEWEST_CLUSTERS}"
    wanted = {"examples": float(max(FEWEST_CLUSTERS, np.ceil(examples * FEWEST_CLUSTERS / max(clusters, 1))))}
    return [
        Measurement.insufficient(q, reason, suffices=wanted, estimator=estimator.name) for q in estimator.quantities
    ]
