"""What the estimators of intrinsic dimension share: the refusal of readings whose error leaves nothing to report."""

from __future__ import annotations

import abc
import math
from typing import Any

from gnomon.estimators.geometry.cloud import MOST_NEIGHBOURS, CannotReadError
from gnomon.estimators.geometry.row_estimator import RowEstimator, suffices
from gnomon.estimators.geometry.scaling import LEVEL, Reading, Scaling, scaling_of
from gnomon.measurement import Measurement, Quantity, Uncertainty, Unit
from gnomon.subjects import RowAccumulator

DIMENSION = Unit.parse("dimension")
SYSTEMATIC_SOURCE = "finite n: boundary, curvature and density, and more than one dimension, from the scale curve"
_LARGEST_SHARE = 0.5  # of the value; an error beyond it leaves nothing to report
_LARGEST_GROWTH = 2.0**20


class DimensionEstimator(RowEstimator):
    """An estimator of the intrinsic dimension at each site, one of the readings of a `Scaling`."""

    @abc.abstractmethod
    def reading(self, scaling: Scaling) -> Reading:
        """Which of the readings it is."""

    def read(self, rows: RowAccumulator, site: str) -> list[Measurement]:
        """See `RowEstimator.read`."""
        try:
            scaling = scaling_of(rows)
        except CannotReadError as error:
            return [self._refusal(q, error.reason, rows, site, error.growth) for q in self.quantities]
        return self.report(scaling, rows, site)

    def report(self, scaling: Scaling, rows: RowAccumulator, site: str) -> list[Measurement]:
        """The reading, or the reason why there is none."""
        (quantity, *_), reading = self.quantities, self.reading(scaling)
        diagnostics = self.diagnostics(scaling)
        error = reading.half_width + reading.systematic
        if error > _LARGEST_SHARE * reading.value:
            growth = _growth(reading)
            reason = f"the estimate {reading.value:.3g} may be off by {error:.2g}, mostly from finite n"
            if growth is None:
                reason += "; no practical number of rows would do"
            estimate = {"estimate": reading.value, "error": error, **diagnostics}
            return [self._refusal(quantity, reason, rows, site, growth, estimate)]
        uncertainty = Uncertainty.interval(
            max(0.0, reading.value - reading.half_width),
            reading.value + reading.half_width,
            covers={"data"},
            level=LEVEL,
            effective_samples=float(scaling.clusters),
            systematic=reading.systematic,
            systematic_source=SYSTEMATIC_SOURCE,
        )
        return [
            Measurement.ok(
                quantity, reading.value, uncertainty, site=site, estimator=self.name, diagnostics=diagnostics
            )
        ]

    def diagnostics(self, scaling: Scaling) -> dict[str, Any]:
        """What helps to judge a reading."""
        return {
            "rows": len(scaling.cloud.distances),
            "clusters": scaling.clusters,
            "duplicates": scaling.cloud.duplicates,
            "scale_curve": dict(zip(map(str, scaling.scales), scaling.curve.tolist(), strict=True)),
            "continued_without_boundary": scaling.smooth,
            "continued_with_boundary": scaling.boundary,
            "without_largest_ratios": scaling.censored,
            "distance_from_one_dimension": scaling.misfit,
        }

    def flops_at(self, rows: int, width: int) -> float:
        """See `RowSampling.flops_at`: distances, sorting, and the likelihoods of the halves."""
        return rows**2 * (2.0 * width + 200) + 2e4 * rows

    def bytes_at(self, rows: int, width: int) -> int:
        """See `RowSampling.bytes_at`: copies of the points, neighbours and what is made of them."""
        return 16 * rows * width + 100 * rows * min(MOST_NEIGHBOURS, rows)

    def _refusal(
        self,
        quantity: Quantity,
        reason: str,
        rows: RowAccumulator,
        site: str,
        growth: float | None,
        diagnostics: dict[str, Any] | None = None,
    ) -> Measurement:
        return Measurement.insufficient(
            quantity,
            reason,
            suffices=suffices(rows, growth),
            site=site,
            estimator=self.name,
            diagnostics=diagnostics,
        )


def _growth(reading: Reading) -> float | None:
    """How many times more rows would bring the error to half of the value, if each part falls at its own rate."""
    for step in range(1, int(math.log2(_LARGEST_GROWTH)) + 1):
        growth = 2.0**step
        error = reading.half_width * growth**-0.5 + reading.systematic * growth ** (-1 / reading.value)
        if error <= _LARGEST_SHARE * reading.value:
            return growth
    return None
