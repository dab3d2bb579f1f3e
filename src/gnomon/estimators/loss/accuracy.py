"""Accuracy, with intervals that are exact where predictions are independent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, t

from gnomon.estimators import Budget, KnownAnswer, StreamingEstimator, register
from gnomon.estimators.loss import known
from gnomon.estimators.loss.mean_loss import FEWEST_CLUSTERS, described, too_few
from gnomon.estimators.loss.prediction_sums import PredictionAccumulator, PredictionSums
from gnomon.measurement import ACCURACY, Measurement, Uncertainty, clopper_pearson, cluster_mean
from gnomon.randomness import Rng
from gnomon.subjects import Accumulator, Data, Statistic, Subject


@register
class Accuracy(StreamingEstimator):
    r"""Share of predictions that are right, :math:`\mathrm{acc} = \Pr[\arg\max_k f_k(x) = y]`.

    One prediction an independent example: the exact interval of Clopper and Pearson. Predictions in clusters
    (tokens of a sequence): the same interval at the effective number of predictions
    :math:`n^* = \hat a(1-\hat a) / \widehat{\mathrm{se}}^2`, where the error is cluster-robust, reduced by
    :math:`(t_{n-1}/t_{C-1})^2` for its own uncertainty, and never above the number of predictions; where all
    predictions agree, which leaves no error to see, :math:`n^*` is the number of clusters. Works for categorical
    losses and for the squared error with class targets. Cost: one forward pass, shared.

    Source: Clopper & Pearson (1934); Korn & Graubard, Survey Methodology 24 (1998) 193.

    >>> import torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.subjects import ArrayData, CrossEntropy
    >>> subject = Subject(torch.nn.Identity(), loss=CrossEntropy())
    >>> data = ArrayData(torch.eye(3).repeat(10, 1), torch.arange(30) % 3)
    >>> (m,) = Accuracy().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> m.value, round(m.uncertainty.low, 4), m.uncertainty.high
    (1.0, 0.8843, 1.0)
    """

    name = "accuracy"
    quantities = (ACCURACY,)
    needs = frozenset({"predictions"})
    rate = -0.5

    def inapplicable(self, subject: Subject, data: Data | None) -> str:
        """See `Estimator.inapplicable`: targets must be classes."""
        reason = super().inapplicable(subject, data)
        if reason or subject.loss is None or data is None or subject.loss.categorical:
            return reason
        targets = data.batch([0]).targets
        return "the targets are not classes" if targets is not None and targets.is_floating_point() else ""

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
        counts, correct = sums.by_cluster(sums.counts), sums.by_cluster(sums.correct)
        if len(counts) < FEWEST_CLUSTERS:
            return [too_few(ACCURACY, self.name, sums)]
        if not sums.of_classes:
            return [Measurement.failed(ACCURACY, "the targets are not classes", estimator=self.name)]
        diagnostics = {**described(subject, sums), "clusters": len(counts)}
        value = float(correct.sum() / counts.sum())
        if sums.single:
            uncertainty = clopper_pearson(int(correct.sum()), int(counts.sum()))
        else:
            uncertainty = _clustered(correct, counts)
        return [Measurement.ok(ACCURACY, value, uncertainty, estimator=self.name, diagnostics=diagnostics)]

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Labels that agree with the top score at a known rate: independent, in clusters, and nearly always."""
        quantity = "accuracy"
        return (
            KnownAnswer(name="softmax, labels drawn from it", quantity=quantity, make=known.softmax_accuracy),
            KnownAnswer(name="right 99 times in 100", quantity=quantity, make=known.nearly_perfect),
            KnownAnswer(name="clusters of copies", quantity=quantity, make=known.copies_accuracy),
            KnownAnswer(name="clusters of copies, nearly perfect", quantity=quantity, make=known.copies_nearly_perfect),
            KnownAnswer(name="regression onto classes", quantity=quantity, make=known.regressed_classes),
        )


def _clustered(correct: NDArray[np.float64], counts: NDArray[np.float64], *, level: float = 0.95) -> Uncertainty:
    """Korn–Graubard: a Clopper–Pearson interval at the effective number of predictions."""
    total, clusters = float(counts.sum()), len(counts)
    value, uncertainty = cluster_mean(correct, counts)
    variance = float(np.square(np.asarray(uncertainty.error)))
    tail = (1 - level) / 2
    if variance == 0.0:
        effective = float(clusters)
    else:
        known_variance = t.ppf(1 - tail, total - 1) / t.ppf(1 - tail, clusters - 1)
        effective = min(total, value * (1 - value) / variance * float(known_variance) ** 2)
    hits = value * effective
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, effective - hits + 1))
    high = 1.0 if hits == effective else float(beta.ppf(1 - tail, hits + 1, effective - hits))
    return Uncertainty.interval(low, high, level=level, covers={"data"}, effective_samples=effective, systematic=0.0)
