"""The step size at which gradient descent diverges, in dimensions that were not tried."""

from __future__ import annotations

from typing import ClassVar

from gnomon.lab.sweep import Point
from gnomon.measurement import Measurement
from gnomon.phenomena.evidence import mean_over_seeds, of_each
from gnomon.predictions.along import Outcomes
from gnomon.predictions.by_theory import ByTheory
from gnomon.predictions.descent_threshold_experiment import DescentThreshold
from gnomon.predictions.registry import register
from gnomon.theory.gradient_descent import CRITICAL_LEARNING_RATE, CriticalLearningRate
from gnomon.theory.marchenko_pastur import marchenko_pastur_edges


@register
class DescentThresholds(ByTheory[int]):
    r"""Linear regression on 200 Gaussian examples: two theories in a row, and no data.

    The largest curvature is the upper edge of the Marchenko–Pastur law, :math:`(1 + \sqrt{d/n})^2`, and descent
    diverges at 2 over it. At finite size the largest eigenvalue is below the edge by a relative :math:`O(n^{-2/3})`
    (Tracy–Widom), which the theory is not told.

    Mended after seeing: in a first run 0.101 was measured at d = 400, where 0.343 was foretold, because a loss that had
    fallen to rounding, and went up and down there, counted as one that grew.
    """

    name = "descent_threshold"
    title = "Step size at which gradient descent diverges, in a new dimension"
    question = (
        "At which step size does gradient descent on linear regression begin to diverge, in a new dimension? From the "
        "edge of the Marchenko–Pastur law and the stability of descent on a quadratic."
    )
    source = "Marchenko & Pastur (1967); Polyak (1964)"
    columns = ("dimension",)
    quantity = CRITICAL_LEARNING_RATE
    statistic = "mean over seeds of the step size at which the loss begins to grow"
    seen = (20, 40, 80, 120)
    unseen: ClassVar = {"between": 60, "more_dimensions_than_examples": 400}
    seeds = 6

    def point(self, at: int, seed: int) -> Point:
        """Inputs of its own for each seed."""
        return Point("descent_threshold", DescentThreshold(dimension=at, seed=seed))

    def summary(self, outcomes: Outcomes) -> Measurement:
        """See ``statistic``."""
        return mean_over_seeds(self.quantity, of_each(outcomes, lambda found: found["threshold"]))

    def theories(self, at: int) -> list[CriticalLearningRate]:
        """At the edge of the spectrum."""
        ratio = at / DescentThreshold(dimension=at).examples
        return [CriticalLearningRate(largest_eigenvalue=marchenko_pastur_edges(ratio)[1])]
