"""Accuracy, with intervals that are exact where predictions are independent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gnomon.estimators import Budget, KnownAnswer, StreamingEstimator, register
from gnomon.estimators.loss import known
from gnomon.estimators.loss.mean_loss import FEWEST_CLUSTERS, described, too_few
from gnomon.estimators.loss.prediction_sums import PredictionAccumulator, PredictionSums
from gnomon.measurement import ACCURACY, Measurement, clopper_pearson
from gnomon.randomness import Rng
from gnomon.statistics import cluster_proportion
from gnomon.subjects import Accumulator, Data, Statistic, Subject


@register
class Accuracy(StreamingEstimator):
    r"""Share of predictions that are right, :math:`\mathrm{acc} = \Pr[\arg\max_k f_k(x) = y]`.

    One prediction an independent example: the exact interval of Clopper and Pearson. Predictions in clusters
    (tokens of a sequence): the same interval at the number of independent predictions that they are worth
    (`gnomon.statistics.cluster_proportion`). Works for categorical losses and for the squared error with class targets.
    Cost: one forward pass, shared.

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
            _, uncertainty = cluster_proportion(correct, counts)
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
