"""Means over predictions with cluster-robust errors: what most quantities of loss come down to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from gnomon.estimators import Budget, StreamingEstimator
from gnomon.estimators.loss.prediction_sums import Column, PredictionAccumulator, PredictionSums
from gnomon.measurement import Measurement, Quantity, Uncertainty, cluster_mean
from gnomon.randomness import Rng
from gnomon.subjects import Accumulator, Data, Statistic, Subject

FEWEST_CLUSTERS = 2


class MeanOverPredictions(StreamingEstimator):
    """Mean of one column of `PredictionSums` over all predictions. Subclasses name the column and the quantity."""

    column: ClassVar[Column]
    rate = -0.5

    def statistics(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> Mapping[str, Statistic]:
        """See `StreamingEstimator.statistics`."""
        del subject, data, sites, budget
        return {"predictions": PredictionSums()}

    def finish(
        self,
        subject: Subject,
        found: Mapping[str, Accumulator],
        *,
        sites: Sequence[str],
        budget: Budget,
        rng: Rng,
    ) -> list[Measurement]:
        """See `StreamingEstimator.finish`."""
        del sites, budget, rng
        sums = found["predictions"]
        assert isinstance(sums, PredictionAccumulator)
        (quantity,) = self.quantities
        counts = sums.by_cluster(sums.counts)
        if len(counts) < FEWEST_CLUSTERS:
            return [too_few(quantity, self.name, sums)]
        totals = sums.by_cluster(getattr(sums, self.column))
        if not np.isfinite(totals).all():
            reason = "the mean is not finite: an observed outcome was given probability 0, or a score is not a number"
            return [Measurement.failed(quantity, reason, estimator=self.name)]
        value, uncertainty = self.transformed(*cluster_mean(totals, counts))
        diagnostics = {**described(subject, sums), "clusters": len(counts)}
        return [Measurement.ok(quantity, value, uncertainty, estimator=self.name, diagnostics=diagnostics)]

    def transformed(self, mean: float, uncertainty: Uncertainty) -> tuple[float, Uncertainty]:
        """What is reported, from the mean and its uncertainty: the two themselves."""
        return mean, uncertainty


def too_few(quantity: Quantity, estimator: str, sums: PredictionAccumulator) -> Measurement:
    """Why nothing is read from fewer than two independent examples that hold a prediction."""
    total = int(sums.counts.sum())
    reason = (
        "no example holds a prediction"
        if total == 0
        else f"{total} predictions come from one example or cluster: its error over data cannot be known"
    )
    return Measurement.insufficient(quantity, reason, suffices={"examples": 30}, estimator=estimator)


def described(subject: Subject, sums: PredictionAccumulator) -> dict[str, str | int]:
    """What a prediction is under the subject's loss, and how many there were."""
    loss = "" if subject.loss is None else subject.loss.name
    one = "token" if loss in ("next_token", "masked_token") else "example"
    return {"a_prediction_is_one": one, "predictions": int(sums.counts.sum())}
