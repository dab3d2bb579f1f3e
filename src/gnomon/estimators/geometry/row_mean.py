"""Quantities that are the mean over rows of a number that each row has."""

from __future__ import annotations

import abc

import numpy as np
from numpy.typing import NDArray

from gnomon.estimators.geometry.row_estimator import RowEstimator, suffices
from gnomon.measurement import Measurement, Uncertainty, cluster_mean
from gnomon.subjects import RowAccumulator

FEWEST_CLUSTERS = 8


class RowMean(RowEstimator):
    """A function of the mean over rows of one number a row, with a cluster-robust interval."""

    rate = -0.5

    @abc.abstractmethod
    def numbers(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The number of each row ``(n, d)``; NaN where a row has none."""

    def transformed(self, mean: float) -> float:
        """The value that belongs to ``mean``: an increasing function of it."""
        return mean

    def read(self, rows: RowAccumulator, site: str) -> list[Measurement]:
        """See `RowEstimator.read`."""
        (quantity,) = self.quantities
        numbers = self.numbers(rows.values.astype(np.float64))
        present = np.isfinite(numbers)
        _, ids = np.unique(rows.clusters[present], return_inverse=True)
        count = int(ids.max(initial=-1)) + 1
        diagnostics = {"rows": int(present.sum()), "clusters": count, "rows_without": int((~present).sum())}
        if count < FEWEST_CLUSTERS:
            reason = f"{count} independent rows; at least {FEWEST_CLUSTERS} are needed"
            budget = suffices(rows, FEWEST_CLUSTERS / max(count, 1))
            return [
                Measurement.insufficient(
                    quantity, reason, suffices=budget, site=site, estimator=self.name, diagnostics=diagnostics
                )
            ]
        sums, counts = (np.bincount(ids, w).astype(np.float64) for w in (numbers[present], None))
        mean, found = cluster_mean(sums, counts)
        half_width = float(found.half_width)
        low, high = self.transformed(mean - half_width), self.transformed(mean + half_width)
        uncertainty = Uncertainty.interval(
            low, high, covers={"data"}, effective_samples=found.effective_samples, systematic=0.0
        )
        value = self.transformed(mean)
        return [Measurement.ok(quantity, value, uncertainty, site=site, estimator=self.name, diagnostics=diagnostics)]

    def flops_at(self, rows: int, width: int) -> float:
        """See `RowSampling.flops_at`."""
        return 10.0 * rows * width
